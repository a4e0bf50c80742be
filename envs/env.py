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
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import struct

from envs.episode import EpisodeSampler, Start
from envs.proprioception import Proprioception, multiply, rotate, small_rotation
from envs.recorder import Recorder
from envs.task import MetricTerm, Task, TaskError
from envs.view import Layout, View
from sim.devices import Devices
from sim.physics import Physics, PhysicsState
from sim.randomization.actuators import joint_offset
from sim.randomization.disturbances import delayed_commands, interpolate_delay


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
    command_time: jax.Array
    """Since the command was drawn (s)."""
    command_left: jax.Array
    """Until a new command is drawn (s)."""
    push_left: jax.Array
    """Until the next push (s)."""
    last_action: jax.Array
    targets: jax.Array
    """Joint targets sent, newest first, (num_envs, length, num_joints) rad."""
    sensed: jax.Array
    """True sensor readings, newest first, (num_envs, length, size)."""
    frames: jax.Array
    """Policy observations, oldest first, (num_envs, history, size)."""
    memory: dict[str, jax.Array]
    episode: dict[str, jax.Array]
    """Drawn at the start of the episode: latencies (control steps) and biases."""
    recorder: Recorder


class Env:
    """`physics.num_envs` environments of a task. Functions may be called inside `jax.jit`."""

    def __init__(self, task: Task, physics: Physics, devices: Devices | None = None):
        """`devices` are those that `physics` was made for."""
        self.task = task
        self.physics = physics
        self.devices = devices or Devices()
        self.num_envs = physics.num_envs
        self.layout = Layout.of(task.robot, physics.model)
        timestep = float(physics.model.opt.timestep)
        self.num_substeps = round(task.control_seconds / timestep)
        if self.num_substeps < 1 or abs(self.num_substeps * timestep - task.control_seconds) > 1e-9:
            raise TaskError(
                f"task {task.name!r}: control_seconds is {task.control_seconds}, expected a whole number of the scene's"
                f" time steps of {timestep} s"
            )
        self.num_actions = task.robot.num_joints
        self._episodes = EpisodeSampler(task, self.layout)
        random = task.randomization
        self._target_history = math.ceil(random.action_latency.longest / task.control_seconds) + 2
        self._sensed_history = math.ceil(random.observation_latency.longest / task.control_seconds) + 2
        self._ctrl_per_step = self.num_substeps if random.action_latency.longest > 0 else 1
        self._default = jnp.asarray(task.robot.default_pose, jnp.float32)
        self._scale = jnp.asarray(task.robot.action_scale, jnp.float32)
        self._check_terms()

    @property
    def observation_size(self) -> dict[str, int]:
        """Sizes of the "policy" and "critic" observations."""
        return dict(self._sizes)

    @property
    def critic_term_sizes(self) -> tuple[int, ...]:
        """Of the "critic" observation, the size of each of the task's terms."""
        return self._critic_term_sizes

    def reset(self, key: jax.Array) -> EnvState:
        """Every environment at the start of a new episode."""
        n = self.num_envs
        data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
        draw_key, observe_key, key = jax.random.split(jax.random.wrap_key_data(data), 3)
        fresh = self.devices.each(
            lambda key, _, index: jax.vmap(self._episodes)(jax.vmap(jax.random.fold_in, (None, 0))(key, index)),
            draw_key,
            jnp.arange(n),
        )
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
            command_time=zeros,
            command_left=fresh.command_left,
            push_left=fresh.push_left,
            last_action=jnp.zeros((n, self.num_actions)),
            targets=jnp.zeros((n, self._target_history, self.num_actions)) + self._default,
            sensed=jnp.zeros((n, self._sensed_history, 2 * self.num_actions + 7)),
            frames=jnp.zeros((n, self.task.observation_history, self._frame_size)),
            memory={term.name: jnp.stack([term.initial(self.layout)] * n) for term in self.task.memory},
            episode=fresh.episode,
            recorder=Recorder.of(physics, (self._ctrl_per_step, self.num_actions)),
        )
        state = self._begin(state, jnp.ones(n, bool))
        return self._observe(state, observe_key, jnp.ones(n, bool))

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
        targets = jnp.concatenate([self.joint_target(action)[:, None], state.targets[:, :-1]], axis=1)
        ctrl = self._late_targets(key_latency, targets, state.episode["action_delay"])
        physics, push_left = self._push(key_push, state)
        recorder = state.recorder.write(physics, ctrl, jnp.round(state.time / dt).astype(jnp.int32))
        physics = self.physics.step(physics, ctrl, self.num_substeps)
        recorder = recorder.keep_first(physics)

        # Judge.
        time = state.time + dt
        state = state.replace(command_time=state.command_time + dt)
        view = self._views(state, physics, action, time)
        failed = {t.name: jax.vmap(t.function)(view) & ~physics.diverged for t in task.terminations}
        terminated = jnp.stack([physics.diverged, *failed.values()]).any(axis=0)
        truncated = ~terminated & (time >= task.episode_seconds - dt / 2)
        rewards = {t.name: t.weight * jax.vmap(t.function)(view) for t in task.rewards}
        rewards = {name: jnp.where(physics.diverged, 0.0, value) for name, value in rewards.items()}
        total = jnp.maximum(sum(rewards.values()), task.minimum_reward) * dt - task.termination_cost * terminated
        measured = {t.name: self._measure_where(t, view, ~physics.diverged) for t in task.metrics}
        memory = {t.name: jax.vmap(t.update)(view).astype(state.memory[t.name].dtype) for t in task.memory}
        metrics = {f"reward/{k}": v for k, v in rewards.items()} | {f"metric/{k}": v for k, v in measured.items()}
        metrics |= {f"failed/{k}": v.astype(jnp.float32) for k, v in failed.items()}
        metrics["failed/diverged"] = physics.diverged.astype(jnp.float32)

        # Ask anew.
        command_left = state.command_left - dt
        renew = command_left <= 0
        keys = jax.random.split(key_command, self.num_envs)
        command, command_left = self.devices.each(
            lambda _, start, *arrays: self._episodes.renew_command(*arrays), (), state.command, command_left, renew, keys
        )
        state = state.replace(
            physics=physics,
            key=jax.random.key_data(key),
            reward=total,
            terminated=terminated,
            truncated=truncated,
            metrics=metrics,
            time=time,
            command=command,
            command_time=jnp.where(renew, 0.0, state.command_time),
            command_left=command_left,
            push_left=push_left,
            last_action=action,
            targets=targets,
            memory=memory,
            recorder=recorder,
        )
        return state.replace(last_critic_observation=self._critic(state, physics)), (key_restart, key_observe)

    def follow(self, action: jax.Array) -> jax.Array:
        """What of a policy's output the robot follows, and is told of as its last action, (..., num_joints)."""
        return jnp.clip(jnp.where(jnp.isnan(action), 0.0, action), -self.task.action_limit, self.task.action_limit)

    def joint_target(self, action: jax.Array) -> jax.Array:
        """Joint position targets of an action, within the joints' limits, (..., num_joints) rad."""
        low, high = jnp.asarray(self.layout.joint_range, jnp.float32).T
        return jnp.clip(self._default + self._scale * action, low, high)

    @property
    def metric_names(self) -> tuple[str, ...]:
        task = self.task
        return (
            *(f"reward/{t.name}" for t in task.rewards),
            *(f"metric/{t.name}" for t in task.metrics),
            *(f"failed/{t.name}" for t in task.terminations),
            "failed/diverged",
        )

    # Acting

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
            command_left=state.command_left,
            push_left=state.push_left,
            episode=state.episode,
        )
        start = self.devices.each(
            lambda key, first, old, mask: self._episodes.replace_where(old, mask, key, first), key, start, mask
        )
        state = state.replace(
            physics=self.physics.reset(physics, mask, start.qpos, start.qvel, start.fields),
            command=start.command,
            command_left=start.command_left,
            push_left=start.push_left,
            episode=start.episode,
        )
        return self._begin(state, mask)

    def _begin(self, state: EnvState, mask: jax.Array) -> EnvState:
        """Where mask holds: no past."""

        def where(new: Any, old: jax.Array) -> jax.Array:
            return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        return state.replace(
            time=where(0.0, state.time),
            command_time=where(0.0, state.command_time),
            last_action=where(0.0, state.last_action),
            targets=where(self._default, state.targets),
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
        )

    def _measure_where(self, term: MetricTerm, view: View, valid: jax.Array) -> jax.Array:
        """A metric of each environment: 0 in one that is not valid, NaN where the metric does not count."""
        value = jnp.where(valid, jax.vmap(term.function)(view), 0.0)
        return value if term.where is None else jnp.where(valid & jax.vmap(term.where)(view), value, jnp.nan)

    def _critic(self, state: EnvState, physics: PhysicsState) -> jax.Array:
        view = self._views(state, physics, state.last_action, state.time)

        def observe(view: View) -> jax.Array:
            return jnp.concatenate([jnp.atleast_1d(t.function(view)) * t.scale for t in self.task.critic_observation])

        # A diverged environment's last observation must not poison the learner.
        return jnp.clip(jnp.nan_to_num(jax.vmap(observe)(view)), -100.0, 100.0)

    def _observe(self, state: EnvState, key: jax.Array, fresh: jax.Array) -> EnvState:
        """Both observations of the state; where fresh holds, the robot has no past to be late with."""
        random, dt = self.task.randomization, self.task.control_seconds
        physics, episode = state.physics, state.episode
        now = self._sense(physics, episode)
        history = jnp.concatenate([now[:, None], state.sensed[:, :-1]], axis=1)
        sensed = jnp.where(fresh[:, None, None], now[:, None], history)

        key_jitter, key_noise = jax.random.split(key)
        delayed = sensed[:, 0]
        if random.observation_latency.longest > 0:
            jitter = random.observation_latency.jitter.sample(key_jitter, state.time.shape) / dt
            delay = jnp.clip(episode["observation_delay"] + jitter, 0.0, random.observation_latency.longest / dt)
            delayed = jax.vmap(interpolate_delay)(sensed, delay)
        measured = self._measure(key_noise, delayed, episode)
        proprioception = Proprioception(**measured, command=state.command, last_action=state.last_action)
        frames = jax.vmap(self.remember)(state.frames, jax.vmap(self._frame)(proprioception), fresh)
        observation = {"policy": frames.reshape(self.num_envs, -1), "critic": self._critic(state, physics)}
        last = state.last_critic_observation
        return state.replace(
            observation=observation,
            last_critic_observation=observation["critic"] if last.ndim == 1 else last,
            sensed=sensed,
            frames=frames,
        )

    def remember(self, frames: jax.Array, frame: jax.Array, fresh: jax.Array) -> jax.Array:
        """One robot's frames (history, size) with a new one at their end; where fresh holds, which is a scalar, all are new."""
        return jnp.where(fresh, frame[None], jnp.concatenate([frames[1:], frame[None]]))

    def _frame(self, proprioception: Proprioception) -> jax.Array:
        return jnp.concatenate([term.observe(proprioception, self.task.robot) for term in self.task.policy_observation])

    def _sense(self, physics: PhysicsState, episode: dict[str, jax.Array]) -> jax.Array:
        """What perfect sensors would read now: joint position and velocity, IMU quaternion and angular velocity."""
        position = physics.qpos[:, self.layout.qpos_index]
        if "actuator_biasprm" in physics.fields:
            position = position + joint_offset(physics.fields["actuator_biasprm"])
        velocity = physics.qvel[:, self.layout.qvel_index]
        if self.layout.floating:
            quat, gyro = multiply(physics.qpos[:, 3:7], self._imu_quat), physics.qvel[:, 3:6] @ self._imu_rotation
        else:
            quat, gyro = jnp.broadcast_to(jnp.array([1.0, 0, 0, 0]), (self.num_envs, 4)), jnp.zeros((self.num_envs, 3))
        return jnp.concatenate([position, velocity, quat, gyro], axis=1)

    def _measure(self, key: jax.Array, reading: jax.Array, episode: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Readings with noise and bias, as Proprioception names them."""
        noise, n = self.task.randomization.noise, self.num_actions
        position, velocity, quat, gyro = jnp.split(reading, [n, 2 * n, 2 * n + 4], axis=1)
        half = jnp.array([noise.joint_position] * n + [noise.joint_velocity] * n + [noise.angular_velocity] * 3)
        half = jnp.concatenate([half, jnp.full(3, noise.orientation)])
        draw = jax.random.uniform(key, (self.num_envs, 2 * n + 6), minval=-1.0) * half
        tilt = draw[:, 2 * n + 3 :] + episode["orientation_bias"]
        quat = multiply(quat / jnp.linalg.norm(quat, axis=1, keepdims=True), small_rotation(tilt))
        return {
            "joint_position": position + draw[:, :n],
            "joint_velocity": velocity + draw[:, n : 2 * n],
            "imu_quaternion": quat,
            "angular_velocity": gyro + draw[:, 2 * n : 2 * n + 3] + episode["angular_velocity_bias"],
        }

    # Checking

    def _check_terms(self) -> None:
        """Evaluate every term's shape once, so that a wrong one is named before anything is compiled."""
        task, model, robot = self.task, self.physics.model, self.task.robot
        f32 = jnp.float32

        def array(*shape: int) -> jax.Array:
            return cast(jax.Array, jax.ShapeDtypeStruct(shape, f32))

        random = task.randomization
        if random.push is not None and not self.layout.floating:
            raise TaskError(f"task {task.name!r}: pushes need a floating base, and {robot.base!r} of {robot.name!r} is fixed")
        site = model.site(robot.imu_site) if robot.imu_site else None
        if site is not None and self.layout.floating and site.bodyid[0] != self.layout.base_body:
            found = model.body(site.bodyid[0]).name
            raise TaskError(
                f"task {task.name!r}: the IMU site {robot.imu_site!r} sits on {found!r}, expected the base, {robot.base!r}"
            )
        self._imu_quat = jnp.asarray(site.quat if site is not None else [1.0, 0, 0, 0], f32)
        self._imu_rotation = jnp.asarray(_matrix(self._imu_quat), f32)
        fresh = jax.eval_shape(self._episodes, jax.random.key(0))
        command = fresh.command.shape
        if command != (len(task.command.names),):
            raise TaskError(
                f"task {task.name!r}: its command has shape {command}, expected one entry for each of {task.command.names}"
            )
        view = View(
            qpos=array(model.nq),
            qvel=array(model.nv),
            sensordata=array(model.nsensordata),
            fields=fresh.fields,
            command=array(*command),
            action=array(self.num_actions),
            last_action=array(self.num_actions),
            memory={t.name: jax.eval_shape(lambda t=t: t.initial(self.layout)) for t in task.memory},
            time=array(),
            command_time=array(),
            layout=self.layout,
            dt=task.control_seconds,
        )
        proprioception = Proprioception(
            array(self.num_actions), array(self.num_actions), array(4), array(3), array(*command), array(self.num_actions)
        )
        for term in task.memory:
            self._expect(term, "memory", (view,), term.update, view.memory[term.name].shape)
        kinds = (("reward", task.rewards, None), ("termination", task.terminations, bool), ("metric", task.metrics, None))
        for kind, terms, dtype in kinds:
            for term in terms:
                self._expect(term, kind, (view,), term.function, (), dtype)
        for term in task.metrics:
            if term.where is not None:
                self._expect(term, "metric", (view,), term.where, (), bool)
        frame = [self._expect(t, "policy observation", (proprioception, robot), t.function) for t in task.policy_observation]
        critic = [self._expect(t, "critic observation", (view,), t.function) for t in task.critic_observation]
        self._frame_size = sum(frame)
        self._critic_term_sizes = tuple(critic)
        self._sizes = {"policy": self._frame_size * task.observation_history, "critic": sum(critic)}

    def _expect(
        self, term: Any, kind: str, args: tuple, function: Any, shape: tuple[int, ...] | None = None, dtype: Any = None
    ) -> int:
        """The size of what a term gives; raises TaskError unless it has the shape, or at most one axis where none is given."""
        name = f"task {self.task.name!r}: {kind} term {term.name!r}"
        static = args[1:]  # a robot is no array
        try:
            out = jax.eval_shape(lambda a: function(a, *static), args[0])
        except Exception as error:
            raise TaskError(f"{name} raised {type(error).__name__}: {error}") from error
        found = getattr(out, "shape", None)
        if found is None:
            raise TaskError(f"{name} gives {type(out).__name__}, expected one array")
        if shape is not None and found != shape:
            raise TaskError(f"{name} gives shape {found}, expected {shape or 'a scalar, ()'}")
        if shape is None and len(found) > 1:
            raise TaskError(f"{name} gives shape {found}, expected one axis")
        if dtype is not None and out.dtype != dtype:
            raise TaskError(f"{name} gives {out.dtype}, expected {dtype.__name__}")
        return math.prod(found)


def _matrix(quat: jax.Array) -> jax.Array:
    return jnp.stack([rotate(quat, axis) for axis in jnp.eye(3)], axis=1)
