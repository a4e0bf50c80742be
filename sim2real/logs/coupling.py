"""Which joints move each other: `couplings(log, robot)`, a `Coupling` for each joint of a log."""

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.signal import hilbert

from assets.robots.robot import Robot
from sim2real.logs.robot_log import RobotLog

_ALIKE = 0.7  # coherence of two targets


@dataclass(frozen=True)
class Coupling:
    """Of one joint."""

    chain: tuple[int, ...]
    """Joints that carry it or that it carries: their positions change the inertia that it moves."""
    others: tuple[int, ...]
    """Joints that shake the base that carries both."""
    alike: bool = False
    """Whether one of the chain is asked to move as this joint is, if at another phase: what it brings about is hard to tell
    from what this joint's own command does."""

    @property
    def all(self) -> tuple[int, ...]:
        return self.chain + self.others


def couplings(log: RobotLog, robot: Robot | None) -> tuple[Coupling, ...]:
    """By joint, in the log's order. Without a description of the robot no chain is known.

    A joint beyond the chain that is asked to move as this one is, if at another phase, is left out: its motion would explain
    this one's, whatever the lag of both.
    """
    joints = range(len(log.info.joints))
    chains = _chains(log.info.joints, robot) if robot is not None else [()] * len(joints)
    target, position = (values[np.isfinite(values).all(axis=1)] for values in (log["target"].values, log["position"].values))
    alike = _alike(target)
    moves = np.flatnonzero(np.ptp(position, axis=0) > 0)
    told_apart = [tuple(int(k) for k in moves if k != j and k not in chains[j] and not alike[j, k]) for j in joints]
    return tuple(Coupling(chains[j], told_apart[j], any(alike[j, k] for k in chains[j])) for j in joints)


def _alike(target: np.ndarray) -> np.ndarray:
    """Which targets are alike apart from their phase, (joints, joints) bool: two chirps of one pace are."""
    analytic = np.asarray(hilbert(target - target.mean(axis=0), axis=0))
    product = np.abs(analytic.conj().T @ analytic)
    size = np.sqrt(np.diag(product))
    return product > _ALIKE * np.maximum(np.outer(size, size), 1e-12)


def _chains(joints: tuple[str, ...], robot: Robot) -> list[tuple[int, ...]]:
    model = robot.spec().compile()
    bodies = [int(model.joint(name).bodyid[0]) for name in joints]
    above = [_ancestors(model, body) for body in bodies]
    return [
        tuple(k for k in range(len(joints)) if k != j and (bodies[k] in above[j] or bodies[j] in above[k]))
        for j in range(len(joints))
    ]


def _ancestors(model: mujoco.MjModel, body: int) -> set[int]:
    found = set()
    while body:
        found.add(body)
        body = int(model.body_parentid[body])
    return found
