"""Motions of every kind keep within the robots' limits, begin and end at rest, and touch nothing."""

from dataclasses import replace
from itertools import combinations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.robots import GO2, SO101
from envs.safety import Limits
from sim2real.excite.design import KINDS, Design, Wish, design
from sim2real.excite.motion import Motion, MotionError
from sim2real.excite.rehearsal import Rehearsal
from sim2real.robot_io import RobotCommand
from sim2real.twin.simulated import SimulatedRobot
from tests.sim2real.excite.stages import made, stage

KIND_NAMES = sorted(KINDS)


def assert_within_limits(design: Design) -> None:
    motion, robot = design.motion, design.rehearsal.stage.robot
    limits = Limits.of(robot)
    assert (motion.targets >= limits.low).all()
    assert (motion.targets <= limits.high).all()
    assert (np.abs(motion.velocity) <= np.array(robot.velocity_limits)).all()
    assert (np.abs(motion.velocity) <= limits.target_speed).all()
    assert (np.abs(design.rehearsal.velocity) < limits.velocity).all()
    assert (np.abs(design.rehearsal.needed) < np.array(robot.effort_limits)).all()
    moved = list(design.moved)
    rest = np.array(robot.default_pose)
    for end in (motion.targets[0], motion.targets[-1]):
        assert end == pytest.approx(rest, abs=1e-6)
    largest = np.abs(motion.velocity).max(axis=0)
    assert (np.abs(motion.velocity[[0, -1]]) <= 0.02 * largest + 1e-6).all()
    still = np.setdiff1d(np.arange(robot.num_joints), moved)
    assert (motion.targets[:, still] == rest[still]).all()
    assert (np.ptp(motion.targets[:, moved], axis=0) > 0.005).all()


@settings(max_examples=8)
@given(
    st.sampled_from(KIND_NAMES),
    st.integers(0, 1000),
    st.sampled_from(["together", "in-turn"]),
    st.floats(30.0, 40.0),
    st.sampled_from([0.02, 0.3, None]),
    st.sampled_from(["*", "*_flex", "gripper"]),
)
def test_a_motion_of_any_kind_and_seed_keeps_within_an_arm_s_limits(kind, seed, order, seconds, amplitude, joints):
    wish = {"kind": kind, "seed": seed, "seconds": seconds, "order": order, "amplitude": amplitude, "joints": joints}
    if kind in ("holds", "prbs", "steps") and order == "in-turn":  # of all joints at their full width, one after the other
        wish["seconds"] = 3 * seconds
    assert_within_limits(made("so101", **wish))


@pytest.fixture(scope="module", params=[(robot, kind) for robot in ("go2", "so101") for kind in KIND_NAMES], ids="-".join)
def whole(request) -> Design:
    """All joints of a robot together, in one kind."""
    robot, kind = request.param
    return made(robot, kind=kind, seed=KIND_NAMES.index(kind), seconds=20.0 if kind == "holds" else 8.0)


def test_a_motion_of_all_joints_keeps_within_the_limits(whole):
    assert_within_limits(whole)


def test_a_motion_keeps_within_the_panda_s_limits():
    assert_within_limits(made("panda", kind="multisine", seed=1, seconds=8.0))


def distances(robot: str, positions: np.ndarray) -> dict[tuple[str, str], float]:
    """The least distance of each pair of parts that are no neighbours, by MuJoCo's distances of geoms, not by its contacts."""
    described = stage(robot).robot
    model = described.spec().compile()
    data = mujoco.MjData(model)
    parts = [i for i in range(model.ngeom) if model.geom_conaffinity[i]]
    qpos = [model.joint(name).qposadr[0] for name in described.joints]

    def neighbours(a: int, b: int) -> bool:
        one, other = model.geom_bodyid[a], model.geom_bodyid[b]
        return one == other or model.body_parentid[one] == other or model.body_parentid[other] == one

    pairs = [(a, b) for a, b in combinations(parts, 2) if not neighbours(a, b)]
    least = dict.fromkeys(pairs, np.inf)
    data.qpos[qpos] = described.default_pose
    mujoco.mj_kinematics(model, data)
    apart = [pair for pair in pairs if mujoco.mj_geomDistance(model, data, *pair, 1.0, None) > 0.008]
    for position in positions:
        data.qpos[qpos] = position
        mujoco.mj_kinematics(model, data)
        for pair in apart:
            least[pair] = min(least[pair], mujoco.mj_geomDistance(model, data, *pair, 0.05, None))
    return {(model.geom(a).name, model.geom(b).name): value for (a, b), value in least.items()}


def test_no_part_touches_another_while_a_motion_is_played(whole):
    steps = np.random.default_rng(0).integers(0, len(whole.motion.targets), 40)
    for positions in (whole.motion.targets[steps], whole.rehearsal.position[steps]):
        touching = {pair: value for pair, value in distances(whole.motion.robot, positions).items() if value <= 0.0}
        assert not touching


def test_amplitudes_that_would_collide_are_taken_back_and_told():
    design = made("go2", kind="chirp", amplitude=0.5, band=(0.2, 1.0), seconds=12.0)
    assert any("_joint" in note and "s FL" in note and "come too near each other" in note for note in design.notes)
    free = made("go2", kind="chirp", amplitude=0.05, band=(0.2, 1.0), seconds=12.0)
    assert not free.notes


def test_an_arm_keeps_off_the_floor_that_it_is_bolted_to():
    down = np.tile(np.array(SO101.default_pose), (40, 1))
    down[:, 1] += np.linspace(0.0, 0.9, 40)
    contacts = stage("so101").clearance.contacts(down)
    assert any("floor" in contact.parts and 1 in contact.joints for contact in contacts)
    assert not stage("so101").clearance.contacts(down[:2])


