"""A task is data: a scene, what the policy and the critic see, what is rewarded, when it ends, and what is randomised.

Terms are plain functions of one environment; the environment vectorises them. A reward's weight is per second: each step adds
weight * term * dt, so that changing the control rate does not change the task.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.errors import UserError
from assets.robots.robot import Robot
from assets.terrains import Terrain
from envs.action import ActionMapping, JointPosition
from envs.correction import Correction
from envs.curriculum import Curriculum
from envs.proprioception import Proprioception
from envs.view import Layout, View
from sim.randomization import Randomization
from sim.randomization.distribution import Distribution, Uniform


class TaskError(UserError, ValueError):
    """A task or one of its terms is ill-formed; the message names the term, what was expected and what was found."""


@dataclass(frozen=True)
class PolicyTerm:
    """Part of the policy's observation, from what the robot's own sensors give."""

    name: str
    function: Callable[[Proprioception, Robot], jax.Array]
    scale: float = 1.0

    def observe(self, sensed: Proprioception, robot: Robot) -> jax.Array:
        """The term's entries of the observation, (size,)."""
        return jnp.atleast_1d(self.function(sensed, robot)) * self.scale


@dataclass(frozen=True)
class CriticTerm:
    """Part of the critic's observation, which may see everything."""

    name: str
    function: Callable[[View], jax.Array]
    scale: float = 1.0
    mirror: Callable[[jax.Array, Robot], jax.Array] | None = None
    """From the term's value to that of the robot's mirror image (`envs.terms.mirrors`), for an actor that sees the critic's
    observation and learns by symmetry; None where none is declared."""


@dataclass(frozen=True)
class RewardTerm:
    name: str
    function: Callable[[View], jax.Array]
    """Gives a scalar."""
    weight: float
    """Per second; negative for a cost."""


@dataclass(frozen=True)
class TerminationTerm:
    name: str
    function: Callable[[View], jax.Array]
    """Gives a scalar bool. A true one ends the episode as failed."""


@dataclass(frozen=True)
class TruncationTerm:
    """Ends an episode that did not fail: what it was worth from there on is the critic's guess, as when its time is up."""

    name: str
    function: Callable[[View], jax.Array]
    """Gives a bool."""


@dataclass(frozen=True)
class MemoryTerm:
    """State that a task keeps from step to step, such as the time since a foot's last contact."""

    name: str
    initial: Callable[[Layout], jax.Array]
    update: Callable[[View], jax.Array]
    """The new value, from the view after the step; the old one is view.memory[name]."""


@dataclass(frozen=True)
class MetricTerm:
    """A figure that is reported but not rewarded."""

    name: str
    function: Callable[[View], jax.Array]
    where: Callable[[View], jax.Array] | None = None
    """Which steps count, a scalar bool; None for all. In a step that does not, the metric is NaN and in no mean."""


@dataclass(frozen=True)
class CommandTerm:
    """What the robot is asked to do, drawn anew every `seconds` within an episode."""

    names: tuple[str, ...]
    """Of the entries, with units, for sliders and logs: "forward velocity (m/s)"."""
    sample: Callable[[jax.Array], jax.Array]
    """From a key to a command, (len(names),)."""
    seconds: tuple[float, float]
    """Shortest and longest time between two draws."""
    mirror_sign: tuple[float, ...] = ()
    """Sign that each entry takes in the left-right mirror; empty where the task has no such symmetry."""
    nearest: Callable[[jax.Array], jax.Array] | None = None
    """From entries chosen one by one, as with sliders, to a command of the kind that `sample` gives; None where any will do."""
    default: tuple[float, ...] = ()
    """What a robot that stands in its default pose is asked where nobody asks; zeros where empty."""
    reference: Callable[[jax.Array], Any] = lambda command: ()
    """From a command to what terms need of it that is costly to work out, an array or a tree of them: it is worked out once for
    each new command, and shown as `Proprioception.reference` and `View.reference`. Nothing by default."""


@dataclass(frozen=True)
class Placed:
    """Where a free body lies at the start of an episode: anywhere in a rectangle, turned any way about the vertical."""

    body: str
    low: tuple[float, float]
    """Corner of the rectangle in the world (m)."""
    high: tuple[float, float]
    height: float = 0.0
    """Of the body's origin (m)."""


@dataclass(frozen=True)
class InitialState:
    """Half widths of the uniform spread of an episode's first state around the default pose."""

    joint_position: float = 0.0
    """rad"""
    joint_velocity: float = 0.0
    """rad/s"""
    linear_velocity: float = 0.0
    """m/s"""
    angular_velocity: float = 0.0
    """rad/s"""
    tilt: float = 0.0
    """rad about x and y; the heading is always uniform"""
    placed: tuple[Placed, ...] = ()
    """Things besides the robot."""


