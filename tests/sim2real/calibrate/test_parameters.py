"""What may differ: how parameters change a model, how they are grouped, and what a solver sees of them."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.robots import GO2, SO101
from assets.robots.robot import Robot
from sim2real.calibrate.parameters import QUANTITIES, Parameter, build_model, kinds, parameters, read_signals
from sim2real.calibrate.replay import suspended_spec
from sim2real.calibrate.windows import CalibrationError
from sim2real.twin.gap import Gap, Payload
from sim2real.twin.world import twin_spec
from tests.sim2real.calibrate.leg import LEG

STEP = 0.001


def differing(robot: Robot, *quantities: str) -> tuple[tuple[Parameter, ...], mujoco.MjModel, mujoco.MjModel]:
    """All parameters of some quantities, a nominal model, and one in which each is half a likely deviation off."""
    spec = suspended_spec(robot, STEP)
    free = parameters(robot, spec, quantities)
    values = [p.from_solver(p.to_solver(p.nominal) + 0.5) for p in free]
    return free, build_model(spec, free, [p.nominal for p in free]), build_model(spec, free, values)


@pytest.mark.parametrize("quantity", [name for name, q in QUANTITIES.items() if q.modify is not None])
def test_a_quantity_changes_the_dynamics_and_its_nominal_value_does_not(quantity: str):
    spec = suspended_spec(GO2, STEP)
    _free, nominal, other = differing(GO2, quantity)
    plain, pose = spec.compile(), np.array(GO2.default_pose)

    def moved(model: mujoco.MjModel) -> np.ndarray:
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = pose, 1.0
        mujoco.mj_forward(model, data)
        return data.qacc.copy()

    np.testing.assert_allclose(moved(nominal), moved(plain), rtol=2e-3, atol=1e-2)
    assert np.abs(moved(other) - moved(plain)).max() > 0.05


@given(st.sampled_from(sorted(QUANTITIES)), st.floats(0.0, 1.0))
def test_a_solver_sees_each_value_as_a_number_that_gives_it_back(quantity: str, share: float):
    kind = QUANTITIES[quantity]
    value = kind.low + share * (kind.high - kind.low)
    parameter = Parameter(f"{quantity} all", quantity, (), 1.0, kind.low, kind.high)
    assert parameter.from_solver(parameter.to_solver(value)) == pytest.approx(value, abs=1e-12)


def test_a_payload_is_the_twins_box_at_the_foot():
    mass, foot = 0.2, LEG.spec().geom("FL")
    twin = twin_spec(LEG, Gap(payload=Payload(mass, "FL_calf", tuple(foot.pos), (0.03, 0.03, 0.03))), lambda s: None, STEP)
    spec = suspended_spec(LEG, STEP)
    ours = build_model(spec, parameters(LEG, spec, ("payload",)), [mass])
    inertias = []
    for model in (twin.compile(), ours):
        data, full = mujoco.MjData(model), np.zeros((3, 3))
        data.qpos[:] = LEG.default_pose
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, full)
        inertias.append((full, data.qfrc_bias.copy()))
    np.testing.assert_allclose(inertias[0][0], inertias[1][0], atol=2e-5)
    np.testing.assert_allclose(inertias[0][1], inertias[1][1], atol=1e-9)
    np.testing.assert_allclose(inertias[1][1] - _bias(spec.compile()), _weight(ours, mass), atol=1e-9)


def _weight(model: mujoco.MjModel, mass: float) -> np.ndarray:
    """What holds so many kg at the foot against gravity (N m)."""
    data, jacobian = mujoco.MjData(model), np.zeros((3, model.nv))
    data.qpos[:] = LEG.default_pose
    mujoco.mj_forward(model, data)
    foot = model.geom("FL")
    mujoco.mj_jac(model, data, jacobian, None, data.geom_xpos[foot.id], foot.bodyid[0])
    return 9.81 * mass * jacobian[2]


def _bias(model: mujoco.MjModel) -> np.ndarray:
    data = mujoco.MjData(model)
    data.qpos[:] = LEG.default_pose
    mujoco.mj_forward(model, data)
    return data.qfrc_bias.copy()


def test_links_stay_physical():
    _, _, heavier = differing(GO2, "mass", "center_x", "center_z", "payload")
    moving = heavier.body_mass > 0
    inertia = np.sort(heavier.body_inertia[moving], axis=1)
    assert (inertia > 0).all()
    assert (inertia[:, 0] + inertia[:, 1] >= inertia[:, 2] * (1 - 1e-9)).all()


def test_legs_share_by_kind_and_an_arm_has_no_two_joints_alike():
    assert [len(members) for members in kinds(GO2).values()] == [4, 4, 4]
    assert all({name.split("_")[1] for name in members} == {first.split("_")[1]} for first, members in kinds(GO2).items())
    assert len(kinds(SO101)) == SO101.num_joints


def test_sharing_is_as_one_asks():
    spec = suspended_spec(GO2, STEP)
    counts = {
        sharing: len(parameters(GO2, spec, ("armature",), {"armature": sharing})) for sharing in ("joint", "kind", "robot")
    }
    assert counts == {"joint": 12, "kind": 3, "robot": 1}


def test_tools_and_feet_may_carry_something():
    names = {
        robot.name: [p.name for p in parameters(robot, suspended_spec(robot, STEP), ("payload",))] for robot in (GO2, SO101)
    }
    assert names["go2"] == [f"payload {leg}_calf" for leg in ("FL", "FR", "RL", "RR")]
    assert len(names["so101"]) == 1


def test_signals_are_of_their_own_joints():
    free = parameters(LEG, suspended_spec(LEG, STEP), ("delay", "offset", "tilt_x"))
    values = [0.004, 0.01, 0.02, 0.03, 0.1]
    signals = read_signals(LEG, free, values)
    np.testing.assert_allclose(signals.delay, 0.004)
    np.testing.assert_allclose(signals.offset, [0.01, 0.02, 0.03])
    np.testing.assert_allclose(signals.tilt, [0.1, 0.0])
    np.testing.assert_allclose(signals.strength, 1.0)


def test_an_unknown_quantity_is_named():
    with pytest.raises(CalibrationError, match=r"unknown quantity 'mas': there are .*mass"):
        parameters(LEG, suspended_spec(LEG, STEP), ("mas",))
