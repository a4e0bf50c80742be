"""The runtime from IDLE to DAMP, in a time of its own: what it sends, what ends it, and what its log holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.robots import GO2
from envs.safety import Limits
from sim2real.deploy.guarded import Guard
from sim2real.deploy.header import Header
from sim2real.deploy.log_reader import Log, read_log
from sim2real.deploy.loop import DeployError, Runtime
from sim2real.deploy.machine import Phase, Timetable
from sim2real.deploy.pacing import Pacer
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.records import Sent
from sim2real.deploy.replay import replay
from sim2real.deploy.sources import Constant
from sim2real.drivers.driver import DriverError
from tests.sim2real.deploy.robots import Broken, Clock, FakeDriver, Swaying, faulty

TIMES = Timetable(settle=0.05, unwell=0.2, stand=0.4, policy=0.4, damp=0.1)
PERIOD = 0.002
LIMITS = Limits.of(GO2)
STALE = GO2.safety.stale_seconds


class Outcome:
    def __init__(self, driver: FakeDriver, pilot: Swaying, runtime: Runtime, error: BaseException | None, path: Path):
        self.driver, self.pilot, self.runtime, self.error = driver, pilot, runtime, error
        self.path = path

    @property
    def log(self) -> Log:
        return read_log(self.path)


def run(
    path: Path,
    change=None,
    source=None,
    stop_at: float | None = None,
    driver: FakeDriver | None = None,
    pilot: Swaying | None = None,
) -> Outcome:
    clock = driver.clock if driver is not None else Clock()
    driver = driver or (FakeDriver(clock, change) if change else FakeDriver(clock))
    pilot = pilot or Swaying()
    header = Header("go2", GO2.joints, True, pilot.commands.names, PERIOD, LIMITS, GO2.stiffness, GO2.damping, {})
    begin = clock.now

    class Stopping:
        @property
        def requested(self) -> bool:
            return stop_at is not None and 1e-9 * (clock.now - begin) > stop_at

    error: BaseException | None = None
    with Recorder(path, header.to_json()) as recorder:
        source = source or Constant((0.3,), pilot.commands.names)
        guard, pacer = Guard(LIMITS, PERIOD), Pacer(PERIOD, clock, clock.sleep)
        runtime = Runtime(driver, pilot, source, recorder, guard, TIMES, pacer)
        try:
            runtime.run(Stopping())
        except Exception as raised:
            error = raised
    return Outcome(driver, pilot, runtime, error, path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Outcome:
    """A run to its intended end."""
    return run(tmp_path_factory.mktemp("log") / "whole.mcap")


@pytest.fixture(scope="module")
def log(whole) -> Log:
    return whole.log


def test_the_phases_follow_each_other_and_the_log_tells_them(whole, log):
    assert whole.error is None
    assert [e.text for e in log.events if e.kind == "phase"] == ["IDLE", "ACQUIRE", "STAND", "POLICY", "DAMP"]
    phases = [cycle.phase for cycle in log.cycles]
    assert phases == sorted(phases)
    assert set(phases) == {Phase.IDLE, Phase.STAND, Phase.POLICY, Phase.DAMP, Phase.ACQUIRE}
    numbers = [cycle.number for cycle in log.cycles]
    assert numbers == sorted(set(numbers))
    assert whole.runtime.machine.cause == "the time is up"
    assert not whole.runtime.machine.has_failed
    assert log.is_complete


def test_standing_up_is_a_smooth_way_to_the_default_pose(log):
    standing = np.array([c.sent.position for c in log.cycles if c.phase is Phase.STAND and c.sent])
    start, pose = log.cycles[0].state.position, np.array(GO2.default_pose)
    assert standing[0] == pytest.approx(start, abs=0.01)
    assert standing[-1] == pytest.approx(pose)
    speed = np.diff(standing, axis=0) / PERIOD
    assert (speed * np.sign(pose - start) >= -1e-9).all()  # there is no way back
    assert np.abs(speed[0]).max() < 0.01
    assert np.abs(speed[-1]).max() < 0.01
    assert np.abs(np.diff(speed, axis=0)).max() / PERIOD < 12.0  # rad/s²; at once it would be 75,000


def test_the_policy_decides_each_tenth_cycle_on_the_state_of_that_cycle(whole, log):
    assert whole.pilot.restarts == 1
    numbers = [d.number for d in log.decisions]
    assert set(np.diff(numbers)) == {10}
    assert len(numbers) == pytest.approx(TIMES.policy * 50, abs=1)
    cycles = {c.number: c for c in log.cycles}
    assert [cycles[n].state.sequence for n in numbers] == whole.pilot.seen
    for decision in log.decisions:
        assert cycles[decision.number].wanted.position.tolist() == decision.targets


def test_every_command_that_went_out_is_in_the_log_as_it_went(whole, log):
    logged = [c.sent for c in log.cycles if c.what is Sent.COMMAND]
    assert len(logged) == len(whole.driver.commands) == whole.runtime.sent
    for told, sent in zip(logged, whole.driver.commands, strict=True):
        for name, values in told._asdict().items():
            assert values.tobytes() == getattr(sent, name).tobytes()
    assert [c.sequence for c in whole.driver.commands] == list(range(whole.runtime.sent))


def test_a_log_replays_bit_for_bit(log):
    again = replay(log)
    assert again.commands > 300
    assert again.same == again.commands
    assert again.first_difference is None


def test_a_pilot_that_has_nothing_more_to_decide_ends_it(tmp_path):
    class Once(Swaying):
        @property
        def ended(self) -> str | None:
            return "that was all" if len(self.seen) >= 5 else None

    outcome = run(tmp_path / "log.mcap", pilot=Once())
    assert outcome.error is None
    assert outcome.runtime.machine.cause == "that was all"
    assert not outcome.runtime.machine.has_failed
    acting = [cycle for cycle in outcome.log.cycles if cycle.phase is Phase.POLICY and cycle.what is Sent.COMMAND]
    assert len(outcome.log.decisions) == 5
    assert len(acting) == 50  # the last one's targets hold as long as the others'


def test_other_limits_are_seen_in_a_replay(log):
    again = replay(log, replace(LIMITS, target_speed=np.full(12, 0.05)))
    assert again.same < again.commands
    assert again.first_difference is not None


FAULTS = {
    "corrupt": faulty(intact=False),
    "rival": faulty(rivals=1),
    "state_not_finite": faulty(position=np.full(12, np.nan)),
    "is no number": faulty(angular_velocity=np.array([0.0, np.nan, 0.0])),
    "what the IMU says": faulty(quaternion=np.full(4, np.nan)),
    "joint_range": faulty(position=np.full(12, 9.0)),
    "velocity": faulty(velocity=np.full(12, 99.0)),
    "tilt": faulty(quaternion=np.array([0.5, 0.8660254, 0.0, 0.0])),
    "temperature": faulty(temperature=np.full(12, 120.0)),
    "jump": faulty(position=np.array(GO2.default_pose) - 0.7),
    "repeated": faulty(sequence=7_000_000),
    "reordered": faulty(sequence=3),
    "stale": lambda state, seconds: None if seconds > 0.6 else state,
}


# Of what one state is enough for, by that state.
AT_ONCE = {
    "rival": lambda state: state.rivals > 0,
    "state_not_finite": lambda state: np.isnan(state.position).any(),
    "is no number": lambda state: np.isnan(state.angular_velocity).any(),
    "what the IMU says": lambda state: np.isnan(state.quaternion).any(),
    "joint_range": lambda state: (state.position > 8.0).any(),
    "velocity": lambda state: (state.velocity > 90.0).any(),
    "tilt": lambda state: state.quaternion[0] < 0.6,
    "temperature": lambda state: (state.temperature > 100.0).any(),
    "jump": lambda state: (np.abs(state.position - np.array(GO2.default_pose) + 0.7) < 1e-9).all(),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_each_fault_ends_in_damp_at_once_with_its_cause_in_the_log(cause, tmp_path):
    outcome = run(tmp_path / "fault.mcap", FAULTS[cause])
    log = outcome.log
    assert outcome.runtime.machine.has_failed
    assert cause in outcome.runtime.machine.cause
    (told,) = [e for e in log.events if e.kind == "damp"]
    assert told.level == "error"
    assert cause in told.text
    damped = next(c for c in log.cycles if c.what is Sent.DAMPING)
    before = next(c for c in log.cycles if c.number == damped.number - 1)
    assert before.what is Sent.COMMAND
    if cause in AT_ONCE:
        assert next(c.number for c in log.cycles if AT_ONCE[cause](c.state)) == damped.number
    # The stale limit and one period, from the last good state to the first damping.
    good = [c.state.stamp_ns for c in log.cycles if c.number < damped.number and c.state.sequence < 7_000_000]
    assert 1e-9 * (damped.sent_ns - max(good)) <= STALE + PERIOD + 1e-4
    assert all(c.what is Sent.DAMPING for c in log.cycles if c.number >= damped.number)  # nothing leaves DAMP
    assert replay(log).same == replay(log).commands


def test_a_command_beyond_the_training_is_kept_within_it_and_told_of_once(tmp_path):
    class Eager(Constant):
        def read(self, seconds):
            return np.array([0.4 if seconds < 0.1 else 0.7 + seconds])

    outcome = run(tmp_path / "eager.mcap", source=Eager((0.0,), ("sway (rad)",)))
    told = "the sway (rad) is asked to be 0.8, trained were -0.5 to 0.5: 0.5 is commanded"
    assert [(e.level, e.text) for e in outcome.log.events if e.kind == "command"] == [("warning", told)]
    assert {decision.command[0] for decision in outcome.log.decisions} == {0.4, 0.5}
    assert outcome.runtime.warnings == (told,)
    assert outcome.runtime.snapshot.warnings == (told,)


def test_a_policy_that_gives_no_number_ends_in_damp(tmp_path):
    class Mad(Constant):
        def read(self, seconds):
            return np.array([np.nan if seconds > 0.2 else 0.0])

    outcome = run(tmp_path / "mad.mcap", source=Mad((0.0,), ("sway (rad)",)))
    assert "bad_command" in outcome.runtime.machine.cause
    assert all(np.isfinite(c.position).all() for c in outcome.driver.commands)


def test_an_exception_ends_in_damp_and_is_told_in_the_end(tmp_path):
    outcome = run(tmp_path / "broken.mcap", source=Broken())
    assert isinstance(outcome.error, DriverError)
    assert outcome.driver.damped > 40  # for as long as after any other end
    assert "the gamepad is gone" in outcome.runtime.machine.cause
    log = outcome.log
    assert any(e.kind == "damp" and "the gamepad is gone" in e.text for e in log.events)
    assert_all_damping_is_logged(outcome, log)
    commanded = max(c.number for c in log.cycles if c.what is Sent.COMMAND)
    first = next(c for c in log.cycles if c.what is Sent.DAMPING)
    assert (first.number, first.phase) == (commanded + 1, Phase.DAMP)  # the very cycle in which it happened
    assert first.now_ns < first.sent_ns


def assert_all_damping_is_logged(outcome: Outcome, log: Log) -> None:
    damped = [c for c in log.cycles if c.what is Sent.DAMPING]
    assert len(damped) == outcome.driver.damped == outcome.runtime.damped
    assert len({c.sent_ns for c in damped}) == len({c.now_ns for c in damped}) == len(damped)
    assert replay(log).same == replay(log).commands


def test_a_driver_that_fails_is_damped_again_and_again(tmp_path):
    class Dying(FakeDriver):
        def read(self):
            if self._begin is not None and self.clock.now - self._begin > 600_000_000:
                raise OSError("the bus is gone")
            return super().read()

    outcome = run(tmp_path / "dying.mcap", driver=Dying(Clock()))
    assert isinstance(outcome.error, OSError)
    assert outcome.driver.damped > 40
    assert_all_damping_is_logged(outcome, outcome.log)


def test_a_command_that_a_driver_does_not_take_is_in_the_log_beside_the_damping_that_went_out(tmp_path):
    class Stuck(FakeDriver):
        def write(self, command):
            if len(self.commands) == 300:
                raise OSError("the bus is full")
            super().write(command)

    outcome = run(tmp_path / "stuck.mcap", driver=Stuck(Clock()))
    assert isinstance(outcome.error, OSError)
    log = outcome.log
    assert_all_damping_is_logged(outcome, log)
    first = next(c for c in log.cycles if c.what is Sent.DAMPING)
    assert first.wanted is not None
    assert first.damping is None  # this driver does not tell
    assert replay(log).commands == 301


def test_a_robot_that_cannot_be_damped_is_told_of(tmp_path):
    class Cut(FakeDriver):
        def damp(self):
            raise OSError("the cable is cut")

    outcome = run(tmp_path / "cut.mcap", driver=Cut(Clock()), source=Broken())
    assert isinstance(outcome.error, DriverError)
    told = [e.text for e in outcome.log.events if e.level == "error"]
    assert told == [
        "the driver does not send it: OSError: the cable is cut",
        "error: DriverError: the gamepad is gone",
    ]
    assert not [c for c in outcome.log.cycles if c.what is Sent.DAMPING]


def test_not_even_an_interrupt_leaves_a_robot_as_it_is(tmp_path):
    class Interrupted(Constant):
        def read(self, seconds):
            if seconds > 0.1:
                raise KeyboardInterrupt
            return super().read(seconds)

    driver = FakeDriver(Clock())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "interrupted.mcap", driver=driver, source=Interrupted((0.0,), ("sway (rad)",)))
    assert driver.damped == 1
    log = read_log(tmp_path / "interrupted.mcap")
    assert log.cycles[-1].what is Sent.DAMPING
    assert log.events[-1].text.startswith("error: KeyboardInterrupt")


def test_a_state_that_no_record_can_hold_ends_in_damp(tmp_path):
    outcome = run(tmp_path / "odd.mcap", faulty(temperature=np.zeros((2, 3))))
    assert outcome.error is not None
    assert outcome.driver.damped > 40


def test_states_that_were_overtaken_are_counted_and_logged(tmp_path):
    outcome = run(tmp_path / "late.mcap", lambda state, seconds: replace(state, overtaken=2 if 0.1 < seconds < 0.2 else 0))
    states = {c.state.stamp_ns: c.state.overtaken for c in outcome.log.cycles}
    assert sum(states.values()) == outcome.runtime.overtaken
    assert 90 < outcome.runtime.overtaken < 110


def test_stopping_lets_the_robot_down_without_an_error(tmp_path):
    outcome = run(tmp_path / "stopped.mcap", stop_at=0.7)
    assert outcome.error is None
    assert outcome.runtime.machine.cause == "it was stopped"
    assert not outcome.runtime.machine.has_failed
    assert outcome.driver.damped > 40


def test_to_a_robot_that_is_not_well_nothing_is_sent(tmp_path):
    outcome = run(tmp_path / "unwell.mcap", lambda state, seconds: replace(state, temperature=np.full(12, 120.0)))
    assert isinstance(outcome.error, DeployError)
    assert "temperature" in str(outcome.error)
    assert not outcome.driver.acquired
    assert not outcome.driver.commands
    assert not outcome.driver.damped


def test_a_robot_that_cannot_be_acquired_is_left_alone(tmp_path):
    class Taken(FakeDriver):
        def acquire(self):
            raise DriverError("another commands it")

    outcome = run(tmp_path / "taken.mcap", driver=Taken(Clock()))
    assert isinstance(outcome.error, DriverError)
    assert not outcome.driver.commands
    assert not outcome.driver.damped
    assert outcome.log.events[-1].text == "DriverError: another commands it"


def test_what_commands_before_the_robot_is_acquired_is_no_rival(tmp_path):
    outcome = run(tmp_path / "vendor.mcap", lambda state, seconds: replace(state, rivals=1) if seconds < 0 else state)
    # The state is read once more when it is acquired; from the first command on the vendor's software has let go.
    assert outcome.driver.acquired


def test_standing_up_begins_at_the_first_state_that_is_well(tmp_path):
    """Right after the robot is acquired come states with a wrong checksum and joints far away."""

    class Garbled(FakeDriver):
        garbage = 3

        def read(self):
            state = super().read()
            if self.acquired and self.garbage:
                self.garbage -= 1
                return replace(state, intact=False, position=np.full(12, 1e6))
            return state

    outcome = run(tmp_path / "garbled.mcap", driver=Garbled(Clock()))
    assert outcome.error is None
    assert outcome.driver.commands[0].position == pytest.approx(np.array(GO2.default_pose) + 0.3, abs=0.01)
    assert outcome.runtime.machine.cause == "the time is up"


def test_a_robot_that_is_not_well_once_it_obeys_is_damped(tmp_path):
    class Lost(FakeDriver):
        def read(self):
            return replace(super().read(), intact=not self.acquired)

    outcome = run(tmp_path / "lost.mcap", driver=Lost(Clock()))
    assert isinstance(outcome.error, DeployError)
    assert "not well once it obeys" in str(outcome.error)
    assert not outcome.driver.commands
    assert outcome.driver.damped > 40


def test_whoever_commands_can_let_the_robot_down_while_it_stands_up(tmp_path):
    class Never(Constant):
        is_ended = True

    outcome = run(tmp_path / "never.mcap", source=Never((0.0,), ("sway (rad)",)))
    assert outcome.runtime.machine.cause == "whoever commands ended it"
    assert not outcome.runtime.machine.has_failed
    assert not outcome.pilot.seen
    assert outcome.driver.damped > 40


def test_the_loop_measures_what_it_did(whole):
    timing = whole.runtime.timing
    assert timing.latency.count == pytest.approx(whole.runtime.sent, abs=10)
    assert timing.latency.percentile(99) == pytest.approx(0.3, abs=0.2)
    assert timing.inference.count == whole.runtime.decisions
    assert timing.overruns == 0


def test_the_snapshot_tells_where_things_stand(whole):
    snapshot = whole.runtime.snapshot
    assert snapshot is not None
    assert snapshot.phase is Phase.DAMP
    assert snapshot.cause == "the time is up"
    assert snapshot.sent == whole.runtime.sent