@dataclass(frozen=True)
class Task:
    name: str
    description: str
    robot: Robot
    scene: Callable[[], mujoco.MjSpec]
    """The robot in its world, as `assets.scene.scene_spec` makes it; its time step is the physics'."""
    command: CommandTerm
    policy_observation: tuple[PolicyTerm, ...]
    critic_observation: tuple[CriticTerm, ...]
    rewards: tuple[RewardTerm, ...]
    terminations: tuple[TerminationTerm, ...]
    truncations: tuple[TruncationTerm, ...] = ()
    """Besides the end of `episode_seconds`."""
    memory: tuple[MemoryTerm, ...] = ()
    metrics: tuple[MetricTerm, ...] = ()
    tracked: str | None = None
    """A free body whose pose the policy is given, as a camera sees it; None where it sees nothing but its robot."""
    randomization: Randomization = field(default_factory=Randomization)
    initial_state: InitialState = field(default_factory=InitialState)
    action: ActionMapping = JointPosition()
    """From the policy's action to joint targets."""
    correction: Correction | None = None
    """Of joint targets, as the simulated robot's own; None for the simulation as it is."""
    correction_scale: Distribution = Uniform(1.0, 1.0)
    """How much of the correction there is, drawn at the start of an episode."""
    terrain: Terrain | None = None
    """The ground of the scene, for terms that need its height; None for a plane at height 0."""
    curriculum: Curriculum | None = None
    """How difficult each environment's next episode is; None where all are alike."""
    control_seconds: float = 0.02
    """Control period: a whole number of the scene's time steps."""
    episode_seconds: float = 20.0
    observation_history: int = 1
    """How many of the latest observations the policy sees, oldest first."""
    action_limit: float = 10.0
    """Actions are kept within +- this before they are scaled."""
    discount: float = 0.97
    """Of rewards, per control step: how far ahead what is done counts."""
    minimum_reward: float = float("-inf")
    """Rewards of a step (before the costs of termination) are kept at or above this, per second."""
    termination_cost: float = 0.0
    """Subtracted once when an episode ends as failed."""
    show: Callable[[mujoco.MjModel, np.ndarray], dict[str, np.ndarray]] | None = None
    """From the scene's model and a command to the model fields that show the command in a picture; None where none does."""

    def __post_init__(self) -> None:
        """Raises TaskError where what is given is not of its type, or a number is none that could be meant."""
        _check_types(self)
        _check_names(self)
        _check_numbers(self)


_TYPES = {
    "robot": Robot,
    "command": CommandTerm,
    "randomization": Randomization,
    "initial_state": InitialState,
    "terrain": Terrain,
}
_TERMS = {
    "policy_observation": PolicyTerm,
    "critic_observation": CriticTerm,
    "rewards": RewardTerm,
    "terminations": TerminationTerm,
    "truncations": TruncationTerm,
    "memory": MemoryTerm,
    "metrics": MetricTerm,
}


def _check_types(task: Task) -> None:
    for field_name, kind in _TYPES.items():
        value = getattr(task, field_name)
        if not isinstance(value, kind) and not (field_name == "terrain" and value is None):
            raise TaskError(f"task {task.name!r}: its {field_name} is a {type(value).__name__}, expected a {kind.__name__}")
    for field_name, kind in _TERMS.items():
        terms = getattr(task, field_name)
        if not isinstance(terms, tuple):
            raise TaskError(
                f"task {task.name!r}: its {field_name} is a {type(terms).__name__}, expected a tuple of {kind.__name__}"
            )
        for term in terms:
            if not isinstance(term, kind):
                raise TaskError(f"task {task.name!r}: its {field_name} holds a {type(term).__name__}, expected {kind.__name__}")


def _check_names(task: Task) -> None:
    for field_name in _TERMS:
        names = [term.name for term in getattr(task, field_name)]
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            raise TaskError(f"task {task.name!r}: {field_name} has more than one {twice[0]!r}; only one of them would count")
    for field_name in ("policy_observation", "critic_observation"):
        if not getattr(task, field_name):
            raise TaskError(f"task {task.name!r}: its {field_name} has no term, expected at least one")


def _check_numbers(task: Task) -> None:
    history, (shortest, longest) = task.observation_history, task.command.seconds
    signs, names = task.command.mirror_sign, task.command.names
    for field_name, fits, expected in (
        ("control_seconds", 0 < task.control_seconds < math.inf, "a positive number"),
        ("episode_seconds", task.control_seconds <= task.episode_seconds < math.inf, "control_seconds or more"),
        ("observation_history", isinstance(history, int) and history >= 1, "a whole number, 1 or more"),
        ("action_limit", 0 < task.action_limit < math.inf, "a positive number"),
        ("discount", 0 <= task.discount <= 1, "a number from 0 to 1"),
        ("minimum_reward", not math.isnan(task.minimum_reward), "a number"),
        ("termination_cost", math.isfinite(task.termination_cost), "a number"),
    ):
        if not fits:
            raise TaskError(f"task {task.name!r}: {field_name} is {getattr(task, field_name)!r}, expected {expected}")
    if not 0 <= shortest <= longest < math.inf:
        raise TaskError(f"task {task.name!r}: command.seconds is {task.command.seconds}, expected a least and a greatest time")
    if len(signs) not in (0, len(names)) or not set(signs) <= {-1, 1}:
        raise TaskError(f"task {task.name!r}: command.mirror_sign is {signs}, expected +1 or -1 for each of {names}")
    for field_name, number in (("policy_observation", "scale"), ("critic_observation", "scale"), ("rewards", "weight")):
        for term in getattr(task, field_name):
            if not isinstance(value := getattr(term, number), Real) or not math.isfinite(value):
                raise TaskError(
                    f"task {task.name!r}: the {number} of {term.name!r} in {field_name} is {value!r}, expected a finite number"
                )
