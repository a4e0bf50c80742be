"""The left-right symmetry of a robot, found in its model: which joint and which foot is whose mirror image.

The plane of symmetry is the xz plane of the model at its zero pose (x forward, y left, z up). A mirrored turn by q about an
axis a through a point p is a turn by q about -M a through M p, where M = diag(1, -1, 1): an axis is a pseudovector.
"""

import mujoco
import numpy as np

from assets.robots.robot import Mirror

_REFLECTION = np.array([1.0, -1.0, 1.0])


def zero_pose(model: mujoco.MjModel) -> mujoco.MjData:
    """The model with every joint at zero and a floating base upright at the origin, its kinematics computed."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    for joint in range(model.njnt):
        address = model.jnt_qposadr[joint]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            data.qpos[address + 3] = 1.0
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
            data.qpos[address] = 1.0
    mujoco.mj_kinematics(model, data)
    return data


def find_mirror(model: mujoco.MjModel, joints: tuple[str, ...], tolerance: float = 2e-3) -> Mirror | None:
    """The mirror of the hinges `joints`, as an action on their vector; None where the model has none.

    Anchors may differ by `tolerance` (m), the cosines between axes by as much.
    """
    data = zero_pose(model)
    ids = [model.joint(name).id for name in joints]
    anchors, axes = data.xanchor[ids], data.xaxis[ids]
    index, sign = [], []
    for anchor, axis in zip(anchors, axes, strict=True):
        near = np.linalg.norm(anchors - _REFLECTION * anchor, axis=1) < tolerance
        # +1 where the other joint turns as this one's image does, -1 where it turns against it
        alignment = axes @ (-_REFLECTION * axis)
        matches = near & (np.abs(alignment) > 1 - tolerance)
        if np.count_nonzero(matches) != 1:
            return None
        image = int(np.argmax(matches))
        index.append(image)
        sign.append(1 if alignment[image] > 0 else -1)
    return Mirror(index=tuple(index), sign=tuple(sign))


def find_foot_mirror(model: mujoco.MjModel, feet: tuple[str, ...], tolerance: float = 2e-3) -> tuple[int, ...]:
    """For each foot geom the index of its mirror image, within `tolerance` (m); empty where one has none."""
    positions = zero_pose(model).geom_xpos[[model.geom(name).id for name in feet]]
    distances = np.linalg.norm(positions[:, None] * _REFLECTION - positions[None], axis=-1)
    nearest = distances.argmin(axis=1)
    return tuple(int(i) for i in nearest) if np.all(distances.min(axis=1) < tolerance) else ()
