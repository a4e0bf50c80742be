"""Which joints move each other: `couplings(log, robot)`, a `Coupling` for each joint of a log."""

from dataclasses import dataclass

import mujoco
import numpy as np

from assets.robots.robot import Robot
from sim2real.logs.robot_log import RobotLog

_SAME = 0.98  # correlation of two targets


@dataclass(frozen=True)
class Coupling:
    """Of one joint."""

    chain: tuple[int, ...]
    """Joints that carry it or that it carries: their positions change the inertia that it moves."""
    others: tuple[int, ...]
    """Joints that shake the base that carries both."""

    @property
    def all(self) -> tuple[int, ...]:
        return self.chain + self.others


def couplings(log: RobotLog, robot: Robot | None) -> tuple[Coupling, ...]:
    """By joint, in the log's order. Without a description of the robot no chain is known.

    A joint that is asked to move just as this one is left out: as its mirror image it would explain this one's motion, whatever the
    lag of both.
    """
    joints = range(len(log.info.joints))
    chains = _chains(log.info.joints, robot) if robot is not None else [()] * len(joints)
    target = log["target"].values
    moves = np.flatnonzero(np.ptp(log["position"].values, axis=0) > 0)
    told_apart = [[int(k) for k in moves if k != j and not _same(target[:, j], target[:, k])] for j in joints]
    return tuple(
        Coupling(tuple(k for k in told_apart[j] if k in chains[j]), tuple(k for k in told_apart[j] if k not in chains[j]))
        for j in joints
    )


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    size = float(a.std() * b.std())
    return size > 0 and abs(float(((a - a.mean()) * (b - b.mean())).mean())) > _SAME * size


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
