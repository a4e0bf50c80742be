"""A task on an engine: a batch of environments as pure functions.

    env = Env(task, make_physics(compile_for_physics(task.scene()), num_envs, engine))
    state = env.reset(jax.random.key(0))
    state = env.step(state, action)                            # action (num_envs, num_actions)

`state.observation` holds "policy" and "critic" arrays, `state.reward`, `state.terminated` (failed) and `state.truncated` (time
is up) describe the step. An environment that ended has already started anew, from freshly drawn state, model fields, latencies
and command; `state.last_critic_observation` is the critic's observation of where each environment stood before that, to
bootstrap from on truncation. Whoever needs all of that state, the policy's observation of it included, as other libraries'
interfaces do, calls `step_and_last` instead of `step`.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs.check import check_bodies, check_robot, check_terms
from envs.episode import EpisodeSampler
from envs.judgement import judge
from envs.proprioception import Proprioception
from envs.recorder import Recorder
from envs.sensing import Sensing
from envs.start import Progress, Start
from envs.task import Task, TaskError
from envs.view import Layout, View
from sim.devices import Devices
from sim.physics import Physics, PhysicsState
from sim.randomization.disturbances import delayed_commands


class EnvState(struct.PyTreeNode):
    """A batch of environments after a step. All arrays but the key have a leading axis of num_envs."""

    physics: PhysicsState
    key: jax.Array
    """Raw key data of the whole batch."""
    observation: dict[str, jax.Array]
    """"policy" and "critic", (num_envs, size) each."""
    last_critic_observation: jax.Array
    reward: jax.Array
    terminated: jax.Array
    """The episode failed, bool."""
    truncated: jax.Array
    """The episode's time was up, bool."""
    metrics: dict[str, jax.Array]
    """Of this step: every reward term times its weight, per second; the task's metrics, NaN where one does not count."""
    time: jax.Array
    """Since the start of the episode (s)."""
    command: jax.Array
    reference: Any
    """What the task's `CommandTerm.reference` gives for the command."""
    command_time: jax.Array
    """Since the command was drawn (s)."""
    command_left: jax.Array
    """Until a new command is drawn (s)."""
    push_left: jax.Array
    """Until the next push (s)."""
    last_action: jax.Array
    targets: jax.Array
    """Joint targets sent, corrected where the task has a correction, newest first, (num_envs, length, num_joints) rad."""
    correction: Any
    """What the task's correction remembers; an empty tuple without one."""
    sensed: jax.Array
    """True sensor readings, newest first, (num_envs, length, size)."""
    measured: jax.Array
    """Joint positions as the policy last saw them, (num_envs, num_joints) rad."""
    frames: jax.Array
    """Policy observations, oldest first, (num_envs, history, size)."""
    memory: dict[str, jax.Array]
    episode: dict[str, jax.Array]
    """Drawn at the start of the episode: latencies (control steps) and biases."""
    curriculum: Progress
    """How far each environment is in the task's curriculum; empty without one."""
    recorder: Recorder


