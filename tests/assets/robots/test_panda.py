import mujoco
import numpy as np
import pytest

from assets.robots import RobotError
from assets.robots.panda import panda
from assets.scene import compile_for_physics, scene_spec


@pytest.fixture
def robot(menagerie):
    if not (menagerie / "franka_emika_panda").is_dir():
        pytest.skip(f"{menagerie} holds no franka_emika_panda")
    return panda()


def test_its_tool_lies_between_its_finger_tips(robot):
    model = robot.spec().compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    tool, hand = data.site(robot.end_effector), data.body("hand")
    fingers = (data.body("left_finger").xpos + data.body("right_finger").xpos) / 2
    out = (fingers - hand.xpos) / np.linalg.norm(fingers - hand.xpos)
    assert (tool.xpos - hand.xpos) @ out == pytest.approx(0.1034, abs=1e-6)
    np.testing.assert_allclose(tool.xpos - hand.xpos, 0.1034 * out, atol=1e-6)


def test_a_scene_holds_any_pose_without_gravity_to_fight_and_without_jitter(robot):
    """The gains leave room for what randomisation adds to them, at a scene's time step."""
    model = compile_for_physics(scene_spec(robot))
    model.actuator_gainprm[:, 0] *= 1.21
    model.actuator_biasprm[:, 1:3] *= 1.21
    model.dof_armature[:] *= 0.8
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    low, high = robot.joint_ranges().T
    ids = [model.joint(name).qposadr[0] for name in robot.joints]
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


def test_where_its_model_is_absent_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(RobotError, match=r"franka_emika_panda.* set MENAGERIE_ROOT"):
        panda()
