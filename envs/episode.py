"""Everything that is drawn at the start of an episode, for one environment; and how it replaces what ended.

Sampling costs far more than keeping, and few environments end in a step, or are given a new command. `replace_where` and
`renew_command` therefore draw for small groups of those until none is left, rather than for all.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from envs.proprioception import multiply, small_rotation
from envs.start import Progress, Start
from envs.task import Placed, Task
from envs.view import Layout, free_pose
from sim.randomization.term import FieldSampler

Tree = TypeVar("Tree")

Held = tuple[jax.Array, Any, jax.Array]
"""A command, its reference and how long it holds (s)."""

_CORRECTION = 1000  # beyond the keys of all else, which draw the same with a correction and without


class EpisodeSampler:
    """`sampler(key, progress)` draws the start of one episode, of an environment that is so far in the task's curriculum."""

    def __init__(self, task: Task, layout: Layout):
        self._task = task
        self._layout = layout
        self._fields = FieldSampler(layout.model, task.randomization.model)
        self._qpos = jnp.asarray(layout.start_qpos())

    def __call__(self, key: jax.Array, progress: Progress) -> Start:
        task, random = self._task, self._task.randomization
        keys = jax.random.split(key, 7)
        qpos, qvel = self._state(keys[0])
        command, command_left = self._command(keys[1])
        dt = task.control_seconds
        bias = random.bias
        start = Start(
            qpos=qpos,
            qvel=qvel,
            fields=self._fields(keys[2]),
            command=command,
            reference=(),
            command_left=command_left,
            push_left=random.push.interval.sample(keys[3], ()) if random.push else jnp.float32(jnp.inf),
            episode={
                "action_delay": random.action_latency.seconds.sample(keys[4], ()) / dt,
                "observation_delay": random.observation_latency.seconds.sample(keys[5], ()) / dt,
                **_biases(keys[6], bias.angular_velocity, bias.orientation),
                **self._correction(key),
            },
            curriculum=progress,
        )
        if task.curriculum is not None:  # which may ask something else
            start = task.curriculum.begin(jax.random.fold_in(key, len(keys)), start, self._layout)
        return start.replace(reference=task.command.reference(start.command))

    def _command(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """A command and how long it holds (s)."""
        key_command, key_seconds = jax.random.split(key)
        low, high = self._task.command.seconds
        return self._task.command.sample(key_command), jax.random.uniform(key_seconds, (), minval=low, maxval=high)

    def _correction(self, key: jax.Array) -> dict[str, jax.Array]:
        if self._task.correction is None:
            return {}
        return {"correction_scale": self._task.correction_scale.sample(jax.random.fold_in(key, _CORRECTION), ())}

    def replace_where(self, old: Start, mask: jax.Array, key: jax.Array, start: int | jax.Array = 0) -> Start:
        """A batch of starts with new ones where mask holds. Environment i's depends on key and start + i alone."""

        def draw(index: jax.Array) -> Start:
            progress = jax.tree.map(lambda x: x.at[index].get(mode="clip"), old.curriculum)
            return self(jax.random.fold_in(key, start + index), progress)

        return _replace_where(draw, old, mask)

    def renew_command(self, held: Held, mask: jax.Array, keys: jax.Array) -> Held:
        """A batch of commands with new ones where mask holds; one key for each environment."""

        def draw(index: jax.Array) -> Held:
            command, seconds = self._command(keys[index])
            return command, self._task.command.reference(command), seconds

        return _replace_where(draw, held, mask)

    def _state(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        spread, layout = self._task.initial_state, self._layout
        keys = jax.random.split(key, 6)

        def around(key: jax.Array, half: float, n: int) -> jax.Array:
            return half * jax.random.uniform(key, (n,), minval=-1.0)

        joints = layout.robot.num_joints
        low, high = jnp.asarray(layout.joint_range, jnp.float32).T
        position = jnp.clip(self._qpos[layout.qpos_index] + around(keys[0], spread.joint_position, joints), low, high)
        qpos = self._qpos.at[layout.qpos_index].set(position)
        qvel = jnp.zeros(layout.model.nv).at[layout.qvel_index].set(around(keys[1], spread.joint_velocity, joints))
        if layout.floating:
            heading = jax.random.uniform(keys[2], (), minval=-jnp.pi, maxval=jnp.pi)
            turn = jnp.array([jnp.cos(heading / 2), 0.0, 0.0, jnp.sin(heading / 2)])
            tilt = small_rotation(around(keys[3], spread.tilt, 3) * jnp.array([1.0, 1.0, 0.0]))
            qpos = qpos.at[3:7].set(multiply(turn, tilt))
            qvel = qvel.at[:3].set(around(keys[4], spread.linear_velocity, 3))
            qvel = qvel.at[3:6].set(around(keys[5], spread.angular_velocity, 3))
        for i, placed in enumerate(spread.placed):
            place = self._place(jax.random.fold_in(key, len(keys) + i), placed)
            qpos = qpos.at[free_pose(layout.model, placed.body)].set(place)
        return qpos, qvel

    def _place(self, key: jax.Array, placed: Placed) -> jax.Array:
        key_place, key_turn = jax.random.split(key)
        x, y = jax.random.uniform(key_place, (2,), minval=jnp.array(placed.low), maxval=jnp.array(placed.high))
        half = jax.random.uniform(key_turn, (), minval=-jnp.pi, maxval=jnp.pi) / 2
        return jnp.stack([x, y, jnp.float32(placed.height), jnp.cos(half), 0.0, 0.0, jnp.sin(half)])


def _replace_where(draw: Callable[[jax.Array], Tree], old: Tree, mask: jax.Array) -> Tree:
    """A batch with `draw(i)` in the place of entry i where mask holds."""
    n = mask.shape[0]
    group = min(n, max(8, n // 64))

    def replace(carry: tuple[jax.Array, Tree]) -> tuple[jax.Array, Tree]:
        pending, batch = carry
        (index,) = jnp.nonzero(pending, size=group, fill_value=n)
        fresh = jax.vmap(draw)(index)
        batch = jax.tree.map(lambda a, b: a.at[index].set(b.astype(a.dtype), mode="drop"), batch, fresh)
        return pending.at[index].set(False, mode="drop"), batch

    return jax.lax.while_loop(lambda carry: carry[0].any(), replace, (mask, old))[1]


def _biases(key: jax.Array, angular_velocity: float, orientation: float) -> dict[str, jax.Array]:
    draw = jax.random.uniform(key, (6,), minval=-1.0)
    return {"angular_velocity_bias": draw[:3] * angular_velocity, "orientation_bias": draw[3:] * orientation}
