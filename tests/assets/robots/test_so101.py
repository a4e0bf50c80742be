"""The built-in SO-101 beside the vendor's model in MuJoCo Menagerie, where it differs from other robots."""

import mujoco
import numpy as np
import pytest

from assets.robots import SO101, so101_spec

MODEL = so101_spec().compile()


@pytest.fixture(scope="module")
def vendor(menagerie_folder) -> mujoco.MjModel:
    file = menagerie_folder / "robotstudio_so101" / "so101.xml"
    if not file.is_file():
        pytest.skip(f"{file} does not exist")
    return mujoco.MjModel.from_xml_path(str(file))


def test_gains_and_effort_limits_are_those_of_the_vendors_actuators(vendor):
    for i, joint in enumerate(SO101.joints):
        actuator = vendor.actuator(joint)
        assert SO101.stiffness[i] == pytest.approx(actuator.gainprm[0], rel=1e-3)
        assert SO101.damping[i] == pytest.approx(-actuator.biasprm[2], rel=1e-3)
        np.testing.assert_allclose(actuator.forcerange, [-SO101.effort_limits[i], SO101.effort_limits[i]], rtol=1e-3)


def test_the_tool_is_the_vendors_in_any_pose(vendor):
    rng = np.random.default_rng(0)
    for _ in range(20):
        data = []
        for model in (MODEL, vendor):
            data.append(mujoco.MjData(model))
            data[-1].qpos[:] = rng.uniform(*SO101.joint_ranges().T) if len(data) == 1 else data[0].qpos
            mujoco.mj_kinematics(model, data[-1])
        ours, theirs = (x.site(SO101.end_effector) for x in data)
        np.testing.assert_allclose(ours.xpos, theirs.xpos, atol=1e-6)
        np.testing.assert_allclose(ours.xmat, theirs.xmat, atol=1e-6)
