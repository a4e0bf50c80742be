"""What a calibration found, in a task: the same model as the calibration simulated, and the delay of commands."""

import json

import jax
import numpy as np
import pytest

from assets.robots.go2 import GO2
from envs.measured import Measured, MeasuredError, MeasuredModel, Measurement, measured_task
from sim.physics import nominal_field
from sim.randomization import Latency, Randomization, Uniform
from sim2real.calibrate.parameters import build_model, parameters
from sim2real.calibrate.replay import suspended_spec
from tests.rl.tracking import arm, make_env, tracking_task

OF_MODEL = ("armature", "damping", "frictionloss", "mass", "center_x", "center_z")


def measured(robot: str, joints: tuple[str, ...], found: dict[tuple[str, str], float], draws=()) -> Measured:
    measurements = tuple(Measurement(q, (member,), v, v - 0.1 * abs(v), v + 0.1 * abs(v)) for (q, member), v in found.items())
    return Measured(robot, joints, measurements, draws)


def test_the_measured_model_is_the_one_that_the_calibration_simulated():
    """Parity of two ways: fields of a compiled model, as an environment has them, and a spec compiled anew."""
    spec = suspended_spec(GO2, 0.002)
    free = parameters(GO2, spec, OF_MODEL, dict.fromkeys(OF_MODEL, "joint"))
    rng = np.random.default_rng(0)
    values = [p.nominal * rng.uniform(0.7, 1.4) + (0.01 if p.quantity.startswith("center") else 0.0) for p in free]
    expected = build_model(spec, free, values)
    found = Measured(
        "go2", GO2.joints, tuple(Measurement(p.quantity, p.members, v, v, v) for p, v in zip(free, values, strict=True)), ()
    )
    nominal = spec.compile()
    names, draw = MeasuredModel(found, GO2).bind(nominal)
    fields = draw(jax.random.key(0), {name: jax.numpy.asarray(nominal_field(nominal, name)) for name in names})
    assert set(names) == {"dof_armature", "dof_damping", "dof_frictionloss", "body_mass", "body_inertia", "body_ipos"}
    for name in names:
        np.testing.assert_allclose(fields[name], nominal_field(expected, name), rtol=2e-6, atol=1e-9, err_msg=name)
        assert np.abs(np.asarray(fields[name]) - nominal_field(nominal, name)).max() > 1e-4


def test_controllers_have_the_measured_gains_strength_and_offset():
    robot = arm()
    joint = robot.joints[0]
    found = measured(
        robot.name,
        robot.joints,
        {("strength", joint): 0.8, ("stiffness", joint): 1.5, ("gain_damping", joint): 2.0, ("offset", joint): 0.03},
    )
    env = make_env(measured_task(tracking_task(), found), 2)
    state = jax.jit(env.reset)(jax.random.key(0))
    kp, kd, effort = robot.stiffness[0] * 0.8 * 1.5, robot.damping[0] * 0.8 * 2.0, robot.effort_limits[0] * 0.8
    fields = state.physics.fields
    np.testing.assert_allclose(fields["actuator_gainprm"][:, 0, 0], kp, rtol=1e-6)
    np.testing.assert_allclose(fields["actuator_biasprm"][:, 0, :3], [[-kp * 0.03, -kp, -kd]] * 2, rtol=1e-6)
    np.testing.assert_allclose(fields["actuator_forcerange"][:, 0], [[-effort, effort]] * 2, rtol=1e-6)


def test_the_measured_delay_takes_the_place_of_the_tasks_own():
    robot = arm()
    found = measured(robot.name, robot.joints, {("delay", robot.joints[0]): 0.012})
    own = Randomization(action_latency=Latency(Uniform(0.0, 0.04), longest=0.04))
    for spread, low, high in ((False, 0.012, 0.012), (True, 0.0108, 0.0132)):
        latency = measured_task(tracking_task(randomization=own), found, spread).randomization.action_latency
        assert (latency.seconds.low, latency.seconds.high) == pytest.approx((low, high))
        assert latency.longest >= high


def test_robots_are_drawn_as_the_logs_leave_them_open():
    """A draw is a row: what the logs tell of two parameters only together stays together."""
    robot = arm()
    joint = robot.joints[0]
    rows = tuple((0.1 * i, 1.0 - 0.1 * i) for i in range(1, 6))
    found = measured(robot.name, robot.joints, {("damping", joint): 0.3, ("frictionloss", joint): 0.7}, rows)
    env = make_env(measured_task(tracking_task(), found, spread=True), 64)
    fields = jax.jit(env.reset)(jax.random.key(0)).physics.fields
    drawn = np.stack([fields["dof_damping"][:, 0], fields["dof_frictionloss"][:, 0]], axis=1)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, atol=1e-6)
    assert len(np.unique(drawn[:, 0].round(4))) == len(rows)


def test_a_calibration_of_another_robot_is_refused():
    with pytest.raises(MeasuredError, match="of 'go2'"):
        measured_task(tracking_task(), measured("go2", GO2.joints, {}))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda told: told.pop("draws"), "no calibration"),
        (lambda told: told["estimates"][0].update(quantity="magic"), "unknown quantity 'magic'"),
        (lambda told: told["estimates"][0].update(value=float("nan")), "damping of"),
        (lambda told: told["draws"].append([1.0, 2.0]), "draw"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path, spoil, message):
    robot = arm()
    told = measured(robot.name, robot.joints, {("damping", robot.joints[0]): 0.3}, ((0.3,),)).to_json()
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(told))
    assert Measured.load(tmp_path).to_json() == told
    spoil(told)
    path.write_text(json.dumps(told))
    with pytest.raises(MeasuredError, match=message) as error:
        Measured.load(tmp_path)
    assert "calibration.json" in str(error.value)