class Env:
    """`physics.num_envs` environments of a task. Functions may be called inside `jax.jit`."""

    def __init__(self, task: Task, physics: Physics, devices: Devices | None = None):
        """`devices` are those that `physics` was made for."""
        self.task = task
        self.physics = physics
        self.devices = devices or Devices()
        self.num_envs = physics.num_envs
        check_robot(task, physics.model)
        check_bodies(task, physics.model)
        self.layout = Layout.of(task.robot, physics.model, task.terrain, task.tracked)
        timestep = float(physics.model.opt.timestep)
        self.num_substeps = round(task.control_seconds / timestep)
        if self.num_substeps < 1 or abs(self.num_substeps * timestep - task.control_seconds) > 1e-9:
            raise TaskError(
                f"task {task.name!r}: control_seconds is {task.control_seconds}, expected a whole number of the scene's"
                f" time steps of {timestep} s"
            )
        self.num_actions, self.num_joints = task.action.size(task.robot), task.robot.num_joints
        self._episodes = EpisodeSampler(task, self.layout)
        random = task.randomization
        self._target_history = math.ceil(random.action_latency.longest / task.control_seconds) + 2
        self._ctrl_per_step = self.num_substeps if random.action_latency.longest > 0 else 1
        self._sizes = check_terms(task, self.layout, self._episodes, self.num_envs)
        self._sensing = Sensing(task, self.layout, physics.model)

    @property
    def observation_size(self) -> dict[str, int]:
        """Sizes of the "policy" and "critic" observations."""
        return {"policy": self._sizes.frame * self.task.observation_history, "critic": sum(self._sizes.critic)}

    @property
    def critic_term_sizes(self) -> tuple[int, ...]:
        """Of the "critic" observation, the size of each of the task's terms."""
        return self._sizes.critic

    def reset(self, key: jax.Array) -> EnvState:
        """Every environment at the start of a new episode."""
        n = self.num_envs
        data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
        draw_key, observe_key, key = jax.random.split(jax.random.wrap_key_data(data), 3)
        curriculum = self.task.curriculum

        def draw(key: jax.Array, _: Any, index: jax.Array) -> Start:
            progress = jax.vmap(curriculum.first)(index) if curriculum is not None else {}
            return jax.vmap(self._episodes)(jax.vmap(jax.random.fold_in, (None, 0))(key, index), progress)

        fresh = self.devices.each(draw, draw_key, jnp.arange(n))
        physics = self.physics.init(fresh.fields)
        physics = self.physics.reset(physics, jnp.ones(n, bool), fresh.qpos, fresh.qvel, fresh.fields)
        zeros = jnp.zeros(n)
        state = EnvState(
            physics=physics,
            key=jax.random.key_data(key),
            observation={},
            last_critic_observation=zeros,
            reward=zeros,
            terminated=jnp.zeros(n, bool),
            truncated=jnp.zeros(n, bool),
            metrics=dict.fromkeys(self.metric_names, zeros),
            time=zeros,
            command=fresh.command,
            reference=fresh.reference,
            command_time=zeros,
            command_left=fresh.command_left,
            push_left=fresh.push_left,
            last_action=jnp.zeros((n, self.num_actions)),
            targets=jnp.zeros((n, self._target_history, self.num_joints)),
            correction=self._first_correction(),
            sensed=jnp.zeros((n, self._sensing.history, self._sensing.size)),
            measured=jnp.zeros((n, self.num_joints)),
            frames=jnp.zeros((n, self.task.observation_history, self._sizes.frame)),
            memory={term.name: jnp.stack([term.initial(self.layout)] * n) for term in self.task.memory},
            episode=fresh.episode,
            curriculum=fresh.curriculum,
            recorder=Recorder.of(physics, (self._ctrl_per_step, self.num_joints)),
        )
        state = self._begin(state, jnp.ones(n, bool))
        return self._observe(state, observe_key, jnp.ones(n, bool))

    def staggered(self, state: EnvState, key: jax.Array) -> EnvState:
        """The state of a reset with first episodes that end at any time, for training. Where a command lasts as long as an
        episode, all environments would else be in the same part of it for ever; other tasks' states stay as they are."""
        if self.task.command.seconds[0] < self.task.episode_seconds:
            return state
        dt = self.task.control_seconds
        step = jax.random.randint(key, (self.num_envs,), 0, round(self.task.episode_seconds / dt))
        return state.replace(time=step * dt)

    def hold_command(self, state: EnvState, command: jax.Array) -> EnvState:
        """The state with this command (size,), or the nearest to it of the kind that the task draws, in every environment, and
        never renewed. An episode that begins anew still draws a command of its own."""
        term = self.task.command
        command = command if term.nearest is None else term.nearest(command)
        changed = (state.command != command).any(axis=1)

        def everywhere(x: jax.Array) -> jax.Array:
            return jnp.broadcast_to(x, (self.num_envs, *x.shape))

        return state.replace(
            command=everywhere(command),
            reference=jax.tree.map(everywhere, term.reference(command)),
            command_time=jnp.where(changed, 0.0, state.command_time),
            command_left=jnp.full_like(state.command_left, jnp.inf),
        )

    def axes(self, state: EnvState) -> EnvState:
        """Which axis of each array is that of the environments; None where there is none."""
        return jax.tree.map(lambda _: 0, state).replace(key=None, recorder=state.recorder.axes())

    def step(self, state: EnvState, action: jax.Array) -> EnvState:
        """Apply the policy's actions for one control period."""
        return self._begin_what_ended(*self._advance(state, action))

    def step_and_last(self, state: EnvState, action: jax.Array) -> tuple[EnvState, EnvState]:
        """What `step` gives, and where each environment stood before it began anew: the same wherever no episode ended."""
        stood, keys = self._advance(state, action)
        last = self._observe(stood, keys[1], jnp.zeros(self.num_envs, bool))
        # What a diverged robot's sensors would say is absurd or no number at all.
        policy = jnp.clip(jnp.nan_to_num(last.observation["policy"]), -100.0, 100.0)
        policy = jnp.where(stood.physics.diverged[:, None], policy, last.observation["policy"])
        return self._begin_what_ended(stood, keys), last.replace(observation={**last.observation, "policy": policy})

    def _advance(self, state: EnvState, action: jax.Array) -> tuple[EnvState, tuple[jax.Array, jax.Array]]:
        """The state after a control period, not yet observed by the policy, and keys to go on with."""
        task, dt = self.task, self.task.control_seconds
        if action.shape != (self.num_envs, self.num_actions):
            raise ValueError(f"action has shape {action.shape}, expected {(self.num_envs, self.num_actions)}")
        key, *keys = jax.random.split(jax.random.wrap_key_data(state.key), 6)
        key_push, key_latency, key_command, key_restart, key_observe = keys

        # Act: the newest target first, each arriving late.
        action = self.follow(action)
        asked, correction = self._correct(state, self.joint_target(action, state.measured))
        targets = jnp.concatenate([asked[:, None], state.targets[:, :-1]], axis=1)
        ctrl = self._late_targets(key_latency, targets, state.episode["action_delay"])
        physics, push_left = self._push(key_push, state)
        recorder = state.recorder.write(physics, ctrl, jnp.round(state.time / dt).astype(jnp.int32))
        physics = self.physics.step(physics, ctrl, self.num_substeps)
        recorder = recorder.keep(physics, self.devices)

        # Judge.
        time = state.time + dt
        state = state.replace(command_time=state.command_time + dt)
        view = self._views(state, physics, action, time)
        judged = jax.vmap(lambda view, diverged: judge(task, view, diverged))(view, physics.diverged)
        terminated, truncated, memory = judged.terminated, judged.truncated, judged.memory
        metrics = {f"reward/{k}": v for k, v in judged.rewards.items()}
        metrics |= {f"metric/{k}": v for k, v in judged.metrics.items()}
        metrics |= {f"failed/{k}": v.astype(jnp.float32) for k, v in judged.failed.items()}
        metrics["failed/diverged"] = physics.diverged.astype(jnp.float32)
        progress, figures = self._judge(state.curriculum, view.replace(memory=memory), terminated, truncated)
        metrics |= figures

        # Ask anew.
        command_left = state.command_left - dt
        renew = command_left <= 0
        keys = jax.random.split(key_command, self.num_envs)
        held = (state.command, state.reference, command_left)
        command, reference, command_left = self.devices.each(
            lambda _, start, held, renew, keys: self._episodes.renew_command(held, renew, keys), (), held, renew, keys
        )
        state = state.replace(
            physics=physics,
            key=jax.random.key_data(key),
            reward=judged.reward,
            terminated=terminated,
            truncated=truncated,
            metrics=metrics,
            time=time,
            command=command,
            reference=reference,
            command_time=jnp.where(renew, 0.0, state.command_time),
            command_left=command_left,
            push_left=push_left,
            last_action=action,
            targets=targets,
            correction=correction,
            memory=memory,
            curriculum=progress,
            recorder=recorder,
        )
        return state.replace(last_critic_observation=self._critic(state, physics)), (key_restart, key_observe)

    def follow(self, action: jax.Array) -> jax.Array:
        """What of a policy's output the robot follows, and is told of as its last action, (..., num_actions)."""
        return jnp.clip(jnp.where(jnp.isnan(action), 0.0, action), -self.task.action_limit, self.task.action_limit)

    def joint_target(self, action: jax.Array, measured: jax.Array) -> jax.Array:
        """Joint position targets of an action (..., num_actions) that was chosen at these measured positions, within the
        joints' limits; both (..., num_joints), rad."""
        low, high = jnp.asarray(self.layout.joint_range, jnp.float32).T
        return jnp.clip(self.task.action.target(self.task.robot, action, measured), low, high)

    @property
    def metric_names(self) -> tuple[str, ...]:
        task = self.task
        return (
            *(f"reward/{t.name}" for t in task.rewards),
            *(f"metric/{t.name}" for t in task.metrics),
            *(f"failed/{t.name}" for t in task.terminations),
            "failed/diverged",
            *(f"curriculum/{name}" for name in self._sizes.figures),
        )

    # Acting

    def _first_correction(self) -> Any:
        """Of robots with no past."""
        if self.task.correction is None:
            return ()
        return jax.tree.map(lambda x: jnp.stack([x] * self.num_envs), self.task.correction.initial(self.layout))

    def _correct(self, state: EnvState, targets: jax.Array) -> tuple[jax.Array, Any]:
        """The targets that the simulated robots follow when asked for these, and what their corrections remember."""
        if self.task.correction is None:
            return targets, ()
        position, velocity = self._sensing.joints(state.physics)
        return jax.vmap(self.task.correction.apply)(
            state.correction, targets, position, velocity, state.episode["correction_scale"]
        )

    def _late_targets(self, key: jax.Array, targets: jax.Array, delay: jax.Array) -> jax.Array:
        latency = self.task.randomization.action_latency
        if latency.longest == 0:
            return targets[:, 0]
        longest = latency.longest / self.task.control_seconds
        jitter = latency.jitter.sample(key, delay.shape) / self.task.control_seconds
        delay = jnp.clip(delay + jitter, 0.0, longest)
        return jax.vmap(lambda h, d: delayed_commands(h, d, self.num_substeps))(targets, delay)

    def _push(self, key: jax.Array, state: EnvState) -> tuple[PhysicsState, jax.Array]:
        push = self.task.randomization.push
        if push is None:
            return state.physics, state.push_left
        key_size, key_interval = jax.random.split(key)
        left = state.push_left - self.task.control_seconds
        due = left <= 0
        half = jnp.array([push.linear, push.linear, 0, 0, 0, push.angular])
        kick = jax.random.uniform(key_size, (self.num_envs, 6), minval=-1.0) * half
        qvel = state.physics.qvel.at[:, :6].add(jnp.where(due[:, None], kick, 0.0))
        interval = push.interval.sample(key_interval, left.shape)
        return state.physics.replace(qvel=qvel), jnp.where(due, interval, left)

    # Judging

    def _judge(
        self, progress: Progress, view: View, terminated: jax.Array, truncated: jax.Array
    ) -> tuple[Progress, dict[str, jax.Array]]:
        """The curriculum's progress after the episodes that ended, and its figures, the same for every environment."""
        curriculum = self.task.curriculum
        if curriculum is None:
            return progress, {}
        judged = jax.vmap(curriculum.judge)(progress, view, terminated)
        figures = {f"curriculum/{k}": jnp.full(self.num_envs, v) for k, v in curriculum.figures(progress).items()}
        ended = terminated | truncated
        return jax.tree.map(lambda new, old: jnp.where(ended, new, old), judged, progress), figures

    # Starting

    def _begin_what_ended(self, state: EnvState, keys: tuple[jax.Array, jax.Array]) -> EnvState:
        """Both observations of the state, with new episodes in place of those that ended."""
        key_restart, key_observe = keys
        ended = state.terminated | state.truncated
        state = self._restart(state, ended, key_restart)
        return self._observe(state, key_observe, ended)

    def _restart(self, state: EnvState, mask: jax.Array, key: jax.Array) -> EnvState:
        physics = state.physics
        start = Start(
            qpos=physics.qpos,
            qvel=physics.qvel,
            fields=physics.fields,
            command=state.command,
            reference=state.reference,
            command_left=state.command_left,
            push_left=state.push_left,
            episode=state.episode,
            curriculum=state.curriculum,
        )
        start = self.devices.each(
            lambda key, first, old, mask: self._episodes.replace_where(old, mask, key, first), key, start, mask
        )
        state = state.replace(
            physics=self.physics.reset(physics, mask, start.qpos, start.qvel, start.fields),
            command=start.command,
            reference=start.reference,
            command_left=start.command_left,
            push_left=start.push_left,
            episode=start.episode,
            curriculum=start.curriculum,
        )
        return self._begin(state, mask)

    def _begin(self, state: EnvState, mask: jax.Array) -> EnvState:
        """Where mask holds: no past."""

        def where(new: Any, old: jax.Array) -> jax.Array:
            return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        position = state.physics.qpos[:, self.layout.qpos_index]
        first = self.task.action.target(self.task.robot, jnp.zeros_like(state.last_action), position)
        return state.replace(
            time=where(0.0, state.time),
            command_time=where(0.0, state.command_time),
            last_action=where(0.0, state.last_action),
            targets=where(first[:, None], state.targets),
            correction=jax.tree.map(where, self._first_correction(), state.correction),
            memory={t.name: where(t.initial(self.layout), state.memory[t.name]) for t in self.task.memory},
        )

    # Seeing

    def _views(self, state: EnvState, physics: PhysicsState, action: jax.Array, time: jax.Array) -> View:
        return View(
            qpos=physics.qpos,
            qvel=physics.qvel,
            sensordata=physics.sensordata,
            fields=physics.fields,
            command=state.command,
            action=action,
            last_action=state.last_action,
            memory=state.memory,
            time=time,
            command_time=state.command_time,
            layout=self.layout,
            dt=self.task.control_seconds,
            reference=state.reference,
        )

    def _critic(self, state: EnvState, physics: PhysicsState) -> jax.Array:
        view = self._views(state, physics, state.last_action, state.time)

        def observe(view: View) -> jax.Array:
            return jnp.concatenate([jnp.atleast_1d(t.function(view)) * t.scale for t in self.task.critic_observation])

        # A diverged environment's last observation must not poison the learner.
        return jnp.clip(jnp.nan_to_num(jax.vmap(observe)(view)), -100.0, 100.0)

    def _observe(self, state: EnvState, key: jax.Array, fresh: jax.Array) -> EnvState:
        """Both observations of the state; where fresh holds, the robot has no past to be late with."""
        physics, episode = state.physics, state.episode
        now = self._sensing.read(physics)
        history = jnp.concatenate([now[:, None], state.sensed[:, :-1]], axis=1)
        sensed = jnp.where(fresh[:, None, None], now[:, None], history)
        key_jitter, key_noise = jax.random.split(key)
        measured = self._sensing.measure(key_noise, self._sensing.delay(key_jitter, sensed, episode), episode)
        proprioception = Proprioception(
            **measured, command=state.command, last_action=state.last_action, reference=state.reference
        )
        frames = jax.vmap(self.remember)(state.frames, jax.vmap(self._frame)(proprioception), fresh)
        observation = {"policy": frames.reshape(self.num_envs, -1), "critic": self._critic(state, physics)}
        last = state.last_critic_observation
        return state.replace(
            observation=observation,
            last_critic_observation=observation["critic"] if last.ndim == 1 else last,
            sensed=sensed,
            measured=measured["joint_position"],
            frames=frames,
        )

    def remember(self, frames: jax.Array, frame: jax.Array, fresh: jax.Array) -> jax.Array:
        """One robot's frames (history, size) with a new one at their end; where fresh holds, which is a scalar, all are new."""
        return jnp.where(fresh, frame[None], jnp.concatenate([frames[1:], frame[None]]))

    def _frame(self, proprioception: Proprioception) -> jax.Array:
        return jnp.concatenate([term.observe(proprioception, self.task.robot) for term in self.task.policy_observation])
