"""What of a GLB file is looked at before a parser reads it: what it claims to hold, how it is compressed, and its pictures.

    check_glb(path, content, notes)                         # raises ObjectError, or adds to the notes

The layout is that of glTF 2.0, 4.4: a header of 12 bytes, a chunk of JSON, and one of the bytes that this refers to.
"""

import base64
import binascii
import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from assets.objects.errors import ObjectError

_COMPRESSED = {
    "KHR_draco_mesh_compression": "with Draco: decompress it first, by `gltf-transform cp {name} plain.glb`, or",
    "EXT_meshopt_compression": "with meshopt: decompress it first, and",
    "KHR_meshopt_compression": "with meshopt: decompress it first, and",
}


def check_glb(path: Path, content: bytes, notes: list[str]) -> None:
    """Raise ObjectError where the file claims more elements than it has bytes for, as they would be made of nothing, or is
    compressed; note which of its pictures can't be read."""
    try:
        length = struct.unpack_from("<I", content, 12)[0]
        told = json.loads(content[20 : 20 + length])
        required = [str(name) for name in told.get("extensionsRequired", [])]
        counts = [int(accessor["count"]) for accessor in told.get("accessors", [])]
        pictures = list(told.get("images", []))
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ObjectError(f"{path}: it is no GLB file, or is damaged") from error
    for how in (_COMPRESSED[name] for name in required if name in _COMPRESSED):
        raise ObjectError(f"{path}: it is compressed {how.format(name=path.name)} export it again without compression")
    if min(counts, default=0) < 0 or sum(counts) > len(content):
        raise ObjectError(f"{path}: it claims {sum(counts)} elements, which its {len(content)} bytes cannot hold")
    for i, picture in enumerate(pictures):
        try:
            found = _picture(told, picture, content[28 + length :])
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            found = b""
        if found is not None and (why := why_no_picture(found)):
            notes.append(f"left out picture {i} in it: {why}")


def why_no_picture(content: bytes) -> str:
    """Why a file is none; nothing where it is one."""
    try:
        with Image.open(BytesIO(content)):
            return ""
    except UnidentifiedImageError:
        return "it is no picture of a known format; expected a PNG or JPEG file"
    except Exception as error:  # whatever a decoder makes of a damaged file
        return f"it can't be read: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"


def _picture(told: dict[str, Any], picture: dict[str, Any], binary: bytes) -> bytes | None:
    """One that the file holds; None where it is another file."""
    if "bufferView" in picture:
        view = told["bufferViews"][picture["bufferView"]]
        start = int(view.get("byteOffset", 0))
        return binary[start : start + int(view["byteLength"])]
    uri = str(picture["uri"])
    if not uri.startswith("data:"):
        return None
    try:
        return base64.b64decode(uri.partition(",")[2])
    except binascii.Error:
        return b""
