"""The built-in Panda beside the vendor's model in MuJoCo Menagerie, where it differs from other robots."""

import mujoco
import numpy as np
import pytest

from assets.robots import PANDA, panda_spec
from assets.scene import compile_for_physics, scene_spec

MODEL = panda_spec().compile()


@pytest.fixture(scope="module")
def vendor(menagerie_folder) -> mujoco.MjModel:
    file = menagerie_folder / "franka_emika_panda" / "panda.xml"
    if not file.is_file():
        pytest.skip(f"{file} does not exist")
    return mujoco.MjModel.from_xml_path(str(file))


def test_effort_limits_and_the_pose_at_home_are_the_vendors(vendor):
    np.testing.assert_allclose(PANDA.effort_limits, vendor.actuator_forcerange[:7, 1])
    np.testing.assert_allclose(PANDA.default_pose, vendor.key("home").qpos[:7], atol=1e-4)


def test_its_tool_lies_between_its_finger_tips():
    data = mujoco.MjData(MODEL)
    mujoco.mj_forward(MODEL, data)
    tool, hand = data.site(PANDA.end_effector), data.body("hand")
    fingers = (data.body("left_finger").xpos + data.body("right_finger").xpos) / 2
    out = (fingers - hand.xpos) / np.linalg.norm(fingers - hand.xpos)
    np.testing.assert_allclose(tool.xpos - hand.xpos, 0.1034 * out, atol=1e-6)


def test_a_scene_holds_any_pose_without_gravity_to_fight_and_without_jitter():
    """The gains leave room for what randomisation adds to them, at a scene's time step."""
    model = compile_for_physics(scene_spec(PANDA))
    model.actuator_gainprm[:, 0] *= 1.21
    model.actuator_biasprm[:, 1:3] *= 1.21
    model.dof_armature[:] *= 0.8
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    low, high = PANDA.joint_ranges().T
    ids = [model.joint(name).qposadr[0] for name in PANDA.joints]
    for _ in range(8):
        mujoco.mj_resetData(model, data)
        data.qpos[ids] = target = rng.uniform(low + 0.1, high - 0.1)
        data.qpos[ids[1]] = target[1] = 0.0  # first and third axis in line: the least inertia between two joints
        data.qpos[ids[5]] = target[5] = 2.0
        data.ctrl[:] = target
        data.qvel[:7] = rng.uniform(-0.5, 0.5, 7)
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        mujoco.mj_step(model, data, 600)
        np.testing.assert_allclose(data.qpos[ids], target, atol=5e-3)
        assert np.abs(data.qvel[:7]).max() < 1e-2
