"""Every term of a task evaluated once for its shape, so that a wrong one is named before anything is compiled."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import mujoco

from assets.errors import UserError
from assets.scene import compile_for_physics
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
    command, joints, actions = (len(task.command.names),), robot.num_joints, task.action.size(robot)
    _check_command(task)
    key, progress, figures = jax.random.key(0), {}, {}
    if (curriculum := task.curriculum) is not None:
        of_it = f"task {task.name!r}: its curriculum"
        progress = _evaluated(of_it, lambda: jax.eval_shape(curriculum.first, jnp.int32(0)))
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_envs, *x.shape), x.dtype), progress)
        figures = _evaluated(of_it, lambda: jax.eval_shape(curriculum.figures, batch))
    fresh = _evaluated(f"task {task.name!r}: what an episode starts from", lambda: jax.eval_shape(episodes, key, progress))
    name = f"task {task.name!r}: its action mapping"
    target = partial(task.action.target, robot)
    _expect(name, lambda: jax.eval_shape(target, _array(actions), _array(joints)), (joints,), None)
    memory = {}
    for term in task.memory:
        name = f"task {task.name!r}: memory term {term.name!r} at first"
        memory[term.name] = _array_of(name, lambda t=term: jax.eval_shape(lambda: t.initial(layout)))
    view = View(
        qpos=_array(model.nq),
        qvel=_array(model.nv),
        sensordata=_array(model.nsensordata),
        fields=fresh.fields,
        command=_array(*command),
        action=_array(actions),
        last_action=_array(actions),
        memory=memory,
        time=_array(),
        command_time=_array(),
        layout=layout,
        dt=task.control_seconds,
        reference=fresh.reference,
    )
    tracked = None if layout.tracked is None else _array(7)
    seen = Proprioception(
        joint_position=_array(joints),
        joint_velocity=_array(joints),
        imu_quaternion=_array(4),
        angular_velocity=_array(3),
        command=_array(*command),
        last_action=_array(actions),
        tracked=tracked,
        reference=fresh.reference,
    )

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


def check_robot(task: Task, model: mujoco.MjModel) -> None:
    """Raises TaskError where the scene lacks something of the task's robot or of its terrain."""
    robot = task.robot
    sensors = [*robot.feet, *([robot.end_effector] if robot.end_effector else [])]
    for kind, names, have in (
        ("joint", robot.joints, [model.joint(i).name for i in range(model.njnt)]),
        ("body", (robot.base,), [model.body(i).name for i in range(model.nbody)]),
        ("site", (robot.imu_site,) if robot.imu_site else (), [model.site(i).name for i in range(model.nsite)]),
        ("sensor", [f"{name}_pos" for name in sensors], [model.sensor(i).name for i in range(model.nsensor)]),
    ):
        if missing := [name for name in names if name not in have]:
            raise TaskError(
                f"task {task.name!r}: its scene has no {kind} {missing[0]!r} of its robot {robot.name!r}: make the scene of"
                " that robot, by assets.scene.scene_spec"
            )
    if task.terrain is not None and "ground_0" not in [model.geom(i).name for i in range(model.ngeom)]:
        raise TaskError(f"task {task.name!r}: its scene is without its terrain: make it by scene_spec(robot, terrain)")


def scene_model(task: Task) -> mujoco.MjModel:
    """The task's scene, compiled for physics. Raises TaskError where it makes none, or one that does not compile."""
    name = f"task {task.name!r}: its scene"
    try:
        spec = task.scene()
    except UserError:
        raise
    except Exception as error:
        raise TaskError(f"{name} raised {type(error).__name__}: {error}") from error
    if not isinstance(spec, mujoco.MjSpec):
        raise TaskError(f"{name} gives a {type(spec).__name__}, expected an MjSpec, as assets.scene.scene_spec makes it")
    try:
        return compile_for_physics(spec)
    except ValueError as error:
        raise TaskError(f"{name} does not compile: {error}") from error


def _check_command(task: Task) -> None:
    term, name = task.command, f"task {task.name!r}: its command"
    command = _array_of(name, lambda: jax.eval_shape(term.sample, jax.random.key(0)))
    if command.shape != (len(term.names),):
        raise TaskError(f"{name} has shape {command.shape}, expected one entry for each of {term.names}")
    if command.dtype != jnp.float32:
        raise TaskError(f"{name} gives {command.dtype}, expected float32")
    if term.default and (len(term.default) != len(term.names) or not all(math.isfinite(value) for value in term.default)):
        raise TaskError(
            f"task {task.name!r}: its command's default is {term.default}, expected a finite number for each of {term.names}"
        )
    if (nearest := term.nearest) is not None:
        _expect(f"task {task.name!r}: its command's nearest", lambda: jax.eval_shape(nearest, command), command.shape, None)
    _evaluated(f"{name}'s reference", lambda: jax.eval_shape(term.reference, command))


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
    out = _array_of(name, evaluate)
    if shape is not None and out.shape != shape:
        raise TaskError(f"{name} gives shape {out.shape}, expected {shape or 'a scalar, ()'}")
    if shape is None and len(out.shape) > 1:
        raise TaskError(f"{name} gives shape {out.shape}, expected one axis")
    if dtype is not None and out.dtype != dtype:
        raise TaskError(f"{name} gives {out.dtype}, expected {dtype.__name__}")
    return math.prod(out.shape)


def _array_of(name: str, evaluate: Callable[[], Any]) -> Any:
    """The shape and type of the one array that it gives."""
    out = _evaluated(name, evaluate)
    if getattr(out, "shape", None) is None:
        raise TaskError(f"{name} gives {type(out).__name__}, expected one array")
    return out


def _evaluated(name: str, evaluate: Callable[[], Any]) -> Any:
    try:
        return evaluate()
    except Exception as error:  # whatever a function of a user's makes of it
        raise TaskError(f"{name} raised {type(error).__name__}: {error}") from error


def _array(*shape: int) -> jax.Array:
    return cast(jax.Array, jax.ShapeDtypeStruct(shape, jnp.float32))
