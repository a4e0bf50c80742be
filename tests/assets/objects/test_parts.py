import math

import mujoco
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from trimesh import creation

from assets.objects.hulls import Hull
from assets.objects.parts import Part, fit_parts
from assets.robots.primitives import BOX, CAPSULE

TURNED = trimesh.transformations.euler_matrix(0.4, -0.7, 1.1)
TURNED[:3, 3] = (0.3, 0.1, -0.2)


def fitted(mesh: trimesh.Trimesh, pose: np.ndarray = TURNED) -> Part:
    mesh = mesh.copy()
    mesh.apply_transform(pose)
    hull = Hull.of(np.asarray(mesh.vertices))
    assert hull is not None
    return fit_parts((hull,))[0]


def axes(part: Part) -> np.ndarray:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, part.quat)
    return matrix.reshape(3, 3)


@settings(max_examples=10)
@given(edges=st.tuples(*[st.floats(0.02, 0.2)] * 3), angles=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_box_is_that_box(edges, angles):
    pose = trimesh.transformations.euler_matrix(*angles)
    part = fitted(creation.box(edges), pose)
    assert part.kind == BOX
    np.testing.assert_allclose(np.sort(2 * part.size), np.sort(edges), rtol=0.06)
    np.testing.assert_allclose(part.pos, 0, atol=1e-6)
    # each of its axes is one of the box's, whichever they are
    across = np.abs(axes(part).T @ pose[:3, :3])
    if min(abs(a - b) for a, b in ((edges[0], edges[1]), (edges[1], edges[2]), (edges[0], edges[2]))) > 0.01:
        np.testing.assert_allclose(np.sort(across, axis=1)[:, 2], 1, atol=1e-3)


def test_a_ball_is_a_ball():
    part = fitted(creation.icosphere(3, 0.05))
    assert part.kind == CAPSULE
    np.testing.assert_allclose(part.pos, TURNED[:3, 3], atol=1e-3)
    assert part.size[0] == pytest.approx(0.05, rel=0.05)
    assert part.size[1] < 0.006


def test_a_capsule_lies_along_its_axis():
    part = fitted(creation.capsule(0.12, 0.02))
    assert part.kind == CAPSULE
    assert part.size[:2] == pytest.approx([0.02, 0.06], rel=0.08)
    assert abs(axes(part)[:, 2] @ TURNED[:3, 2]) > 0.999


def test_a_can_becomes_a_box_that_stands_as_high():
    part = fitted(creation.cylinder(0.04, 0.1), np.eye(4))
    assert part.kind == BOX
    height = np.abs(axes(part)[2]) @ part.size
    assert height == pytest.approx(0.05, rel=0.04)
    assert part.overlap > math.pi / 4  # no less than the smallest box around it
