"""How a servo writes numbers, against Feetech's SDK and what LeRobot's own encoders give."""

import pytest
import scservo_sdk as sdk
from hypothesis import given
from hypothesis import strategies as st

from sim2real.drivers.feetech import registers as r
from sim2real.drivers.feetech.registers import Register, RegisterError

TABLE = [value for value in vars(r).values() if isinstance(value, Register)]
SIGNED = [register for register in TABLE if register.sign_bit is not None]


@given(st.sampled_from(SIGNED), st.data())
def test_signed_numbers_come_back_and_are_the_sdks(register: Register, data: st.DataObject):
    value = data.draw(st.integers(-register.largest, register.largest))
    encoded = register.encode(value)
    assert register.decode(encoded) == value
    word = sdk.SCS_TOSCS(value, register.sign_bit)
    assert encoded == bytes([sdk.SCS_LOBYTE(word), sdk.SCS_HIBYTE(word)])
    assert sdk.SCS_TOHOST(sdk.SCS_MAKEWORD(*encoded), register.sign_bit) == value


@given(st.sampled_from(TABLE), st.binary(min_size=2, max_size=2))
def test_whatever_a_servo_says_is_a_number_of_its_register(register: Register, data: bytes):
    assert abs(register.decode(data[: register.size])) <= register.largest


@given(st.sampled_from(TABLE), st.integers())
def test_what_does_not_fit_is_refused(register: Register, value: int):
    smallest = 0 if register.sign_bit is None else -register.largest
    if not smallest <= value <= register.largest:
        with pytest.raises(RegisterError, match=f"register {register.address}"):
            register.encode(value)
    else:
        assert len(register.encode(value)) == register.size


@pytest.mark.parametrize(
    "register, value, data",
    [
        (r.HOMING_OFFSET, -5, b"\x05\x08"),  # encode_sign_magnitude(-5, 11) of LeRobot 0.4.4: 2053
        (r.PRESENT_VELOCITY, -1, b"\x01\x80"),
        (r.PRESENT_LOAD, -1000, b"\xe8\x07"),
        (r.GOAL_POSITION, 2047, b"\xff\x07"),
    ],
)
def test_known_words(register: Register, value: int, data: bytes):
    assert register.encode(value) == data


def test_registers_share_no_byte():
    taken = [byte for register in TABLE for byte in range(register.address, register.address + register.size)]
    assert len(taken) == len(set(taken))
