"""The program of a policy's control step: from what the robot measures to joint targets, as an ONNX graph.

    program = policy_program(ppo, state.policy)
    program.inputs, program.history, program.terms                  # what it reads, by name, shape and unit
    model = program.model({"zerogap": spec.to_json()})

It is the environment's own code that is translated: the observation terms with their scales, the history, the normaliser and
the network, the limit of actions and their mapping to targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import onnx

from assets.errors import UserError
from envs.env import Env
from envs.proprioception import Proprioception
from envs.task import Task
from rl.ppo import PPO, Policy
from sim2real.export.graph import Graph, Operand, Value
from sim2real.export.spec import ACTION, COMMAND, JOINT_TARGET, NEAREST_COMMAND, NEXT, Quantity, Term
from sim2real.export.translate import apply

IMU = ("imu_quaternion", "angular_velocity")
_TRACKED = "tracked"


class ExportError(UserError, RuntimeError):
    """A policy cannot be exported; the message names what stands in the way and what to do."""


@dataclass(frozen=True, eq=False)
class Program:
    graph: Graph
    terms: tuple[Term, ...]
    inputs: tuple[Quantity, ...]
    """What of the robot's measurements the policy reads."""
    history: tuple[Quantity, ...]
    values: dict[str, Operand]
    """By the names of `outputs`."""
    outputs: tuple[Quantity, ...]

    def model(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        return self.graph.model(self.values, metadata)


def policy_program(ppo: PPO, learned: Policy) -> Program:
    """Raises ExportError where the policy reads what no driver of its robot can supply, and TranslationError where ONNX has no
    equal for what it computes."""
    env, task = ppo.env, ppo.env.task
    _check_can_be_deployed(task, ppo)
    graph = Graph()
    measured, kept = _measured(task), _kept(task, env.observation_size["policy"])
    given = {quantity.name: graph.input(quantity.name, quantity.shape) for quantity in (*measured, *kept)}
    entries, terms = _observe(graph, task, given)
    frame = apply(graph, "the observation", jnp.concatenate, entries)
    seen, following = _remember(graph, env, given, frame)
    # A batch of one: to ONNX Runtime a layer of matrices is one operator, and of vectors it is several.
    action = apply(graph, "the policy's network", lambda seen: ppo.act(learned, seen[None])[0], seen)
    followed = apply(graph, "the action", env.follow, action)
    target = apply(graph, "the action", env.joint_target, followed, given["joint_position"])
    following["last_action"] = followed
    read = graph.inputs_of(target)
    history = tuple(quantity for quantity in kept if quantity.name in read)
    joints, actions = (task.robot.num_joints,), (env.num_actions,)
    nearest = _nearest(graph, task, given[COMMAND]) if COMMAND in read else {}
    return Program(
        graph=graph,
        terms=terms,
        inputs=tuple(quantity for quantity in measured if quantity.name in read),
        history=history,
        values={JOINT_TARGET: target, ACTION: action} | {NEXT + q.name: following[q.name] for q in history} | nearest,
        outputs=(
            Quantity(JOINT_TARGET, joints, "rad"),
            Quantity(ACTION, actions, "1"),
            *(Quantity(NEXT + q.name, q.shape, q.unit) for q in history),
            *(Quantity(name, value.shape, ", ".join(task.command.names)) for name, value in nearest.items()),
        ),
    )


def _remember(graph: Graph, env: Env, given: Mapping[str, Value], frame: Operand) -> tuple[Operand, dict[str, Operand]]:
    """What the policy sees, and what becomes of that part of its history."""
    if env.task.observation_history == 1:
        return frame, {}

    def remember(frames: jax.Array, frame: jax.Array, begun: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        frames = env.remember(frames, frame, begun[0] == 0)
        return frames.reshape(-1), frames, jnp.ones_like(begun)

    seen, frames, begun = apply(graph, "the history", remember, given["frames"], frame, given["begun"])
    return seen, {"frames": frames, "begun": begun}


def _nearest(graph: Graph, task: Task, command: Value) -> dict[str, Operand]:
    """The nearest command of the kind that training draws, where the task says what that is."""
    if task.command.nearest is None:
        return {}
    return {NEAREST_COMMAND: apply(graph, f"the nearest command of task {task.name!r}", task.command.nearest, command)}


def _check_can_be_deployed(task: Task, ppo: PPO) -> None:
    """Raise ExportError where no robot could be driven by the policy, whatever its terms compute."""
    if ppo.config.actor_observation == "critic":
        names = ", ".join(repr(term.name) for term in task.critic_observation)
        raise ExportError(
            f"the policy sees the critic's observation, which no driver can supply: {names}. It is a teacher: distill it into a"
            " student with `zerogap distill RUN`, and export that"
        )
    if not task.robot.motors:
        raise ExportError(
            f"the robot {task.robot.name!r} of task {task.name!r} names no motors, so no driver can move it: set Robot.motors"
        )


def _measured(task: Task) -> tuple[Quantity, ...]:
    n = task.robot.num_joints
    return (
        Quantity("joint_position", (n,), "rad"),
        Quantity("joint_velocity", (n,), "rad/s"),
        Quantity("imu_quaternion", (4,), "w, x, y, z"),
        Quantity("angular_velocity", (3,), "rad/s"),
        Quantity(COMMAND, (len(task.command.names),), ", ".join(task.command.names)),
    )


def _kept(task: Task, observation_size: int) -> tuple[Quantity, ...]:
    last_action = Quantity("last_action", (task.action.size(task.robot),), "1")
    count = task.observation_history
    if count == 1:
        return (last_action,)
    return last_action, Quantity("frames", (count, observation_size // count), "1"), Quantity("begun", (1,), "0 or 1")


def _observe(graph: Graph, task: Task, given: Mapping[str, Value]) -> tuple[list[Operand], tuple[Term, ...]]:
    """Each term's entries of the observation, and what it reads."""
    names = [*(quantity.name for quantity in _measured(task)), "last_action"]
    if task.tracked is not None:  # an input, so that what reads it is known
        given = {**given, _TRACKED: graph.input(_TRACKED, (7,))}
        names.append(_TRACKED)
    of_command = f"the reference of task {task.name!r}'s command"
    reference = apply(graph, of_command, task.command.reference, given[COMMAND])
    entries, terms = [], []
    for term in task.policy_observation:
        place = f"policy observation term {term.name!r} of task {task.name!r}"

        def observe(values: list[jax.Array], reference: Any, term=term) -> jax.Array:
            sensed = Proprioception(**dict(zip(names, values, strict=True)), reference=reference)
            return term.observe(sensed, task.robot)

        value = apply(graph, place, observe, [given[name] for name in names], reference)
        reads = tuple(graph.inputs_of(value))
        _check_supplied(place, reads, task)
        entries.append(value)
        terms.append(Term(term.name, float(term.scale), value.shape[0], reads))
    return entries, tuple(terms)


def _check_supplied(place: str, reads: tuple[str, ...], task: Task) -> None:
    robot = task.robot
    if _TRACKED in reads:
        raise ExportError(
            f"{place} reads where {task.tracked!r} is, which no driver can supply: there is no camera among them yet."
            " Train without that term"
        )
    lacking = [name for name in reads if name in IMU]
    if lacking and robot.imu_site is None:
        raise ExportError(
            f"{place} reads {' and '.join(lacking)}, which no driver of the robot {robot.name!r} can supply: it has no IMU."
            " Train without that term, or name the site of an IMU in Robot.imu_site"
        )
