"""Every term of a task evaluated once for its shape, so that a wrong one is named before anything is compiled."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import mujoco

from envs.episode import EpisodeSampler
from envs.proprioception import Proprioception
from envs.task import Task, TaskError
from envs.view import Layout, View, free_pose


@dataclass(frozen=True)
class Sizes:
    """What a task's terms give."""

    frame: int
    """Numbers in the policy's observation of one moment."""
    critic: tuple[int, ...]
    """Numbers that each term of the critic's observation gives."""
    figures: tuple[str, ...]
    """Names of the curriculum's figures; none without one."""


def check_terms(task: Task, layout: Layout, episodes: EpisodeSampler, num_envs: int) -> Sizes:
    """Raises TaskError where a term fails or gives another shape or type than is expected of it."""
    model, robot = layout.model, task.robot
    _check_base(task, layout)
    progress, figures = {}, {}
    if task.curriculum is not None:
        progress = jax.eval_shape(task.curriculum.first, jnp.int32(0))
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_envs, *x.shape), x.dtype), progress)
        figures = jax.eval_shape(task.curriculum.figures, batch)
    fresh = jax.eval_shape(episodes, jax.random.key(0), progress)
    command, joints, actions = fresh.command.shape, robot.num_joints, task.action.size(robot)
    if command != (len(task.command.names),):
        raise TaskError(
            f"task {task.name!r}: its command has shape {command}, expected one entry for each of {task.command.names}"
        )
    _check_command(task, fresh.command)
    view = View(
        qpos=_array(model.nq),
        qvel=_array(model.nv),
        sensordata=_array(model.nsensordata),
        fields=fresh.fields,
        command=_array(*command),
        action=_array(actions),
        last_action=_array(actions),
        memory={t.name: jax.eval_shape(lambda t=t: t.initial(layout)) for t in task.memory},
        time=_array(),
        command_time=_array(),
        layout=layout,
        dt=task.control_seconds,
    )
    tracked = None if layout.tracked is None else _array(7)
    seen = Proprioception(_array(joints), _array(joints), _array(4), _array(3), _array(*command), _array(actions), tracked)

    def expect(term: Any, kind: str, function: Callable[..., Any], shape: Any = None, dtype: Any = None) -> int:
        name = f"task {task.name!r}: {kind} term {term.name!r}"
        return _expect(name, lambda: jax.eval_shape(function, view), shape, dtype)

    for term in task.memory:
        expect(term, "memory", term.update, view.memory[term.name].shape)
    kinds = (
        ("reward", task.rewards, None),
        ("termination", task.terminations, bool),
        ("truncation", task.truncations, bool),
        ("metric", task.metrics, None),
    )
    for kind, terms, dtype in kinds:
        for term in terms:
            expect(term, kind, term.function, (), dtype)
    for term in task.metrics:
        if term.where is not None:
            expect(term, "metric", term.where, (), bool)
    critic = tuple(expect(term, "critic observation", term.function) for term in task.critic_observation)
    frame = 0
    for term in task.policy_observation:
        # A robot is no array.
        name = f"task {task.name!r}: policy observation term {term.name!r}"
        frame += _expect(name, lambda t=term: jax.eval_shape(lambda sensed: t.function(sensed, robot), seen), None, None)
    return Sizes(frame, critic, tuple(figures))


def check_bodies(task: Task, model: mujoco.MjModel) -> None:
    """Raises TaskError where what is tracked or placed is no free body of the scene."""
    named = [("tracked", task.tracked), *(("initial_state.placed", placed.body) for placed in task.initial_state.placed)]
    for field, body in named:
        try:
            if body is not None:
                free_pose(model, body)
        except KeyError as error:
            raise TaskError(f"task {task.name!r}: {field} names {body!r}, which is no free body of its scene") from error


def _check_command(task: Task, command: jax.Array) -> None:
    term = task.command
    if term.default and (len(term.default) != len(term.names) or not all(math.isfinite(value) for value in term.default)):
        raise TaskError(
            f"task {task.name!r}: its command's default is {term.default}, expected a finite number for each of {term.names}"
        )
    if (nearest := term.nearest) is not None:
        _expect(f"task {task.name!r}: its command's nearest", lambda: jax.eval_shape(nearest, command), command.shape, None)


def _check_base(task: Task, layout: Layout) -> None:
    robot, model = task.robot, layout.model
    if task.randomization.push is not None and not layout.floating:
        raise TaskError(f"task {task.name!r}: pushes need a floating base, and {robot.base!r} of {robot.name!r} is fixed")
    site = model.site(robot.imu_site) if robot.imu_site else None
    if site is not None and layout.floating and site.bodyid[0] != layout.base_body:
        found = model.body(site.bodyid[0]).name
        raise TaskError(
            f"task {task.name!r}: the IMU site {robot.imu_site!r} sits on {found!r}, expected the base, {robot.base!r}"
        )


def _expect(name: str, evaluate: Callable[[], Any], shape: tuple[int, ...] | None, dtype: Any) -> int:
    """The size of what a term gives; raises TaskError unless it has the shape, or at most one axis where none is given."""
    try:
        out = evaluate()
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


def _array(*shape: int) -> jax.Array:
    return cast(jax.Array, jax.ShapeDtypeStruct(shape, jnp.float32))
