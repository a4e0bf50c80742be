"""The loop of a deployed policy: `Runtime`, one thread that reads a robot, decides, guards and commands it, cycle by cycle.

    report = Runtime(driver, pilot, source, recorder, Timetable(policy=20.0)).run(stop)

There are two rates and one thread. Input and output go at the driver's rate (or the largest multiple of the policy's below it);
each so many cycles begin with a decision of the policy. The other way, a thread for the policy, would bring its targets a cycle
later and have two threads take turns at one interpreter, where a decision takes a fraction of a cycle; one that takes more than
half of a cycle is refused at the start, when it is timed.

Whatever goes wrong from the moment the robot obeys, an exception of any kind or Ctrl-C included, ends in DAMP.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from assets.errors import UserError
from envs.safety import Readings, Targets, tilt_of
from sim2real.deploy.dry import ListenOnly
from sim2real.deploy.guarded import Guard
from sim2real.deploy.machine import Machine, Phase, Timetable
from sim2real.deploy.pacing import Pacer
from sim2real.deploy.pilot import Decision, Pilot
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.records import Sent, cycle_dtype, decision_dtype
from sim2real.deploy.screen import Snapshot
from sim2real.deploy.sources import CommandSource
from sim2real.deploy.timing import Timing
from sim2real.drivers.driver import Driver, Listener
from sim2real.robot_io import RobotCommand, RobotState

_UNACQUIRED = ("rival",)  # the vendor's own software may command until it is told to let go
_FIRST_CYCLES = 5  # of which nothing is timed: caches are cold


class DeployError(UserError, RuntimeError):
    """A policy cannot run on this robot; the message says why and what to do."""


class Stopper(Protocol):
    requested: bool


@dataclass
class _Turn:
    """What is known of a cycle so far."""

    number: int
    state: RobotState
    now: int
    """When it was judged (ns)."""
    wanted: Targets | None = None
    sent: Targets | None = None
    """What the guard let out, or what the driver's damping was where it tells."""


