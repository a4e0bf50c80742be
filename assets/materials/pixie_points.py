"""Pixie's point clouds of materials: binary PLY files, read and written.

points = read_points(Path("part_labels.ply"))
points.xyz, points.rgba, points.part, points.density, points.young, points.poisson, points.material, points.conf
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.materials.errors import EXISTS, MaterialError
from assets.whole_file import new_file

MAX_POINTS = 20_000_000

_FIELDS = (
    ("x", "float", "<f4"),
    ("y", "float", "<f4"),
    ("z", "float", "<f4"),
    ("red", "uchar", "u1"),
    ("green", "uchar", "u1"),
    ("blue", "uchar", "u1"),
    ("alpha", "uchar", "u1"),
    ("part_label", "int", "<i4"),
    ("density", "float", "<f4"),
    ("E", "float", "<f4"),
    ("nu", "float", "<f4"),
    ("material_id", "int", "<i4"),
)
_CONF = ("conf", "float", "<f4")  # absent in files that hold labels, not predictions
_SYNONYMS = {"float32": "float", "uint8": "uchar", "int32": "int"}
_MAX_HEADER = 65_536


@dataclass(frozen=True, eq=False)
class MaterialPoints:
    xyz: np.ndarray
    """(n, 3) float32"""
    rgba: np.ndarray
    """(n, 4) uint8"""
    part: np.ndarray
    """(n,) int32"""
    density: np.ndarray
    """kg/m³"""
    young: np.ndarray
    """Pa"""
    poisson: np.ndarray
    material: np.ndarray
    """Number of Pixie's class."""
    conf: np.ndarray | None = None
    """Always one where it is Pixie's own: its classes are hard."""


def read_points(path: Path) -> MaterialPoints:
    """Raises MaterialError where it is no such file."""
    try:
        with path.open("rb") as file:
            head = file.read(_MAX_HEADER)
            start, count, fields = _header(path, head)
            row = np.dtype([(name, kind) for name, _, kind in fields])
            if path.stat().st_size != start + count * row.itemsize:
                raise MaterialError(
                    f"{path}: expected {start + count * row.itemsize} bytes for {count} points, found {path.stat().st_size}"
                )
            file.seek(start)
            rows = np.frombuffer(file.read(), row, count)
    except OSError as error:
        raise MaterialError(f"{path} can't be read: {error.strerror or error}") from error
    return MaterialPoints(
        np.stack([rows[axis] for axis in "xyz"], 1),
        np.stack([rows[channel] for channel in ("red", "green", "blue", "alpha")], 1),
        rows["part_label"].copy(),
        rows["density"].copy(),
        rows["E"].copy(),
        rows["nu"].copy(),
        rows["material_id"].copy(),
        rows["conf"].copy() if _CONF in fields else None,
    )


def write_points(path: Path, points: MaterialPoints) -> None:
    """Whole or not at all, and over nothing. Raises MaterialError."""
    fields = (*_FIELDS, _CONF) if points.conf is not None else _FIELDS
    rows = np.empty(len(points.xyz), np.dtype([(name, kind) for name, _, kind in fields]))
    columns = [*points.xyz.T, *points.rgba.T, points.part, points.density, points.young, points.poisson, points.material]
    for (name, _, _), column in zip(fields, [*columns, points.conf], strict=False):
        rows[name] = column
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    lines += [f"property {told} {name}" for name, told, _ in fields]
    with new_file(path, MaterialError, EXISTS) as partial:
        partial.write_bytes("\n".join([*lines, "end_header", ""]).encode() + rows.tobytes())


def _header(path: Path, head: bytes) -> tuple[int, int, tuple[tuple[str, str, str], ...]]:
    """Where the points begin, how many there are, and their fields."""
    end = head.find(b"end_header\n")
    if not head.startswith(b"ply\n") or end < 0:
        raise MaterialError(f"{path} is no PLY file; expected a binary one of Pixie's points")
    lines = head[:end].decode("ascii", "replace").splitlines()[1:]
    if "format binary_little_endian 1.0" not in lines:
        raise MaterialError(f"{path}: expected format binary_little_endian 1.0, as Pixie writes it")
    elements = [line.split() for line in lines if line.startswith("element ")]
    if len(elements) != 1 or elements[0][1:2] != ["vertex"] or len(elements[0]) != 3 or not elements[0][2].isdecimal():
        raise MaterialError(f"{path}: expected one element, vertex, found {[' '.join(e[1:]) for e in elements]}")
    count = int(elements[0][2])
    if count > MAX_POINTS:
        raise MaterialError(f"{path}: it claims {count} points, at most {MAX_POINTS} are read")
    found = [
        (w[2], _SYNONYMS.get(w[1], w[1])) for w in (line.split() for line in lines) if w[:1] == ["property"] and len(w) == 3
    ]
    for fields in (_FIELDS, (*_FIELDS, _CONF)):
        if found == [(name, told) for name, told, _ in fields]:
            return end + len(b"end_header\n"), count, fields
    raise MaterialError(
        f"{path}: its properties are {', '.join(name for name, _ in found)}; expected"
        f" {', '.join(name for name, _, _ in _FIELDS)}, and conf where it is a prediction"
    )