@pytest.mark.parametrize("kind", ["chirp", "multisine", "prbs", "steps"])
def test_joints_that_move_together_are_uncorrelated(kind):
    motion = made("so101", kind=kind, seconds=60.0, band=(0.1, 4.0)).motion
    correlation = np.corrcoef(motion.targets.T) - np.eye(6)
    assert np.abs(correlation).max() < 0.3


def test_in_turn_only_one_joint_moves_at_a_time():
    motion = made("so101", kind="multisine", order="in-turn", seconds=40.0, band=(0.3, 4.0), amplitude=0.1).motion
    assert [segment.name.split()[0] for segment in motion.segments] == list(SO101.joints)
    for i, segment in enumerate(motion.segments):
        during = motion.targets[round(segment.begin * motion.rate) : round(segment.end * motion.rate)]
        moving = np.flatnonzero(np.ptp(during, axis=0) > 1e-3)
        assert moving.tolist() == [i]


def test_a_seed_gives_the_same_motion_and_another_seed_another():
    first, again, other = (made("so101", kind="multisine", seed=seed).motion for seed in (1, 1, 2))
    assert first.content_hash == again.content_hash
    assert first.content_hash != other.content_hash


def test_gains_are_the_robot_s_own_times_what_is_asked():
    motion = made("go2", kind="steps", joints="FL_*", stiffness=0.5, damping=1.5, amplitude=0.1).motion
    assert motion.stiffness == pytest.approx([0.5 * value for value in GO2.stiffness])
    assert motion.damping == pytest.approx([1.5 * value for value in GO2.damping])


def played(robot: str, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Positions and torques of a hanging or bolted twin, of another model and time step, when each target begins to hold."""
    described = stage(robot).robot
    twin = SimulatedRobot(described, rate=motion.rate, start="hanging" if described.is_floating else "standing")
    zero = np.zeros(described.num_joints)
    gains = (np.array(motion.stiffness), np.array(motion.damping))
    state = twin.step(None)
    for sequence in range(round(1.5 * motion.rate)):
        state = twin.step(RobotCommand(sequence, motion.targets[0], zero, zero, *gains))
    positions, torques = [], []
    for sequence, target in enumerate(motion.targets):
        positions.append(state.position)
        torques.append(gains[0] * (target - state.position) - gains[1] * state.velocity)
        state = twin.step(RobotCommand(1000 + sequence, target, zero, zero, *gains))
    return np.array(positions), np.array(torques)


@pytest.mark.parametrize("robot", ["go2", "so101"])
def test_positions_and_torques_are_foretold_as_the_twin_has_them(robot):
    design = made(robot, kind="multisine", band=(0.4, 4.0), amplitude=0.15, seconds=6.0)
    positions, torques = played(robot, design.motion)
    for ours, twin in ((design.rehearsal.position, positions), (design.rehearsal.torque, torques)):
        error = np.sqrt(((ours - twin) ** 2).mean(axis=0))
        assert (error < 0.1 * np.ptp(twin, axis=0)).all()


def test_the_torques_needed_are_those_that_gave_the_simulated_robot_its_way():
    design = made("go2", kind="multisine", band=(0.4, 4.0), amplitude=0.15, seconds=6.0, rate=500.0)
    rehearsal, inner = design.rehearsal, np.arange(400, 2600, 7)
    position, velocity = rehearsal.position, rehearsal.velocity
    acceleration = (velocity[inner + 1] - velocity[inner - 1]) * design.motion.rate / 2
    needed = rehearsal.stage.mechanics.needed(position[inner], velocity[inner], acceleration)
    error = np.sqrt(((needed - rehearsal.torque[inner]) ** 2).mean(axis=0))
    assert (error < 0.1 * np.abs(rehearsal.torque).max(axis=0)).all()


@pytest.mark.parametrize(
    "wish, told",
    [
        ({"joints": "knee"}, "knee"),
        ({"band": (3.0, 1.0)}, "band"),
        ({"band": (1.0, 40.0)}, "quarter of the rate"),
        ({"amplitude": -0.1}, "--amplitude"),
        ({"seconds": 0.5}, "--seconds"),
        ({"seconds": 3.0, "kind": "holds"}, "--seconds"),
        ({"seconds": 3.0, "kind": "prbs"}, "--seconds"),
        ({"seconds": 3.0, "kind": "steps"}, "--seconds"),
        ({"stiffness": float("nan")}, "--stiffness"),
        ({"stiffness": 5.0}, "stiffness"),
        ({"rate": 0.0}, "--rate"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told_why(wish, told):
    with pytest.raises(MotionError, match=told):
        made("so101", **{"kind": "chirp"} | wish)


def test_a_robot_that_cannot_hold_its_pose_is_refused_by_joint():
    weak = replace(SO101, effort_limits=(0.3,) * 6)
    with pytest.raises(MotionError, match=r"shoulder_lift needs [\d.]+ N m to hold"):
        design(weak, Wish(kind="chirp", rate=50.0))


def test_a_motion_by_hand_is_refused_for_what_the_safety_filter_would_not_let_out():
    good = made("go2", kind="chirp", joints="FL_calf_joint", amplitude=0.1).motion
    assert Rehearsal.of(good, stage("go2")).require()
    for change, told in (
        ({"targets": good.targets + np.eye(12)[0] * 2.0}, "outside its range"),
        ({"stiffness": tuple(3 * value for value in good.stiffness)}, "stiffness"),
        ({"targets": good.targets + 8.0 * np.eye(12)[1]}, "begins"),
    ):
        with pytest.raises(MotionError, match=told):
            Rehearsal.of(replace(good, **change), stage("go2")).require()
    with pytest.raises(MotionError, match="same order"):
        Rehearsal.of(good, stage("so101")).require()
