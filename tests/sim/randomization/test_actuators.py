import mujoco
import numpy as np
import pytest

from sim.randomization import (
    ActuatorGains,
    FieldSampler,
    JointOffset,
    ModelTerm,
    MotorStrength,
    RandomizationError,
    Uniform,
)
from sim.randomization.actuators import joint_offset
from tests.sim.randomization.drawn import drawn

KP, KD, LIMIT = 10.0, 0.5, 4.0
MODEL = mujoco.MjModel.from_xml_string(f"""
<mujoco>
  <option gravity="0 0 0"/>
  <worldbody>
    <body><joint name="a" axis="0 0 1"/><geom size=".1" mass="1" contype="0" conaffinity="0"/></body>
    <body><joint name="b" axis="0 0 1"/><geom size=".1" mass="1" contype="0" conaffinity="0"/></body>
  </worldbody>
  <actuator>
    <position name="a" joint="a" kp="{KP}" kv="{KD}" forcerange="-{LIMIT} {LIMIT}"/>
    <position name="b" joint="b" kp="{KP}" kv="{KD}" forcerange="-{LIMIT} {LIMIT}"/>
  </actuator>
</mujoco>
""")
QVEL = np.array([0.3, -0.2])


def torque(model: mujoco.MjModel, ctrl: float) -> np.ndarray:
    """Of both actuators, N m."""
    data = mujoco.MjData(model)
    data.ctrl, data.qpos, data.qvel = ctrl, [0.1, -0.05], QVEL
    mujoco.mj_forward(model, data)
    return data.actuator_force.copy()


@pytest.mark.parametrize("ctrl", [0.2, 3.0])
def test_a_weak_motor_gives_a_part_of_its_torque_and_of_its_limit(ctrl):
    weak = drawn(MODEL, MotorStrength(Uniform(0.4, 0.8)))
    share = weak.actuator_gainprm[:, 0] / KP
    assert ((share > 0.4) & (share < 0.8)).all()
    assert share[0] != share[1]
    np.testing.assert_allclose(torque(weak, ctrl), share * torque(MODEL, ctrl), rtol=1e-5)
    if ctrl == 3.0:
        np.testing.assert_allclose(torque(weak, ctrl), share * LIMIT, rtol=1e-5)


def test_gains_are_those_of_a_pd_controller_of_other_stiffness_and_damping():
    other = drawn(MODEL, ActuatorGains(stiffness=Uniform(0.5, 2.0), damping=Uniform(2.5, 3.0)))
    kp, kd = other.actuator_gainprm[:, 0], -other.actuator_biasprm[:, 2]
    assert (np.abs(kp / KP - 1.25) < 0.75).all()
    assert (np.abs(kd / KD - 2.75) < 0.25).all()
    assert np.ptp(kp) > 0
    np.testing.assert_allclose(torque(other, 0.1), kp * (0.1 - np.array([0.1, -0.05])) - kd * QVEL, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(other.actuator_forcerange, MODEL.actuator_forcerange)


@pytest.mark.parametrize(
    "others",
    [(), (ActuatorGains(Uniform(0.5, 0.6), Uniform(1.5, 1.6)),), (MotorStrength(Uniform(0.5, 0.6)),)],
    ids=["alone", "gains after", "strength after"],
)
def test_a_joint_with_a_badly_zeroed_encoder_settles_off_its_target(others: tuple[ModelTerm, ...]):
    model = drawn(MODEL, JointOffset(Uniform(0.05, 0.2), pattern="b"), *others)
    offset = np.asarray(joint_offset(model.actuator_biasprm))
    assert offset[0] == 0
    assert 0.05 < offset[1] < 0.2
    data = mujoco.MjData(model)
    data.ctrl = [0.4, 0.4]
    mujoco.mj_step(model, data, 5000)
    np.testing.assert_allclose(data.qpos, 0.4 - offset, atol=1e-5)


def test_the_offset_drawn_is_the_offset_read_back_whatever_the_gains():
    offset = JointOffset(Uniform(0.1, 0.1))
    for later in (ActuatorGains(Uniform(2.0, 2.0), Uniform(1.0, 1.0)), MotorStrength(Uniform(0.5, 0.5))):
        for terms in ((offset, later), (later, offset)):
            np.testing.assert_allclose(joint_offset(drawn(MODEL, *terms).actuator_biasprm), 0.1, rtol=1e-5)


def test_an_actuator_without_stiffness_has_no_offset():
    assert joint_offset(np.zeros((2, 10))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ['motor name="m" joint="a"', 'velocity name="m" joint="a" kv="3"'])
@pytest.mark.parametrize(
    "term", [MotorStrength(Uniform(1, 1)), JointOffset(Uniform(0, 0)), ActuatorGains(Uniform(1, 1), Uniform(1, 1))]
)
def test_only_position_actuators_are_accepted(kind, term):
    xml = (
        f'<mujoco><worldbody><body><joint name="a"/><geom size=".1"/></body></worldbody><actuator><{kind}/></actuator></mujoco>'
    )
    with pytest.raises(RandomizationError, match=f"{type(term).__name__}.*'m' is no position actuator"):
        FieldSampler(mujoco.MjModel.from_xml_string(xml), (term,))


def test_a_pattern_picks_actuators_by_name():
    model = drawn(MODEL, MotorStrength(Uniform(0.4, 0.8), pattern="b"))
    np.testing.assert_array_equal(model.actuator_gainprm[0], MODEL.actuator_gainprm[0])
    assert model.actuator_gainprm[1, 0] < KP
