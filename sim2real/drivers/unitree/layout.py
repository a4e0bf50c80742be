"""Where the fields of a message lie: in the C struct that the checksum is of, and in the CDR bytes that travel.

    layout = Layout(LowCmd_)
    record = layout.new()                       # a NumPy record, all zeros
    record["motor_cmd"]["q"][3] = 0.1
    layout.to_cdr(record.tobytes())             # what a DDS writer sends, less its header
    layout.from_cdr(cdr)                        # bytes of the struct; `layout.record(...)` reads its fields

Both follow from the IDL class. C aligns each member of a struct to its size and each struct to its largest member. CDR aligns
each number to its size, counted from the first byte of the message, and knows no structs: so `LowCmd_` is 812 bytes in C and
808 in CDR, and the first motor's `mode` follows the head at byte 22 there, not 24.
"""

import math
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import numpy as np
from cyclonedds.idl import IdlStruct, types

_NUMBERS = {"byte": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4", "float32": "<f4"}


class Layout:
    """Of a message without strings and sequences, whose numbers have four bytes at most: XCDR1 and XCDR2 are then the same."""

    def __init__(self, message: type[IdlStruct]):
        self.dtype = _dtype(message)
        """The C struct."""
        padding = self.dtype.itemsize  # index of a zero appended to the struct
        source: list[int] = []
        for offset, size in _numbers(self.dtype):
            source += [padding] * (-len(source) % size) + list(range(offset, offset + size))
        self.cdr_size = len(source)
        self._source = np.array(source)  # for each byte of the CDR message its place in the struct
        self._used = np.flatnonzero(self._source != padding)
        self._target = self._source[self._used]

    def new(self) -> np.ndarray:
        """A message of zeros, whose fields can be written."""
        return np.zeros((), self.dtype)

    def record(self, struct: bytes) -> np.ndarray:
        """The fields of a struct, to be read."""
        return np.frombuffer(struct, self.dtype)[0]

    def to_cdr(self, struct: bytes) -> bytes:
        return np.frombuffer(struct + b"\0", np.uint8)[self._source].tobytes()

    def from_cdr(self, cdr: bytes) -> bytes:
        """The struct, its padding zero whatever the sender left there. `cdr` has `cdr_size` bytes."""
        struct = np.zeros(self.dtype.itemsize, np.uint8)
        struct[self._target] = np.frombuffer(cdr, np.uint8)[self._used]
        return struct.tobytes()


def _dtype(kind: Any) -> np.dtype:
    if isinstance(kind, type) and issubclass(kind, IdlStruct):
        fields = get_type_hints(kind, include_extras=True)
        return np.dtype([(name, _dtype(field)) for name, field in fields.items()], align=True)
    mark = get_args(kind)[1]
    if isinstance(mark, types.array):
        return np.dtype((_dtype(mark.subtype), (mark.length,)))
    return np.dtype(_NUMBERS[mark])


def _numbers(dtype: np.dtype, start: int = 0) -> Iterator[tuple[int, int]]:
    """Offset in the struct and size of each number, in order."""
    if dtype.subdtype is not None:
        element, shape = dtype.subdtype
        for i in range(math.prod(shape)):
            yield from _numbers(element, start + i * element.itemsize)
    elif dtype.fields is not None:
        for field, offset, *_ in dtype.fields.values():
            yield from _numbers(field, start + offset)
    else:
        yield start, dtype.itemsize
