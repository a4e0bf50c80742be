"""Unitree's checksum of a low-level message: `seal` writes it into a message's C struct, `is_intact` checks it.

    sealed = seal(record.tobytes())
    assert is_intact(sealed)

It is CRC-32/MPEG-2 (polynomial 0x04C11DB7, initially 0xFFFFFFFF, most significant bit first, no final inversion) over the
little-endian 32-bit words of the struct, but for its last, which holds the checksum (unitree_sdk2_python, `utils/crc.py`).
The bytes that travel are CDR, packed otherwise than the struct: see `layout`.
"""

import zlib

import numpy as np

# Most significant bit first over words is zlib's CRC, which goes from the least, over the same bits in the opposite order.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(words: bytes) -> int:
    """Of little-endian 32-bit words, given as bytes: a multiple of four."""
    most_significant_first = np.frombuffer(words, "<u4").byteswap().tobytes()
    reversed_checksum = zlib.crc32(most_significant_first.translate(_REVERSED)) ^ 0xFFFFFFFF  # zlib inverts at the end
    return int.from_bytes(reversed_checksum.to_bytes(4, "little").translate(_REVERSED), "big")


def seal(struct: bytes) -> bytes:
    """The message's C struct with its checksum in the last word, whatever was there."""
    return struct[:-4] + checksum(struct[:-4]).to_bytes(4, "little")


def is_intact(struct: bytes) -> bool:
    """Whether the last word is the checksum of the others."""
    return checksum(struct[:-4]) == int.from_bytes(struct[-4:], "little")
