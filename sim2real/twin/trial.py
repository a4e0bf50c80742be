"""Exported policies judged on a twin by their task's own rewards, in simulated time: `try_policy`.

    trial = try_policy(Path("policy.onnx"), load_gap(Path("gap.toml")), episodes=16)
    trial.return_per_second, trial.falls

Nothing waits for a clock and no runtime is in between: every control period the policy decides on the newest state that has
arrived, and its targets are sent at the twin's rate. Same seed, same episodes, whatever the policy: commands are drawn as in
training, from a stream of their own. What the policy earns is what the task's terms see of the twin's true state.
"""

import math
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from assets.scene import compile_for_physics
from envs.judgement import Judgement, judge
from envs.registry import make_task
from envs.task import Task
from envs.view import Layout, View
from sim2real.deploy.onnx_pilot import OnnxPilot
from sim2real.deploy.pilot import Pilot
from sim2real.deploy.sources import Script
from sim2real.export.policy import Policy
from sim2real.robot_io import RobotCommand
from sim2real.twin.gap import Gap
from sim2real.twin.process import Watcher
from sim2real.twin.server import TwinError
from sim2real.twin.simulated import SimulatedRobot

_RATE = 500.0  # Hz, as `zerogap twin` has by default
_COMMAND_STREAM = 0x7121A1
_WORTH_A_PROCESS = 60.0  # s simulated: to start one takes as long


@dataclass(frozen=True)
class Episode:
    """One robot until it failed or its time was up."""

    seed: int
    lasted: float
    """s"""
    reward: float
    """Summed, the cost of failing included."""
    failed: str | None
    """The termination term that ended it; None where it did not fail."""
    metrics: dict[str, float]
    """Means of the task's metrics over the control steps before it failed."""


@dataclass(frozen=True)
class Trial:
    task: str
    seconds: float
    """Asked of each episode."""
    run: str
    """Hash of the run that the policy is from."""
    episodes: tuple[Episode, ...]

    @property
    def returns_per_second(self) -> np.ndarray:
        """Of each episode, (episodes,): one that failed earns nothing for the rest of the time."""
        return np.array([episode.reward for episode in self.episodes]) / self.seconds

    @property
    def return_per_second(self) -> float:
        """As that of `rl.evaluate.Evaluation`."""
        return float(self.returns_per_second.mean())

    @property
    def falls(self) -> int:
        return sum(episode.failed is not None for episode in self.episodes)

    def metric(self, name: str) -> float:
        """Mean over all episodes, each counting as long as it lasted."""
        known = [e for e in self.episodes if name in e.metrics]
        return float(np.average([e.metrics[name] for e in known], weights=[e.lasted for e in known]))

    def to_json(self) -> dict[str, Any]:
        names = sorted({name for episode in self.episodes for name in episode.metrics})
        return {
            "task": self.task,
            "run": self.run,
            "robots": len(self.episodes),
            "seconds": self.seconds,
            "return_per_second": self.return_per_second,
            "falls": self.falls,
            **{name: self.metric(name) for name in names},
            "episodes": [asdict(episode) for episode in self.episodes],
        }


def try_policy(
    policy: Path,
    gap: Gap,
    *,
    task: str | None = None,
    episodes: int = 16,
    seconds: float = 20.0,
    seed: int = 0,
    processes: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Trial:
    """Episode i is that of seed + i. `task` defaults to the policy's own, `processes` to one for each core where there is
    enough to do.

    Raises TwinError where the task cannot be judged on a twin, or the simulation diverges, and what reading the policy raises.
    """
    if episodes < 1 or not seconds > 0:
        raise TwinError(f"{episodes} episodes of {seconds:g} s: expected at least one, of more than 0 s")
    spec = Policy.load(policy).spec
    name = task or spec.task
    Stage(make_task(name), gap)  # what is wrong is told before processes are started
    worth = math.ceil(episodes * seconds / _WORTH_A_PROCESS)
    workers = processes or min(os.cpu_count() or 1, episodes, worth)
    seeds = range(seed, seed + episodes)
    told: list[Episode] = []
    if workers == 1:
        _prepare(name, policy, gap)
        for one in seeds:
            told.append(_episode(one, seconds))
            progress(len(told) / episodes)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _prepare, (name, policy, gap)) as pool:
            for episode in pool.map(_episode, seeds, [seconds] * episodes):
                told.append(episode)
                progress(len(told) / episodes)
    return Trial(name, seconds, spec.run_hash, tuple(told))


