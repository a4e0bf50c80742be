"""Any run's policy live in a browser, several robots side by side, with sliders for their commands.

    serve(Run.open(Path("runs/go2")), num_envs=4, host="127.0.0.1", port=8080)      # until Ctrl-C or SIGTERM

`Session` is what happens, without any page: environments that step under the policy, commands that the task draws or that are
held, pauses, pushes, figures. `rl.page` is what is seen of it.
"""

import math
import time
from collections import deque
from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from envs.task import CommandTerm
from rl.evaluate import Places, evaluation_key, first_place, load_policy
from rl.page import Page, Slider, Wishes, address, open_server
from rl.ppo import PPO, TrainState
from rl.run import Run
from rl.stop import Stop
from sim.render import show_geoms

# Commands drawn to find the ranges of the sliders.
_DRAWS = 2048

# Pictures and figures a second.
_PICTURES = 30.0
_FIGURES = 4.0


class Session:
    """Environments of `ppo.env` under a policy.

    As long as nobody interferes, its states are those of `env.reset(evaluation_key(seed))` and `env.step`, bit for bit.
    """

    def __init__(self, ppo: PPO, policy: TrainState, seed: int = 1):
        env = ppo.env
        self.env, self.task = env, env.task
        self.paused = False
        self._reset = jax.jit(env.reset)
        self._step = jax.jit(lambda state: env.step(state, ppo.act_in(policy, state)))
        self._hold = jax.jit(env.hold_command)
        self._draw = jax.jit(self.task.command.sample)
        self._keys = evaluation_key(seed)
        self._held: jax.Array | None = None
        self._draws = self._resets = 0
        self._recent: deque[dict[str, np.ndarray]] = deque(maxlen=max(1, round(1.0 / self.task.control_seconds)))
        self.state = self._reset(self._keys)
        self.seconds = 0.0
        """Simulated since the start or the last reset."""
        self.failed = self.diverged = self.timed_out = 0
        """Episodes that ended so since then."""

    def obey(self, wishes: Wishes) -> None:
        """Do what is asked, from the next step on."""
        self.paused = wishes.paused
        if wishes.reset:
            self.reset()
        if wishes.command is not None:
            self._held = jnp.asarray(wishes.command, jnp.float32)
            self.state = self._hold(self.state, self._held)
        elif self._held is not None:
            self._held = None  # the task draws the next command at once
            self.state = self.state.replace(command_left=jnp.zeros_like(self.state.command_left))
        if wishes.push:
            self.state = self.state.replace(push_left=jnp.zeros_like(self.state.push_left))

    def reset(self) -> None:
        """New episodes in all environments, of a new draw."""
        self._resets += 1
        self.state = self._reset(jax.random.fold_in(self._keys, self._resets))
        self._recent.clear()
        self.seconds = 0.0
        self.failed = self.diverged = self.timed_out = 0

    def step(self) -> None:
        """One control period of all environments, unless paused. Those whose episode ended have begun anew."""
        if self.paused:
            return
        self.state = self._step(self.state)
        if self._held is not None:  # an episode that began anew drew a command of its own
            self.state = self._hold(self.state, self._held)
        self.seconds += self.task.control_seconds
        state = self.state
        told = jax.device_get({"terminated": state.terminated, "truncated": state.truncated, **state.metrics})
        diverged = told["failed/diverged"] > 0
        self.diverged += int(diverged.sum())
        self.failed += int((told["terminated"] & ~diverged).sum())
        self.timed_out += int(told["truncated"].sum())
        # The step in which a robot fails counts for no metric, as in an evaluation.
        names = [term.name for term in self.task.metrics]
        self._recent.append({n: np.where(told["terminated"], np.nan, told[f"metric/{n}"]) for n in names})

    def draw_command(self) -> np.ndarray:
        """A command as the task draws them, (size,)."""
        self._draws += 1
        return np.asarray(self._draw(jax.random.fold_in(jax.random.fold_in(self._keys, 0), self._draws)))

    @property
    def scene(self) -> mujoco.MjModel:
        """To be drawn: with the ground that the first robot is on."""
        model = self.task.scene().compile()
        fields = {name: np.asarray(value[0]) for name, value in self.state.physics.fields.items()}
        show_geoms(model, self.env.physics.model, fields)
        return model

    @property
    def qpos(self) -> np.ndarray:
        """Where the robots are, (num_envs, nq)."""
        return np.asarray(self.state.physics.qpos)

    @property
    def command(self) -> np.ndarray:
        """What they are asked to do, (num_envs, size)."""
        return np.asarray(self.state.command)

    @property
    def metrics(self) -> dict[str, float]:
        """The task's metrics: means over all robots and the last second; those that counted nowhere are left out."""
        values = {term.name: np.array([step[term.name] for step in self._recent]) for term in self.task.metrics}
        return {name: float(np.nanmean(value)) for name, value in values.items() if not np.isnan(value).all()}


