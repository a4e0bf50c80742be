"""A limb is its robot's own limb, bolted down."""

import mujoco
import numpy as np
import pytest

from assets.robots import GO2, SO101
from assets.robots.limb import limb
from assets.robots.robot import RobotError


@pytest.fixture(scope="module", params=["FL_hip", "RR_hip"])
def leg(request: pytest.FixtureRequest):
    made = limb(GO2, request.param)
    made.check()
    return made


def test_it_has_its_own_joints_and_nobody_elses(leg):
    prefix = leg.joints[0][:2]
    assert leg.joints == tuple(name for name in GO2.joints if name.startswith(prefix))
    assert leg.feet == (prefix,)
    assert not leg.is_floating
    index = [GO2.joints.index(name) for name in leg.joints]
    for field in ("default_pose", "stiffness", "effort_limits", "velocity_limits", "motors"):
        assert getattr(leg, field) == tuple(getattr(GO2, field)[i] for i in index)


def test_it_moves_as_the_whole_robot_does_whose_base_is_held(leg):
    whole = GO2.spec()
    whole.delete(whole.joint("base_joint"))
    accelerations = []
    for model in (leg.spec().compile(), whole.compile()):
        data = mujoco.MjData(model)
        dofs = [model.joint(name).dofadr[0] for name in leg.joints]
        for dof, value in zip(dofs, leg.default_pose, strict=True):
            data.qpos[dof], data.qvel[dof] = value, 2.0
        mujoco.mj_forward(model, data)
        accelerations.append(data.qacc[dofs])
    np.testing.assert_allclose(*accelerations, rtol=1e-3, atol=1e-2)


def test_it_hangs_clear_of_the_ground(leg):
    model = leg.spec().compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.geom(leg.feet[0]).xpos[2] > 0.1


def test_an_arm_is_one_limb():
    root = SO101.spec().body(SO101.base).bodies[0].name
    arm = limb(SO101, root)
    arm.check()
    assert arm.joints == SO101.joints
    assert arm.end_effector == SO101.end_effector


def test_a_limb_that_there_is_not_is_named():
    with pytest.raises(RobotError, match=r"no limb at its base 'FL_hipp'; did you mean 'FL_hip'"):
        limb(GO2, "FL_hipp")
