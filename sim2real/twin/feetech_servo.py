"""One simulated STS3215: its registers, what writing them does, and what its controller asks of its motor.

    servo = Servo(id=1, zero=2047.5, sign=1.0, registers={MIN_POSITION: 700, MAX_POSITION: 3400})
    servo.write(TORQUE_ENABLE.address, b"\\x01")
    demand = servo.control(0.002)                  # 2 ms later: where to, how stiffly; None: the motor is off
    servo.measure(angle=0.1, velocity=0.0, load=0.2, temperature=31.0, seconds=0.002)

As the real one does, it holds its goal until it is told another or loses its power; moves to it no faster than GOAL_VELOCITY
and ACCELERATION allow; cuts a goal to its limits, and flags that; keeps in EEPROM what was written while LOCK was open; gives
way when it is overloaded, until its torque is enabled anew, and when it is too hot. Position control is all of its modes that
is simulated: in another its motor is off.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.registers import Register

VOLTAGE = 12.0
STALL_CURRENT = 2.7
"""A, at that voltage."""
GAIN_SCALE = (16.0, 32.0)
"""The P and D coefficients at which a servo has its joint's own stiffness and damping."""
_TABLE = 256
_WRITABLE_FROM = r.ID.address
_READ_ONLY = range(r.PRESENT_POSITION.address, r.PRESENT_CURRENT.address + r.PRESENT_CURRENT.size)
_HALF_TURN = 128  # written to TORQUE_ENABLE: the present position becomes 2048
_FACTORY = {
    r.MODEL_NUMBER: r.MODEL,
    r.STATUS_LEVEL: 1,
    r.MAX_POSITION: r.STEPS - 1,
    r.MAX_TEMPERATURE: 70,
    r.MAX_VOLTAGE: 140,
    r.MIN_VOLTAGE: 40,
    r.MAX_TORQUE: r.FULL_SCALE,
    r.PHASE: 12,
    r.UNLOADING: 44,
    r.P_COEFFICIENT: 32,
    r.D_COEFFICIENT: 32,
    r.PROTECTIVE_TORQUE: 20,
    r.PROTECTION_TIME: 200,
    r.OVERLOAD_TORQUE: 80,
}
_VOLTAGE_BIT, _SENSOR_BIT, _TEMPERATURE_BIT, _OVERLOAD_BIT = 0x01, 0x02, 0x04, 0x20


@dataclass(frozen=True)
class Demand:
    """What a servo's controller asks of its motor."""

    position: float
    """rad, of the joint"""
    stiffness: float
    """As a multiple of the joint's own."""
    damping: float
    """As a multiple of the joint's own."""
    torque: float
    """The share of the motor's largest torque that it may use, 0 to 1."""