class Pace:
    """Keeps control periods of `seconds` to the wall clock, and tells how well that goes."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ):
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._times: deque[float] = deque(maxlen=round(1.0 / seconds) + 1)
        self._due = clock()

    @property
    def speed(self) -> float | None:
        """Simulated time over wall time in the last second's periods; None where there were none."""
        times = self._times
        return (len(times) - 1) * self._seconds / (times[-1] - times[0]) if len(times) > 1 else None

    def wait(self) -> None:
        """Until the period that was just simulated is over. What is too late by a fifth of a second is not made up for."""
        now = self._clock()
        self._times.append(now)
        self._due = max(self._due + self._seconds, now - 0.2)
        if self._due > now:
            self._sleep(self._due - now)

    def rest(self, seconds: float) -> None:
        """Let time pass in which nothing is simulated."""
        self._sleep(seconds)
        self._times.clear()
        self._due = self._clock()


def sliders(command: CommandTerm, value: np.ndarray) -> tuple[Slider, ...]:
    """A slider for each entry of a command, over the range of what the task draws, at `value`."""
    drawn = np.asarray(jax.jit(jax.vmap(command.sample))(jax.random.split(jax.random.key(0), _DRAWS)))
    made = []
    for name, low, high, at in zip(command.names, drawn.min(axis=0), drawn.max(axis=0), value, strict=True):
        # A hundredth of the range or less, and round: the ends too, which no draw meets exactly.
        step = 10.0 ** math.floor(math.log10(1.01 * max(high - low, 1e-6) / 100))
        first, last = step * math.floor(low / step + 1e-3), step * math.ceil(high / step - 1e-3)
        made.append(Slider(name, first, last, step, float(np.clip(step * round(at / step), first, last))))
    return tuple(made)


def serve(
    run: Run,
    *,
    num_envs: int = 4,
    host: str = "127.0.0.1",
    port: int = 8080,
    seed: int = 1,
    engine: str | None = None,
    places: Places | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Show the run's newest policy on a web page until Ctrl-C or SIGTERM.

    On a terrain all robots are on one tile of it, the first of the `places` chosen. `say` is called with the page's address
    once it is there, and with warnings. Raises PageError, RunError and their kin.
    """
    with Stop() as stop, open_server(host, port) as server:
        ppo, policy = load_policy(run, num_envs, engine, places=first_place(run.make_task(), places))
        session = Session(ppo, policy, seed)
        task = session.task
        has_pushes = task.randomization.push is not None
        made = sliders(task.command, session.command[0])
        page = Page(server, task, session.scene, made, session.draw_command, num_envs, has_pushes)
        if page.unshown:
            say(f"warning: the page does not show {', '.join(page.unshown)}")
        session.step()  # compiles
        page.show(session.qpos, session.command)
        say(f"{task.name} at {address(server)}   (Ctrl-C ends)")
        if host not in ("127.0.0.1", "::1", "localhost"):
            say(f"warning: whoever reaches {host} port {server.get_port()} can move the sliders")
        pace = Pace(task.control_seconds)
        every = max(1, round(1 / _PICTURES / task.control_seconds))
        steps, told = 0, -math.inf
        while not stop.requested:
            session.obey(wishes := page.wishes())
            if session.paused:
                pace.rest(0.03)
            else:
                session.step()
                steps += 1
            if steps % every == 0 or wishes.reset or session.paused:
                page.show(session.qpos, session.command)
            if time.monotonic() - told > 1 / _FIGURES:
                told = time.monotonic()
                session.env.physics.check_overflow(session.state.physics)
                page.tell(figures(session, pace.speed))
            if not session.paused:
                pace.wait()


def figures(session: Session, speed: float | None) -> dict[str, str]:
    """What the page tells, by name: speed, time, ends of episodes, metrics, commands."""
    told = {
        "speed" if speed is not None else "paused": f"{speed:.2f} × real time" if speed is not None else "",
        "simulated": f"{session.seconds:.1f} s",
        "failed": f"{session.failed}",
        "time was up": f"{session.timed_out}",
    }
    if session.diverged:
        told["diverged"] = f"{session.diverged}"
    told |= {name.replace("_", " "): f"{value:.3f}" for name, value in session.metrics.items()}
    for name, values in zip(session.task.command.names, session.command.T, strict=True):
        low, high = values.min(), values.max()
        told[f"commanded {name}"] = f"{low:+.2f}" if high - low < 0.005 else f"{low:+.2f} to {high:+.2f}"
    return told
