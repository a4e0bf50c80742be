"""The control table of Feetech's STS3215: where a servo keeps what, how it writes a number, and in which units.

    data = GOAL_POSITION.encode(2047)              # b"\\xff\\x07"
    HOMING_OFFSET.decode(b"\\x05\\x08")              # -5

Numbers are little-endian. Those that may be negative are sign and magnitude: one bit says that the rest counts downwards.
Sources: Feetech's memory table of its STS and SMS series, and LeRobot's tables of the same (Apache-2.0).
"""

import math
from dataclasses import dataclass

from assets.errors import UserError

MODEL = 777
"""What an STS3215 answers as its model number."""
STEPS = 4096
"""Encoder steps of a turn."""
STEPS_PER_RADIAN = STEPS / (2 * math.pi)
LAST_EEPROM = 39
"""Registers up to this address outlive a loss of power, where the lock was open when they were written."""
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)
"""What the values 0 to 7 of the register BAUD_RATE stand for."""
CURRENT_UNIT = 0.0065
"""A, of PRESENT_CURRENT."""
FULL_SCALE = 1000
"""Torque limits and load: what stands for all that the motor can do at its voltage."""
ACCELERATION_UNIT = 100
"""Steps/s², of ACCELERATION; 0 stands for as fast as it can."""
FAULTS = {
    0x01: "its voltage is outside its limits: check the power supply",
    0x02: "its position sensor fails: replace the servo",
    0x04: "it is too hot: switch it off and let it cool",
    0x08: "it drew too much current: something blocks it",
    0x20: "it is overloaded: something blocks it, or the load is too heavy",
}
"""Bits of STATUS, and of every answer, that tell of trouble."""
ANGLE_FLAG = 0x10
"""The bit that tells of a goal outside the servo's own limits, which it cuts to them."""


class RegisterError(UserError, ValueError):
    """A number does not fit its register."""


@dataclass(frozen=True)
class Register:
    """One quantity in the control table."""

    address: int
    size: int
    """Bytes."""
    sign_bit: int | None = None
    """Which bit is the sign; None where the number cannot be negative."""

    @property
    def largest(self) -> int:
        return (1 << (8 * self.size if self.sign_bit is None else self.sign_bit)) - 1

    def encode(self, value: int) -> bytes:
        """Raises RegisterError where the value does not fit."""
        smallest = 0 if self.sign_bit is None else -self.largest
        if not smallest <= value <= self.largest:
            raise RegisterError(f"register {self.address} holds {smallest} to {self.largest}, not {value}")
        sign = (1 << self.sign_bit) if self.sign_bit is not None and value < 0 else 0
        return (abs(value) | sign).to_bytes(self.size, "little")

    def decode(self, data: bytes) -> int:
        """Of exactly `size` bytes; bits above the sign count for nothing."""
        value = int.from_bytes(data, "little")
        if self.sign_bit is None:
            return value
        magnitude = value & self.largest
        return -magnitude if value >> self.sign_bit & 1 else magnitude

    def of(self, block: bytes, start: int) -> int:
        """The quantity in a block of the table that begins at the address `start`."""
        at = self.address - start
        return self.decode(block[at : at + self.size])


# What outlives a loss of power.
MODEL_NUMBER = Register(3, 2)
ID = Register(5, 1)
BAUD_RATE = Register(6, 1)
RETURN_DELAY = Register(7, 1)  # of an answer, 2 us
STATUS_LEVEL = Register(8, 1)  # 1: every instruction is answered; 0: only ping and reads
MIN_POSITION = Register(9, 2)
MAX_POSITION = Register(11, 2)
MAX_TEMPERATURE = Register(13, 1)  # °C
MAX_VOLTAGE = Register(14, 1)  # 0.1 V
MIN_VOLTAGE = Register(15, 1)
MAX_TORQUE = Register(16, 2)  # the torque limit after power-on
PHASE = Register(18, 1)
UNLOADING = Register(19, 1)  # bits of STATUS that switch the motor off
P_COEFFICIENT = Register(21, 1)
D_COEFFICIENT = Register(22, 1)
I_COEFFICIENT = Register(23, 1)
HOMING_OFFSET = Register(31, 2, sign_bit=11)  # steps; present position = encoder - homing offset
OPERATING_MODE = Register(33, 1)  # 0 is position; 1 speed, 2 PWM, 3 steps
PROTECTIVE_TORQUE = Register(34, 1)  # %, after an overload
PROTECTION_TIME = Register(35, 1)  # 10 ms
OVERLOAD_TORQUE = Register(36, 1)  # %

# What does not.
TORQUE_ENABLE = Register(40, 1)
ACCELERATION = Register(41, 1)
GOAL_POSITION = Register(42, 2, sign_bit=15)  # steps
GOAL_VELOCITY = Register(46, 2, sign_bit=15)  # steps/s; 0 stands for as fast as it can
TORQUE_LIMIT = Register(48, 2)
LOCK = Register(55, 1)  # 1: what is written to the registers up to LAST_EEPROM counts until power is lost
PRESENT_POSITION = Register(56, 2, sign_bit=15)  # steps
PRESENT_VELOCITY = Register(58, 2, sign_bit=15)  # steps/s
PRESENT_LOAD = Register(60, 2, sign_bit=10)  # share of the voltage that drives the motor
PRESENT_VOLTAGE = Register(62, 1)  # 0.1 V
PRESENT_TEMPERATURE = Register(63, 1)  # °C
REGISTERED = Register(64, 1)  # 1: a write waits for its action
STATUS = Register(65, 1)
MOVING = Register(66, 1)
PRESENT_CURRENT = Register(69, 2, sign_bit=15)
