"""Layouts of Unitree's messages, against ctypes, Cyclone's own serialiser and the formats that Unitree publishes."""

import ctypes
import struct
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from cyclonedds.idl import IdlStruct, types
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.drivers.unitree import messages, rpc
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import LowCmd_, LowState_

# Of `utils/crc.py` in unitree_sdk2_python: what its checksums are computed over.
VENDORS_FORMATS = {
    LowCmd_: "<4B4IH2x" + "B3x5f3I" * 20 + "4B" + "55Bx2I",
    LowState_: "<4B4IH2x" + "13fb3x" + "B3x7fb3x3I" * 20 + "4BiH4b15H" + "8hI41B3xf2b2x2f4h2I",
}
LAYOUTS = {message: Layout(message) for message in VENDORS_FORMATS}
HEADER = b"\0\1\0\0"

_CTYPES = {
    "byte": ctypes.c_uint8,
    "int16": ctypes.c_int16,
    "uint16": ctypes.c_uint16,
    "int32": ctypes.c_int32,
    "uint32": ctypes.c_uint32,
    "float32": ctypes.c_float,
}


def hints(message: type) -> dict[str, Any]:
    return get_type_hints(message, include_extras=True)


def c_type(kind: Any) -> Any:
    """As a C compiler would lay it out, by ctypes."""
    if isinstance(kind, type) and issubclass(kind, IdlStruct):
        fields = [(name, c_type(field)) for name, field in hints(kind).items()]
        return type(kind.__name__, (ctypes.LittleEndianStructure,), {"_fields_": fields})
    mark = get_args(kind)[1]
    return c_type(mark.subtype) * mark.length if isinstance(mark, types.array) else _CTYPES[mark]


def assert_same_offsets(dtype: np.dtype, kind: Any) -> None:
    assert dtype.itemsize == ctypes.sizeof(kind)
    if dtype.fields is not None:
        for name, (field, offset, *_) in dtype.fields.items():
            assert offset == getattr(kind, name).offset, name
            assert_same_offsets(field, dict(kind._fields_)[name])
    elif dtype.subdtype is not None:
        assert_same_offsets(dtype.subdtype[0], kind._type_)


@pytest.mark.parametrize("message", LAYOUTS)
def test_the_struct_is_what_a_c_compiler_makes_of_the_message(message: type[IdlStruct]) -> None:
    assert_same_offsets(LAYOUTS[message].dtype, c_type(message))


@pytest.mark.parametrize("message", LAYOUTS)
def test_the_struct_has_the_numbers_where_the_vendors_format_has_them(message: type[IdlStruct]) -> None:
    layout, vendors = LAYOUTS[message], struct.Struct(VENDORS_FORMATS[message])
    assert layout.dtype.itemsize == vendors.size
    ones = vendors.pack(*[1] * len(vendors.unpack(bytes(vendors.size))))
    assert layout.from_cdr(layout.to_cdr(ones)) == ones


def test_the_first_motor_is_where_others_had_to_find_it_out() -> None:
    motor = LAYOUTS[LowCmd_].dtype.fields["motor_cmd"]
    assert (motor[1], motor[1] + motor[0].base.fields["q"][1]) == (24, 28)
    record = LAYOUTS[LowCmd_].new()
    record["motor_cmd"]["mode"][0] = 0xAB
    assert LAYOUTS[LowCmd_].to_cdr(record.tobytes())[22] == 0xAB


def as_plain(value: Any) -> Any:
    """Numbers in lists and dicts, of a message's object or of a record."""
    if isinstance(value, IdlStruct):
        return {name: as_plain(getattr(value, name)) for name in hints(type(value))}
    if isinstance(value, np.void):
        assert value.dtype.names is not None
        return {name: as_plain(value[name]) for name in value.dtype.names}
    if isinstance(value, list | tuple | bytes | np.ndarray):
        return [as_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def numbers(random: np.random.Generator, layout: Layout) -> bytes:
    """A struct whose floats are numbers, not infinities or NaN, which do not equal themselves."""
    words = random.integers(0, 2**32, layout.dtype.itemsize // 4 + 1, dtype=np.uint32)
    words[(words & 0x7F800000) == 0x7F800000] &= 0x7F000000
    return words.astype("<u4").tobytes()[: layout.cdr_size]


@pytest.mark.parametrize("message", LAYOUTS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_cyclone_reads_every_field_as_the_layout_does(message: type[IdlStruct], seed: int) -> None:
    layout = LAYOUTS[message]
    cdr = numbers(np.random.default_rng(seed), layout)
    theirs = message.deserialize(HEADER + cdr)
    ours = layout.from_cdr(cdr)
    assert as_plain(layout.record(ours)) == as_plain(theirs)
    assert HEADER + layout.to_cdr(ours) == theirs.serialize()


@pytest.mark.parametrize("message", LAYOUTS)
def test_what_a_sender_leaves_in_the_padding_does_not_count(message: type[IdlStruct]) -> None:
    layout = LAYOUTS[message]
    full = layout.from_cdr(b"\xff" * layout.cdr_size)
    assert full.count(0) == layout.dtype.itemsize - sum(size for size in sizes(layout.dtype))


def sizes(dtype: np.dtype) -> list[int]:
    if dtype.subdtype is not None:
        return sizes(dtype.subdtype[0]) * int(np.prod(dtype.subdtype[1]))
    if dtype.fields is not None:
        return [size for field, *_ in dtype.fields.values() for size in sizes(field)]
    return [dtype.itemsize]


def every_message() -> list[type[IdlStruct]]:
    known = [*vars(messages).values(), *vars(rpc).values()]
    return [each for each in known if isinstance(each, type) and issubclass(each, IdlStruct) and each is not IdlStruct]


@pytest.mark.parametrize("message", every_message(), ids=lambda message: message.__name__)
def test_no_octet_is_declared_uint8(message: type[IdlStruct]) -> None:
    """With one, a peer on Cyclone DDS 0.10.2, which Unitree's software uses, does not match, and its Python process dies."""
    assert hints(message)
    assert "uint8" not in str(hints(message))


@pytest.mark.parametrize("message", every_message(), ids=lambda message: message.__name__)
def test_types_bear_the_vendors_names_and_are_final(message: type[IdlStruct]) -> None:
    package = "unitree_api" if message.__module__.endswith("rpc") else "unitree_go"
    assert message.__idl_typename__ == f"{package}.msg.dds_.{message.__name__}"
    assert message.__idl_annotations__["extensibility"] == "final"
