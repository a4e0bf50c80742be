"""The safety filter over time: `Guard` sees a robot's states one by one and lets commands out, as `envs.safety` says.

    guard = Guard(Limits.of(robot), period=0.002)
    readings = guard.see(driver.read(), time.monotonic_ns())
    verdict = guard.let_out(readings, wanted)

All that it remembers follows from the states, the times at which they were seen and the commands that were wanted: fed with
those of a log, it lets out the same commands, bit for bit (`sim2real.deploy.replay`).
"""

from collections.abc import Collection

import numpy as np

from envs.safety import CAUSES, Limits, Readings, Targets, Verdict, explain, guard
from sim2real.robot_io import RobotState

_NONE = np.float64(0.0)
_SENDING = 0.3  # of a period: from reading a state to having sent a command; at 500 Hz it was 0.22 at most in ten kills


class Guard:
    """One robot's. `period` is that of its commands (s)."""

    def __init__(self, limits: Limits, period: float):
        self.limits, self.period = limits, period
        self.restart()

    def restart(self) -> None:
        """Forget what was seen: another gave the robot commands, or nobody read its states for a while."""
        self._good: RobotState | None = None
        self._moved = np.zeros(len(self.limits.joints))
        self._elapsed = _NONE
        self._last_stamp = -1
        self._corrupt = self._repeated = self._reordered = 0
        self._last: np.ndarray | None = None

    @property
    def good(self) -> RobotState | None:
        """The newest state that was neither corrupt, repeated nor out of order: what a policy may be given."""
        return self._good

    def see(self, state: RobotState, now_ns: int) -> Readings:
        """What is known of the robot, with the newest state as it was read at the time `now_ns`."""
        if state.stamp_ns != self._last_stamp:
            self._last_stamp = state.stamp_ns
            self._take(state)
        good = self._good or state
        # An IMU of which a part is no number is not to be believed at all.
        turns = good.quaternion if np.isfinite(good.angular_velocity).all() else np.full(4, np.nan)
        return Readings(
            position=good.position,
            velocity=good.velocity,
            quaternion=turns,
            temperature=good.temperature,
            moved=self._moved,
            elapsed=self._elapsed,
            # When the command leaves, so that damping leaves within the stale limit and one period.
            age=np.float64(1e-9 * (now_ns - good.stamp_ns) + _SENDING * self.period if self._good is not None else np.inf),
            corrupt=np.int64(self._corrupt),
            repeated=np.int64(self._repeated),
            reordered=np.int64(self._reordered),
            rivals=np.int64(state.rivals if state.intact else 0),
        )

    def let_out(self, readings: Readings, wanted: Targets) -> Verdict:
        """What may go out of what is wanted. The first command's position is compared with where the joints are."""
        if self._last is None:
            where = np.where(np.isfinite(readings.position), readings.position, 0.0)
            self._last = np.minimum(np.maximum(where, self.limits.low), self.limits.high)
        verdict = guard(self.limits, readings, wanted, self._last, self.period)
        self._last = verdict.targets.position
        return verdict

    def judge(self, readings: Readings, ignored: Collection[str] = ()) -> np.ndarray:
        """What trips by the robot alone, while it is given no command; causes that are `ignored` do not."""
        zero = np.zeros(len(self.limits.joints))
        trips = guard(self.limits, readings, Targets(zero, zero, zero, zero, zero), zero, self.period).trips
        return trips & ~np.isin(CAUSES, list(ignored))

    def tell(self, readings: Readings, trips: np.ndarray) -> str:
        """The causes of trips in words."""
        return explain(self.limits, readings, trips)

    def _take(self, state: RobotState) -> None:
        good = self._good
        if not state.intact:
            self._corrupt += 1
            return
        if good is not None and state.sequence == good.sequence:
            self._repeated += 1
            return
        if good is not None and state.sequence < good.sequence:
            self._reordered += 1
            return
        if good is not None:
            self._moved = state.position - good.position
            self._elapsed = np.float64(1e-9 * (state.stamp_ns - good.stamp_ns))
        self._good = state
        self._corrupt = self._repeated = self._reordered = 0
