"""Unitree's checksum, against a bitwise one that is itself held to the published check value, and against golden values."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim2real.drivers.unitree.crc import checksum, is_intact, seal
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import HEAD, LOW_LEVEL, POSITION_OFF, SERVO_MODE, VELOCITY_OFF, LowCmd_, LowState_


def mpeg2(data: bytes) -> int:
    """CRC-32/MPEG-2 as its definition has it: bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
            register &= 0xFFFFFFFF
    return register


def test_the_reference_has_the_catalogues_check_value() -> None:
    assert mpeg2(b"123456789") == 0x0376E6E7


@given(st.lists(st.integers(0, 2**32 - 1), max_size=300))
def test_the_checksum_is_the_bitwise_one_over_words(words: list[int]) -> None:
    little, big = struct.pack(f"<{len(words)}I", *words), struct.pack(f">{len(words)}I", *words)
    assert checksum(little) == mpeg2(big)


@given(st.binary(min_size=812, max_size=812), st.integers(0, 812 * 8 - 1))
def test_any_flipped_bit_is_noticed(message: bytes, bit: int) -> None:
    sealed = bytearray(seal(message))
    assert is_intact(bytes(sealed))
    sealed[bit // 8] ^= 1 << bit % 8
    assert not is_intact(bytes(sealed))


def test_the_vendors_example_has_its_golden_value() -> None:
    """The command of `example/test_crc.py` in unitree_sdk2_python, its checksum by fastcrc, which their SDK calls."""
    command = Layout(LowCmd_).new()
    command["head"], command["level_flag"] = HEAD, LOW_LEVEL
    motors = command["motor_cmd"]
    motors["mode"], motors["q"], motors["dq"] = SERVO_MODE, POSITION_OFF, VELOCITY_OFF
    motors["q"][:2] = motors["dq"][:2] = 0.0
    motors["tau"][0], motors["kp"][1], motors["kd"][1] = 1.0, 10.0, 1.0
    assert int.from_bytes(seal(command.tobytes())[-4:], "little") == GOLDEN_COMMAND


def test_a_state_has_its_golden_value() -> None:
    """A state whose bytes count up, less its padding, by the same library."""
    layout = Layout(LowState_)
    state = layout.from_cdr(np.arange(layout.cdr_size, dtype=np.uint8).tobytes())
    assert int.from_bytes(seal(state)[-4:], "little") == GOLDEN_STATE


GOLDEN_COMMAND = 0x7731BDD0
GOLDEN_STATE = 0xD6C53309