class Servo:
    """`zero` is what its encoder reads where the joint is at zero (steps), `sign` -1 where it turns against the joint."""

    def __init__(self, id: int, zero: float, sign: float, registers: Mapping[Register, int]):
        self._zero, self._sign = zero, sign
        self._memory = bytearray(_TABLE)
        for register, value in {**_FACTORY, **registers, r.ID: id}.items():
            self._set(register, value)
        self._set(r.TORQUE_LIMIT, self[r.MAX_TORQUE])
        self.stored = bytes(self._memory[: r.LAST_EEPROM + 1])
        """What its EEPROM holds: the registers after a loss of power."""
        self._registered: tuple[int, bytes] | None = None
        self._setpoint, self._speed = 0.0, 0.0  # steps, steps/s
        self._encoder = zero
        self._overload_seconds, self._overloaded = 0.0, False
        self._blind = False

    def __getitem__(self, register: Register) -> int:
        return register.of(bytes(self._memory), 0)

    @property
    def id(self) -> int:
        return self[r.ID]

    @property
    def baud_rate(self) -> int:
        return r.BAUD_RATES[self[r.BAUD_RATE] % len(r.BAUD_RATES)]

    @property
    def status(self) -> int:
        """The bits of trouble, as STATUS and every answer tell them."""
        volts = round(VOLTAGE * 10)
        bits = 0 if self[r.MIN_VOLTAGE] <= volts <= self[r.MAX_VOLTAGE] else _VOLTAGE_BIT
        bits |= _SENSOR_BIT if self._blind else 0
        bits |= _TEMPERATURE_BIT if self[r.PRESENT_TEMPERATURE] > self[r.MAX_TEMPERATURE] else 0
        bits |= _OVERLOAD_BIT if self._overloaded else 0
        outside = not self[r.MIN_POSITION] <= self[r.GOAL_POSITION] <= self[r.MAX_POSITION]
        return bits | (r.ANGLE_FLAG if outside and self[r.TORQUE_ENABLE] == 1 else 0)

    def read(self, address: int, size: int) -> bytes:
        """Registers beyond the table read as zero."""
        self._set(r.STATUS, self.status)
        return bytes(self._memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """What cannot be written stays as it is."""
        enabled = self[r.TORQUE_ENABLE]
        for i, value in enumerate(data, start=address):
            if _WRITABLE_FROM <= i < _TABLE and i not in _READ_ONLY:
                self._memory[i] = value
        self._set(r.TORQUE_LIMIT, min(self[r.TORQUE_LIMIT], r.FULL_SCALE))
        if address <= r.LAST_EEPROM and not self[r.LOCK]:
            end = min(address + len(data), r.LAST_EEPROM + 1)
            start = max(address, _WRITABLE_FROM)
            self.stored = self.stored[:start] + bytes(self._memory[start:end]) + self.stored[end:]
        if address <= r.TORQUE_ENABLE.address < address + len(data):
            self._enable(enabled)
        self._see()

    def register(self, address: int, data: bytes) -> None:
        """Keep a write for `act`."""
        self._registered = (address, data)
        self._set(r.REGISTERED, 1)

    def act(self) -> None:
        if self._registered is not None:
            self.write(*self._registered)
        self._registered = None
        self._set(r.REGISTERED, 0)

    def control(self, seconds: float) -> Demand | None:
        """What the motor is to do for so long from now."""
        too_hot = self.status & self[r.UNLOADING] & _TEMPERATURE_BIT
        if self[r.TORQUE_ENABLE] != 1 or self[r.OPERATING_MODE] != 0 or too_hot:
            return None
        self._advance(seconds)
        share = self[r.TORQUE_LIMIT] / r.FULL_SCALE
        if self._overloaded:
            share = min(share, self[r.PROTECTIVE_TORQUE] / 100)
        gains = (self[r.P_COEFFICIENT] / GAIN_SCALE[0], self[r.D_COEFFICIENT] / GAIN_SCALE[1])
        angle = self._sign * (self._setpoint + self[r.HOMING_OFFSET] - self._zero) / r.STEPS_PER_RADIAN
        return Demand(angle, *gains, share)

    def measure(self, angle: float, velocity: float, load: float, temperature: float, seconds: float) -> None:
        """Take what the sensors say of the joint: rad, rad/s, share of the voltage that drives it (-1 to 1), °C; `seconds`
        after the measurement before. An angle that is no number is that of a broken sensor."""
        self._blind = not math.isfinite(angle + velocity)
        if self._blind:
            return
        steps_per_second = self._sign * velocity * r.STEPS_PER_RADIAN
        self._encoder = self._zero + self._sign * angle * r.STEPS_PER_RADIAN
        self._see()
        self._set(r.PRESENT_VELOCITY, _within(steps_per_second, r.PRESENT_VELOCITY.largest))
        self._set(r.PRESENT_LOAD, _within(self._sign * load * r.FULL_SCALE, r.FULL_SCALE))
        self._set(r.PRESENT_VOLTAGE, round(VOLTAGE * 10))
        self._set(r.PRESENT_TEMPERATURE, max(0, _within(temperature, 255)))
        self._set(r.MOVING, int(abs(steps_per_second) >= 1))
        current = abs(load) * STALL_CURRENT / r.CURRENT_UNIT
        self._set(r.PRESENT_CURRENT, _within(current, r.PRESENT_CURRENT.largest))
        over = abs(load) * 100 > self[r.OVERLOAD_TORQUE]
        self._overload_seconds = self._overload_seconds + seconds if over else 0.0
        if self._overload_seconds * 100 > self[r.PROTECTION_TIME] and self[r.UNLOADING] & _OVERLOAD_BIT:
            self._overloaded = True

    def _set(self, register: Register, value: int) -> None:
        self._memory[register.address : register.address + register.size] = register.encode(value)

    def _see(self) -> None:
        self._set(r.PRESENT_POSITION, round(self._encoder - self[r.HOMING_OFFSET]) % r.STEPS)

    def _enable(self, before: int) -> None:
        """After a write to TORQUE_ENABLE: a motor that comes on holds its place."""
        self._overloaded, self._overload_seconds = False, 0.0
        if self[r.TORQUE_ENABLE] == _HALF_TURN:
            middle = (round(self._encoder) - r.STEPS // 2) % r.STEPS
            self._set(r.HOMING_OFFSET, middle - r.STEPS if middle > r.HOMING_OFFSET.largest else middle)
            self._set(r.TORQUE_ENABLE, before)
            self._see()
        elif self[r.TORQUE_ENABLE] == 1 and before != 1:
            self._set(r.GOAL_POSITION, self[r.PRESENT_POSITION])
            self._setpoint, self._speed = float(self[r.PRESENT_POSITION]), 0.0

    def _advance(self, seconds: float) -> None:
        """The setpoint on its way to the goal: as fast as it may, and so that it can still stop there."""
        goal = min(max(self[r.GOAL_POSITION], self[r.MIN_POSITION]), self[r.MAX_POSITION])
        fastest = abs(self[r.GOAL_VELOCITY]) or math.inf
        quickest = self[r.ACCELERATION] * r.ACCELERATION_UNIT or math.inf
        left = goal - self._setpoint
        speed = math.copysign(min(fastest, math.sqrt(2 * quickest * abs(left))), left)
        change = quickest * seconds
        self._speed += min(max(speed - self._speed, -change), change)
        if abs(left) <= abs(self._speed) * seconds or math.isinf(self._speed):
            self._setpoint, self._speed = float(goal), 0.0
        else:
            self._setpoint += self._speed * seconds


def _within(value: float, largest: int) -> int:
    return round(min(max(value, -largest), largest))