class Stage:
    """A task's judge beside a twin; compiled once for as many episodes as come. Raises TwinError where they do not fit."""

    def __init__(self, task: Task, gap: Gap):
        if task.terrain is not None:
            raise TwinError(f"task {task.name!r} is one of a terrain, and a twin stands on a plane: try it on a flat one")
        self.task, self._gap = task, gap
        self._judge = None
        self._reference = jax.jit(task.command.reference)

    def play(
        self, pilot: Pilot, seed: int = 0, seconds: float = 20.0, watcher: Callable[[SimulatedRobot], Watcher] | None = None
    ) -> Episode:
        """One episode from the default pose. `watcher` is made of the twin, and looks on."""
        task = self.task
        twin = SimulatedRobot(task.robot, self._gap, seed, rate=_RATE, start="standing")
        watch = watcher(twin) if watcher is not None else None
        every = round(_RATE / pilot.rate)
        if abs(every * pilot.rate - _RATE) > 1e-6 or abs(1.0 / pilot.rate - task.control_seconds) > 1e-9:
            raise TwinError(
                f"the policy decides at {pilot.rate:g} Hz: expected {1 / task.control_seconds:g} Hz, as task {task.name!r} has,"
                f" and a whole part of the twin's {_RATE:g} Hz"
            )
        script = draw_commands(task, seed, seconds)
        judge_step, first = self._compiled(twin)
        memory, last = first, np.zeros(task.action.size(task.robot), np.float32)
        zero = np.zeros(task.robot.num_joints)
        state = twin.step(None)
        steps, total, sums = round(seconds * pilot.rate), 0.0, {term.name: [0.0, 0] for term in task.metrics}
        sequence, given, since, reference = 0, None, 0.0, ()
        pilot.restart()
        for step in range(steps):
            now = step * task.control_seconds
            command = script.read(now)
            if given is None or not np.array_equal(given, command):
                given, since, reference = command, now, self._reference(command)
            decision = pilot.decide(state, command)
            action = np.clip(np.nan_to_num(decision.action), -task.action_limit, task.action_limit)
            for _ in range(every):
                sent = RobotCommand(sequence, decision.targets, zero, zero, pilot.stiffness, pilot.damping)
                state = twin.step(sent)
                sequence += 1
                if watch is not None:
                    watch.add(twin, sent)
            end = now + task.control_seconds
            judged = judge_step(_world(twin, self._fields), command, reference, action, last, memory, end, end - since)
            judged = jax.device_get(judged)
            total += float(judged.reward)
            memory, last = judged.memory, action
            if judged.terminated:
                failed = next(name for name, is_so in judged.failed.items() if is_so)
                return Episode(seed, end, total, failed, _means(sums))
            for name, value in judged.metrics.items():
                if not np.isnan(value):
                    sums[name][0] += float(value)
                    sums[name][1] += 1
        return Episode(seed, seconds, total, None, _means(sums))

    def _compiled(self, twin: SimulatedRobot) -> tuple[Callable[..., Judgement], dict[str, jax.Array]]:
        """The judge, of twins that are all alike, and what its memory starts from."""
        task = self.task
        if self._judge is None:
            layout = Layout.of(task.robot, twin.model)
            self._fields = _field_names(task)

            def step(world, command, reference, action, last_action, memory, time, command_time) -> Judgement:
                qpos, qvel, sensordata, fields = world
                view = View(
                    qpos=qpos,
                    qvel=qvel,
                    sensordata=sensordata,
                    fields=fields,
                    command=command,
                    action=action,
                    last_action=last_action,
                    memory=memory,
                    time=time,
                    command_time=command_time,
                    layout=layout,
                    dt=task.control_seconds,
                    reference=reference,
                )
                return judge(task, view, jnp.zeros((), bool))

            self._judge = jax.jit(step)
            self._first = jax.device_get({term.name: term.initial(layout) for term in task.memory})
            self._check(twin)
        return self._judge, self._first

    def _check(self, twin: SimulatedRobot) -> None:
        """Raise TwinError where a term asks for what is not in a twin's world, as a task's own objects are not."""
        task, n = self.task, self.task.robot.num_joints
        command = jax.ShapeDtypeStruct((len(task.command.names),), jnp.float32)
        some = jax.ShapeDtypeStruct((n,), jnp.float32)
        assert self._judge is not None
        try:
            reference = jax.eval_shape(self._reference, command)
            jax.eval_shape(self._judge, _world(twin, self._fields), command, reference, some, some, self._first, 0.0, 0.0)
        except (KeyError, TypeError, ValueError) as error:
            raise TwinError(f"task {task.name!r} cannot be judged on a twin of {task.robot.name!r}: {error}") from error


def draw_commands(task: Task, seed: int, seconds: float) -> Script:
    """What a robot of that seed is asked to do, as in training, from its first decision on."""
    key = jax.random.fold_in(jax.random.key(_COMMAND_STREAM), seed)
    times, commands, now = [], [], 0.0
    low, high = task.command.seconds
    while now < seconds:
        key, of_command, of_time = jax.random.split(key, 3)
        times.append(now)
        commands.append(np.asarray(task.command.sample(of_command), float))
        now += float(jax.random.uniform(of_time, (), minval=low, maxval=high))
    return Script(np.array(times), np.stack(commands))


def _field_names(task: Task) -> tuple[str, ...]:
    """Those that a view of the task shows: what it randomises of its own scene, whose motors are not the twin's."""
    model = compile_for_physics(task.scene())
    return tuple(sorted({name for term in task.randomization.model for name in term.bind(model)[0]}))


def _world(twin: SimulatedRobot, fields: Sequence[str]) -> tuple[Any, ...]:
    data, model = twin.data, twin.model
    arrays = {name: np.asarray(getattr(model, name), np.float32) for name in fields}
    return (*(np.asarray(x, np.float32) for x in (data.qpos, data.qvel, data.sensordata)), arrays)


def _means(sums: dict[str, list[float]]) -> dict[str, float]:
    return {name: total / count for name, (total, count) in sums.items() if count}


# In a process of its own

_played: tuple[Stage, Pilot] | None = None


def _prepare(task: str, policy: Path, gap: Gap) -> None:
    global _played  # noqa: PLW0603 - what a worker keeps from episode to episode
    _played = Stage(make_task(task), gap), OnnxPilot(Policy.load(policy))


def _episode(seed: int, seconds: float) -> Episode:
    assert _played is not None
    stage, pilot = _played
    return stage.play(pilot, seed, seconds)