class Runtime:
    """One deployment. The driver is connected; `run` is called once."""

    def __init__(
        self,
        driver: Driver,
        pilot: Pilot,
        source: CommandSource,
        recorder: Recorder,
        guard: Guard,
        timetable: Timetable,
        pacer: Pacer,
    ):
        """The pacer's clock, which is that of the states' stamps, is used for all."""
        self._driver, self._pilot, self._source, self._recorder, self._guard = driver, pilot, source, recorder, guard
        self._clock = clock = pacer.clock
        self._every = round(1.0 / (pilot.rate * guard.period))
        self._pacer = pacer
        # A robot that is asked for its states has no clock to meet.
        self._listen, self._meet = (driver.listen, pacer.meet) if isinstance(driver, Listener) else (None, None)
        self._machine = Machine(timetable, pilot.default_pose, 1e-9 * clock())
        n = len(pilot.joints)
        self._zero = np.zeros(n)
        self._record = np.zeros(1, cycle_dtype(n))[0]
        self._decided = np.zeros(1, decision_dtype(n, len(pilot.commands.names)))[0]
        self._targets = pilot.default_pose
        self._command, self._asked = pilot.commands.default, np.full(len(pilot.commands.names), np.nan)
        self._told_of: set[str] = set()
        """Entries of the command."""
        self._policy_began = self._next_decision = self._cycle = 0
        self._stamp = -1
        self._sent_ns = 0
        """When the last command left."""
        self._restarted = True
        self._acquired = False
        self._withholds = isinstance(driver, ListenOnly)
        self._turn: _Turn | None = None
        self._is_damped = True
        """Whether the last damping left."""
        self._shown = Phase.IDLE
        self._failure: BaseException | None = None
        self._well = ""
        self.timing = Timing()
        self.sent = self.withheld = self.damped = self.received = self.overtaken = self.decisions = 0
        self.warnings: tuple[str, ...] = ()
        """Of what was done otherwise than it was asked."""
        self.snapshot: Snapshot | None = None

    @property
    def machine(self) -> Machine:
        return self._machine

    def run(self, stop: Stopper) -> None:
        """Until the robot has been damped. Raises DeployError where the robot is not well enough to begin, what the driver
        raises where it cannot be acquired, and in the end whatever else went wrong."""
        self._pacer.restart()
        self._event("info", "phase", "IDLE")
        try:
            while not self._machine.is_over(self._now()):
                try:
                    self._go_on(stop)
                except Exception as error:
                    if not self._acquired:
                        raise
                    self._fail(error)
        except BaseException as error:  # not even an interrupt leaves a robot as it is
            if self._acquired:
                self._fail(error)
            else:
                self._event("error", "error", _told(error))
            raise
        if self._failure is not None:
            raise self._failure

    def _go_on(self, stop: Stopper) -> None:
        """One cycle."""
        self._cycle = self._pacer.wait(self._listen)
        state = self._driver.read()
        now = self._clock()
        self._turn = turn = _Turn(self._cycle, state, now)
        if stop.requested:
            self._end("it was stopped", now)
        if state.stamp_ns != self._stamp:
            self.received += 1
            self.overtaken += state.overtaken
        if self._meet is not None:
            self._meet(state.stamp_ns)
        readings = self._guard.see(state, now)
        turn.wanted = self._wanted(readings, now)
        self._sent_ns = now
        what = self._let_out(readings, turn)
        self._measure(state, what)
        self._write(turn, what)
        self._stamp = state.stamp_ns
        self._show(readings)
        if self._machine.phase is Phase.ACQUIRE:
            self._acquire()

    # Deciding

    def _wanted(self, readings: Readings, now: int) -> Targets | None:
        """What the phase asks for; None where nothing is to be commanded."""
        machine, before = self._machine, self._machine.phase
        machine.advance(1e-9 * now)
        if machine.phase is Phase.STAND:
            if self._cycle % self._every == 0:  # whoever commands may want it ended by now
                self._source.read(0.0)
                if self._source.is_ended:
                    self._end("whoever commands ended it", now)
            return self._towards(machine.standing_pose(1e-9 * now))
        if machine.phase is Phase.POLICY:
            if before is not Phase.POLICY:
                self._pilot.restart()
                self._policy_began = self._next_decision = self._cycle
            if self._cycle >= self._next_decision and self._is_known(readings):
                self._decide(now)
            return self._towards(self._targets)
        return None

    def _is_known(self, readings: Readings) -> bool:
        """Whether there is a robot for a policy to decide about; where not, the filter trips in this very cycle."""
        limits = self._guard.limits
        has_turned = limits.upright is None or np.isfinite(readings.quaternion).all()
        return bool(
            readings.age <= limits.stale_seconds and np.isfinite(readings.position + readings.velocity).all() and has_turned
        )

    def _decide(self, now: int) -> None:
        state = self._guard.good
        assert state is not None
        if self._pilot.ended is not None:
            self._end(self._pilot.ended, now)
            return
        seconds = (self._cycle - self._policy_began) * self._guard.period
        self._ask(self._source.read(seconds))
        if self._source.is_ended:
            self._end("whoever commands ended it", now)
        begin = self._clock()
        decision = self._pilot.decide(state, self._command)
        spent = self._clock() - begin
        self._targets = decision.targets
        self.decisions += 1
        self.timing.inference.add(spent)
        behind = (self._cycle - self._next_decision) // self._every
        self._next_decision += self._every * (1 + behind)
        self._write_decision(decision, now, spent)

    def _ask(self, asked: np.ndarray) -> None:
        """Command the nearest that the policy was trained for, and say so once for each entry that is another."""
        if np.array_equal(asked, self._asked):
            return
        self._asked, commands = np.array(asked, float), self._pilot.commands
        self._command = commands.nearest(self._asked)
        for name, text in commands.changes(self._asked, self._command).items():
            if name not in self._told_of:
                self._told_of.add(name)
                self.warnings += (text,)
                self._event("warning", "command", text)

    def _towards(self, position: np.ndarray) -> Targets:
        return Targets(position, self._zero, self._zero, self._pilot.stiffness, self._pilot.damping)

    # Commanding

    def _let_out(self, readings: Readings, turn: _Turn) -> Sent:
        """Send what the guard lets out, or damping; while nothing is commanded, see how the robot is."""
        machine = self._machine
        if turn.wanted is None:
            if machine.phase is Phase.IDLE:
                self._judge(readings, turn.now)
            elif machine.phase is Phase.DAMP and self._acquired:
                return self._send_damping()
            return Sent.NOTHING
        verdict = self._guard.let_out(readings, turn.wanted)
        turn.sent = verdict.targets
        if verdict.trips.any():
            try:
                return self._send_damping()  # before it is put into words
            finally:
                self._record["trips"] = _bits(verdict.trips)
                machine.damp(self._guard.tell(readings, verdict.trips), 1e-9 * turn.now)
        if machine.phase is Phase.DAMP:
            return self._send_damping()
        self._driver.write(RobotCommand(self.sent + self.withheld, *verdict.targets))
        self._sent_ns = self._clock()
        if self._withholds:
            self.withheld += 1
            return Sent.WITHHELD
        self.sent += 1
        return Sent.COMMAND

    def _judge(self, readings: Readings, now: int) -> None:
        """Whether the robot is well before anything is sent to it."""
        trips = self._guard.judge(readings, _UNACQUIRED)
        self._well = self._guard.tell(readings, trips)
        self._machine.look(not trips.any(), 1e-9 * now)
        if self._machine.is_given_up(1e-9 * now):
            raise DeployError(f"the robot is not fit to begin, and nothing was sent to it: {self._well}")

    def _acquire(self) -> None:
        self._show_phase()
        self._acquired = True  # from here on it may obey
        try:
            self._driver.acquire()
        except Exception:
            self._acquired = False
            raise
        self._pacer.restart()
        self._machine.acquired(self._first_position(), self._now())
        self._guard.restart()
        self._restarted = True
        self._stamp = -1
        self._pacer.restart()

    def _first_position(self) -> np.ndarray:
        """Where the joints are once the robot obeys: of the first state that is well. Where none comes in time, DAMP."""
        limits, period = self._guard.limits, self._guard.period
        told = ""
        for _ in range(max(1, round(limits.stale_seconds / period))):
            state, guard = self._driver.read(), Guard(limits, period)
            readings = guard.see(state, self._clock())
            trips = guard.judge(readings, _UNACQUIRED)
            if not trips.any():
                return state.position
            told = guard.tell(readings, trips)
            self._pacer.wait(self._listen)
        raise DeployError(f"the robot is not well once it obeys: {told}")

    def _end(self, cause: str, now: int) -> None:
        if self._machine.phase in (Phase.IDLE, Phase.ACQUIRE):
            raise DeployError("stopped before anything was sent to the robot")
        self._machine.damp(cause, 1e-9 * now, failed=False)

    def _fail(self, error: BaseException) -> None:
        """DAMP at once, whatever the error; one while damping changes nothing."""
        now, what = self._clock(), self._damp()
        self._failure = self._failure or error
        self._machine.damp(f"error: {_told(error)}", 1e-9 * now)
        self._show_phase()
        if self.snapshot is not None:
            self.snapshot = replace(self.snapshot, phase=self._machine.phase, cause=self._machine.cause)
        turn = self._turn
        if turn is not None:
            if turn.number != self._cycle:  # no state could be read
                turn = _Turn(self._cycle, turn.state, now, sent=turn.sent)
            with contextlib.suppress(Exception):  # a state that no record can hold, as it may be what is wrong
                self._write(turn, what)

    def _damp(self) -> Sent:
        """Whatever the driver says to it: there is nothing gentler left to do."""
        try:
            what = self._send_damping()
        except Exception as error:
            what = Sent.NOTHING
            if self._is_damped:
                self._event("error", "damp", f"the driver does not send it: {_told(error)}")
        self._is_damped = what is not Sent.NOTHING or self._withholds
        return what

    def _send_damping(self) -> Sent:
        command = self._driver.damp()
        self._sent_ns = self._clock()
        if self._withholds:
            return Sent.NOTHING
        if self._turn is not None:
            self._turn.sent = _targets(command)
        self.damped += 1
        return Sent.DAMPING

    # Telling

    def _measure(self, state: RobotState, what: Sent) -> None:
        if what not in (Sent.COMMAND, Sent.WITHHELD) or self.sent + self.withheld < _FIRST_CYCLES:
            return
        if self._pacer.error_ns is not None:
            self.timing.period_error.add(self._pacer.error_ns)
        self.timing.overruns += self._pacer.was_late
        if state.stamp_ns != self._stamp:
            self.timing.latency.add(self._sent_ns - state.stamp_ns)

    def _write(self, turn: _Turn, what: Sent) -> None:
        record = self._record
        record["number"], record["now_ns"], record["sent_ns"] = turn.number, turn.now, self._sent_ns
        for name in _STATE_FIELDS:
            record[name] = getattr(turn.state, name)
        record["phase"], record["what"], record["restarted"] = self._machine.phase, what, self._restarted
        sent = None if what is Sent.NOTHING else turn.sent
        for who, targets in (("wanted", turn.wanted), ("sent", sent)):
            for name, field_name in _TARGET_FIELDS[who]:
                record[field_name] = np.nan if targets is None else getattr(targets, name)
        self._recorder.cycle(record.tobytes())
        record["trips"] = 0
        self._restarted = False
        turn.wanted = turn.sent = None  # written once, though damping for an error may follow in the same cycle

    def _write_decision(self, decision: Decision, now: int, spent: int) -> None:
        record = self._decided
        record["number"], record["now_ns"], record["spent_ns"] = self._cycle, now, spent
        record["command"], record["action"], record["targets"] = self._command, decision.action, decision.targets
        self._recorder.decision(record.tobytes())

    def _show(self, readings: Readings) -> None:
        self._show_phase()
        if self._cycle % self._every == 0:
            machine, now = self._machine, self._now()
            self.snapshot = Snapshot(
                phase=machine.phase,
                seconds=now - machine.since if machine.phase is Phase.POLICY else 0.0,
                tilt=float(tilt_of(self._guard.limits, readings.quaternion)),
                command=self._command,
                sent=self.sent,
                received=self.received,
                decisions=self.decisions,
                overruns=self.timing.overruns,
                cause=machine.cause or (self._well if machine.phase is Phase.IDLE else None),
                warnings=self.warnings,
            )

    def _show_phase(self) -> None:
        machine = self._machine
        if machine.phase is self._shown:
            return
        self._shown = machine.phase
        self._event("info", "phase", machine.phase.name)
        if machine.phase is Phase.DAMP:
            self._event("error" if machine.has_failed else "info", "damp", machine.cause or "")

    def _event(self, level: str, kind: str, text: str) -> None:
        self._recorder.event(level, kind, text, self._clock())

    def _now(self) -> float:
        return 1e-9 * self._clock()


def _targets(command: RobotCommand | None) -> Targets | None:
    if command is None:
        return None
    return Targets(command.position, command.velocity, command.torque, command.stiffness, command.damping)


_STATE_FIELDS = (
    *("stamp_ns", "sequence", "overtaken", "rivals", "intact", "position", "velocity", "torque", "temperature"),
    *("quaternion", "angular_velocity", "acceleration"),
)
_TARGET_FIELDS: dict[str, list[tuple[str, Any]]] = {
    who: [(name, f"{who}_{name}") for name in Targets._fields] for who in ("wanted", "sent")
}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _bits(trips: np.ndarray) -> int:
    return sum(1 << i for i, tripped in enumerate(trips) if tripped)
