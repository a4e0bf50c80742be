"""What offsets to the targets would do in short windows of a log: `derivatives(part.steps_run, limbs)`.

They are differences of simulations from the log's own states, in which one joint of each limb is moved at a time, as limbs of a
fixed base do not move each other. What is to be learned is then a linear problem, a Gauss-Newton step: the offsets that take
what is simulated to what was measured.
"""

from collections.abc import Sequence

import numpy as np

from sim2real.calibrate.fit import rounds_of
from sim2real.delta.control_steps import ControlSteps
from sim2real.delta.part import Part

_DIFFERENCE = 6e-3  # rad, of a correction's size: by far less a joint that sticks would not be moved


def members_of(limbs: Sequence[int]) -> list[list[int]]:
    """Indices of the joints of each limb."""
    return [[j for j, other in enumerate(limbs) if other == limb] for limb in sorted(set(limbs))]


def residual(part: Part, states: np.ndarray) -> np.ndarray:
    """Simulated less measured joint positions (rad) and velocities (rad/s) after each control step, of `Run.states`;
    (windows, 2, count, num_joints)."""
    simulated = np.transpose(np.stack(part.steps_run.joint_states(states[1:])), (2, 0, 1, 3))
    rows = part.index[:, None] + np.arange(1, part.steps_run.count + 1)
    return simulated - np.stack([part.samples.position[rows], part.samples.velocity[rows]], axis=1)


def derivatives(run: ControlSteps, limbs: Sequence[int]) -> list[np.ndarray]:
    """By limb, of joint positions and velocities after each control step by offsets (rad), around no offset at all: (windows,
    2, count, joints of the limb, before + count, joints of the limb). `limbs` names each joint's limb."""
    members, unknown = members_of(limbs), run.before + run.count
    offsets = np.zeros((run.windows, unknown, len(limbs)))
    base = run.states(offsets)
    found = [np.zeros((run.windows, 2, run.count, len(joints), unknown, len(joints)), np.float32) for joints in members]
    for together in rounds_of([frozenset([limb]) for limb in limbs]):
        for k in range(unknown):
            first = max(0, k - run.before)  # nothing changes before
            moved = offsets.copy()
            moved[:, k, together] += _DIFFERENCE
            reached = np.stack(run.joint_states(run.states(moved, first, base[first])[1:]))
            change = (reached - np.stack(run.joint_states(base[first + 1 :]))) / _DIFFERENCE
            for own, slope in zip(members, found, strict=True):
                for j in set(own) & set(together):
                    slope[:, :, first:, :, k, own.index(j)] = np.transpose(change[..., own], (2, 0, 1, 3))
    return found
