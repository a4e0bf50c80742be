"""The filter's invariant: whatever the robot says and the policy wants, what goes out is within the robot's limits."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.robots import GO2, SO101
from envs.safety import CAUSES, Limits, Readings, Targets, Verdict, explain, guard, tilt_of, torque_of

PERIOD = 0.002
N = GO2.num_joints
POSE = np.array(GO2.default_pose)


@pytest.fixture(scope="module")
def limits() -> Limits:
    return Limits.of(GO2)


def well(shape: tuple[int, ...] = ()) -> Readings:
    """A Go2 at rest in its default pose."""

    def each(value: float) -> np.ndarray:
        return np.full((*shape, N), value)

    return Readings(
        position=each(0.0) + POSE,
        velocity=each(0.0),
        quaternion=np.broadcast_to([1.0, 0.0, 0.0, 0.0], (*shape, 4)),
        temperature=each(30.0),
        moved=each(0.0),
        elapsed=np.full(shape, PERIOD),
        age=np.full(shape, 0.001),
        corrupt=np.zeros(shape, int),
        repeated=np.zeros(shape, int),
        reordered=np.zeros(shape, int),
        rivals=np.zeros(shape, int),
    )


def holding(shape: tuple[int, ...] = ()) -> Targets:
    zero = np.zeros((*shape, N))
    return Targets(zero + POSE, zero, zero, zero + np.array(GO2.stiffness), zero + np.array(GO2.damping))


def assert_within(limits: Limits, readings: Readings, last: np.ndarray, verdict: Verdict) -> None:
    out = verdict.targets
    assert all(np.isfinite(values).all() for values in out)
    assert (out.position >= limits.low).all()
    assert (out.position <= limits.high).all()
    assert (np.abs(out.position - last) <= limits.target_speed * PERIOD * (1 + 1e-12)).all()
    assert (np.abs(out.velocity) <= limits.velocity).all()
    for gain, most in ((out.stiffness, limits.stiffness), (out.damping, limits.damping)):
        assert (gain >= 0).all()
        assert (gain <= most).all()
    assert (np.abs(out.torque) <= limits.torque).all()
    known = np.isfinite(readings.position) & np.isfinite(readings.velocity)
    asked = np.abs(torque_of(out, np.where(known, readings.position, 0.0), np.where(known, readings.velocity, 0.0)))
    assert (np.where(known, asked, 0.0) <= limits.torque).all()
    resting = verdict.trips.any(axis=-1)
    assert (out.stiffness[resting] == 0).all()
    assert (out.torque[resting] == 0).all()


def test_of_a_million_random_states_and_commands_none_leaves_outside_the_limits(limits):
    rng = np.random.default_rng(4)
    total = tripped = passed = 0
    while total < 1_000_000:
        n = 50_000

        def draw(*shape: int, wild: float = 0.002, n: int = n) -> np.ndarray:
            """Mostly of the size that robots know, now and then of any, or no number at all."""
            values = rng.normal(size=(n, *shape)) * np.exp(rng.normal(size=(n, *shape)))
            odd = rng.choice([np.nan, np.inf, -np.inf, 1e300, -1e300, 1e12, 0.0], (n, *shape))
            return np.where(rng.random((n, *shape)) < wild, odd, values)

        readings = well((n,))._replace(
            position=POSE + 0.2 * draw(N),
            velocity=4.0 * draw(N),
            quaternion=np.array([1.0, 0, 0, 0]) + 0.2 * draw(4),
            temperature=40.0 + 10.0 * draw(N),
            moved=0.02 * draw(N),
            age=np.abs(0.005 * draw()),
            rivals=(rng.random(n) < 0.01).astype(int),
        )
        wanted = Targets(POSE + draw(N), draw(N), 5.0 * draw(N), 35.0 + 20.0 * draw(N), 0.7 + 0.2 * draw(N))
        sane = rng.random(n) < 0.5  # gains that are not negative, so that not all trip
        wanted = wanted._replace(
            stiffness=np.where(sane[:, None], np.abs(wanted.stiffness), wanted.stiffness),
            damping=np.where(sane[:, None], np.abs(wanted.damping), wanted.damping),
        )
        last = np.clip(POSE + 0.3 * rng.normal(size=(n, N)), limits.low, limits.high)
        verdict = guard(limits, readings, wanted, last, PERIOD)
        assert_within(limits, readings, last, verdict)
        total += n
        tripped += int(verdict.trips.any(axis=-1).sum())
        passed += int((~verdict.trips.any(axis=-1)).sum())
    assert tripped > 100_000  # both happen, and often
    assert passed > 100_000


numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(
    position=arrays(float, N, elements=numbers),
    velocity=arrays(float, N, elements=numbers),
    quaternion=arrays(float, 4, elements=numbers),
    wanted=st.tuples(*[arrays(float, N, elements=numbers)] * 5),
    last=arrays(float, N, elements=st.floats(-10, 10)),
)
def test_no_numbers_at_all_lead_outside_the_limits(limits, position, velocity, quaternion, wanted, last):
    last = np.clip(last, limits.low, limits.high)
    readings = well()._replace(position=position, velocity=velocity, quaternion=quaternion)
    assert_within(limits, readings, last, guard(limits, readings, Targets(*wanted), last, PERIOD))


def test_a_command_within_the_limits_goes_out_unchanged(limits):
    wanted = holding()._replace(position=POSE + 0.1)
    verdict = guard(limits, well(), wanted, POSE, PERIOD)
    assert not verdict.trips.any()
    assert all((out == given).all() for out, given in zip(verdict.targets, wanted, strict=True))


def test_a_target_far_away_is_approached_step_by_step_and_reached(limits):
    target = POSE + np.where(np.arange(N) % 3 == 2, 0.0, 0.5)
    last, steps = POSE, 0
    slow = replace(limits, target_speed=np.full(N, 10.0))
    while not np.array_equal(last, target):
        last = guard(slow, well(), holding()._replace(position=target), last, PERIOD).targets.position
        steps += 1
        assert steps <= 25
    assert steps == 25  # 0.5 rad by 10 rad/s x 2 ms


def test_gains_shrink_to_the_torque_that_the_motor_has(limits):
    readings = well()._replace(position=POSE - 0.9)  # 35 N m/rad x 0.9 rad is more than 23.7 N m
    verdict = guard(limits, readings, holding(), POSE, PERIOD)
    asked = np.abs(torque_of(verdict.targets, readings.position, readings.velocity))
    hips = np.arange(N) % 3 != 2
    assert asked[hips] == pytest.approx(23.7)
    assert (verdict.targets.stiffness[~hips] == 35.0).all()  # 45.43 N m are enough there


BAD = {
    "stale": {"age": np.array(0.0501)},
    "corrupt": {"corrupt": np.array(1)},
    "repeated": {"repeated": np.array(1)},
    "reordered": {"reordered": np.array(1)},
    "rival": {"rivals": np.array(1)},
    "state_not_finite": {"velocity": np.where(np.arange(N) == 5, np.nan, 0.0)},
    "joint_range": {"position": POSE + np.where(np.arange(N) == 4, 3.0, 0.0)},
    "jump": {"moved": np.where(np.arange(N) == 3, 0.5, 0.0)},
    "velocity": {"velocity": np.where(np.arange(N) == 2, -40.0, 0.0)},
    "tilt": {"quaternion": np.array([np.cos(0.6), np.sin(0.6), 0.0, 0.0])},
    "temperature": {"temperature": np.where(np.arange(N) == 1, 95.0, 30.0)},
}


@pytest.mark.parametrize("cause", BAD)
def test_each_cause_trips_and_is_told_in_words(limits, cause):
    readings = well()._replace(**BAD[cause])
    verdict = guard(limits, readings, holding(), POSE, PERIOD)
    found = {name for name, tripped in zip(CAUSES, verdict.trips, strict=True) if tripped}
    assert cause in found
    assert found <= {cause, "velocity"}  # a speed that is no number is none that is allowed, either
    assert f"{cause}: " in explain(limits, readings, verdict.trips)


def test_the_worst_joint_is_named(limits):
    readings = well()._replace(**BAD["joint_range"])
    told = explain(limits, readings, guard(limits, readings, holding(), POSE, PERIOD).trips)
    assert "FR_thigh_joint" in told
    assert "at most 0.15" in told


@pytest.mark.parametrize("field", Targets._fields)
def test_a_command_that_is_no_number_trips(limits, field):
    wanted = holding()
    wanted = wanted._replace(**{field: np.where(np.arange(N) == 7, np.nan, getattr(wanted, field))})
    verdict = guard(limits, well(), wanted, POSE, PERIOD)
    assert verdict.trips[CAUSES.index("bad_command")]
    assert (verdict.targets.damping == np.array(GO2.damping)).all()


def test_what_is_not_measured_trips_nothing(limits):
    readings = well()._replace(temperature=np.full(N, np.nan))
    assert not guard(limits, readings, holding(), POSE, PERIOD).trips.any()


def test_an_arm_without_an_imu_has_no_tilt_and_keeps_its_servos_torque():
    arm, pose = Limits.of(SO101), np.zeros(6)
    readings = Readings(pose, pose, np.full(4, np.nan), pose + 30, pose, *(np.array(v) for v in (0.02, 0.01, 0, 0, 0, 0)))
    wanted = Targets(pose + 0.1, pose, pose, np.array(SO101.stiffness), np.array(SO101.damping))
    verdict = guard(arm, readings, wanted, pose, 0.02)
    assert not verdict.trips.any()
    assert (verdict.targets.stiffness == SO101.stiffness).all()


@given(arrays(float, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.6))
def test_the_tilt_is_the_angle_between_the_rotated_axis_and_upright(limits, quaternion):
    import mujoco

    axis = np.zeros(3)
    mujoco.mju_rotVecQuat(axis, np.array([0.0, 0.0, 1.0]), quaternion / np.linalg.norm(quaternion))
    assert tilt_of(limits, quaternion) == pytest.approx(np.arccos(np.clip(axis[2], -1, 1)), abs=1e-6)


def test_the_simulation_and_the_robot_decide_the_same(limits):
    rng = np.random.default_rng(0)
    n = 200
    readings = well((n,))._replace(
        position=POSE + 0.4 * rng.normal(size=(n, N)),
        velocity=8.0 * rng.normal(size=(n, N)),
        quaternion=np.array([1.0, 0, 0, 0]) + 0.3 * rng.normal(size=(n, 4)),
        moved=0.1 * rng.normal(size=(n, N)),
        age=0.03 * np.abs(rng.normal(size=n)),
    )
    wanted = holding((n,))._replace(position=POSE + rng.normal(size=(n, N)))
    last = np.clip(POSE + 0.2 * rng.normal(size=(n, N)), limits.low, limits.high)
    robot = guard(limits, readings, wanted, last, PERIOD)
    simulated = guard(
        limits, Readings(*map(jnp.asarray, readings)), Targets(*map(jnp.asarray, wanted)), jnp.asarray(last), PERIOD
    )
    assert (np.asarray(simulated.trips) == robot.trips).all()
    assert robot.trips.any()
    assert not robot.trips.all()
    for ours, theirs in zip(robot.targets, simulated.targets, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-4, atol=1e-5)
