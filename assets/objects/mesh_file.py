"""Reads what others have modelled or scanned: OBJ, PLY, STL and GLB files, with textures and colours, in metres, z up.

    looks, notes = read_mesh(Path("mug/textured.obj"), units="mm", scale=1.0)

GLB files are in metres by their standard (glTF 2.0, 3.4); no other format says in which units it is. Where nobody else does, it
is taken to be in metres if that gives a likely size, and refused if not.

GLB files have y up by the same standard: they are turned, by a right angle about x. The other formats have no such
rule and stay as they are. Where a file is otherwise, say which of its axes is up.

A file from elsewhere is data: sizes are bounded before anything is read, nothing is fetched, and what it refers to is looked
for in its own folder only. `notes` tell what was left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from assets.objects.errors import ObjectError
from assets.objects.glb_file import check_glb, why_no_picture
from assets.objects.solid import areas

FORMATS = ("obj", "ply", "stl", "glb")

Units = Literal["m", "cm", "mm", "inch", "foot"]
"""Of a file's coordinates."""

METRES: dict[Units, float] = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "inch": 0.0254, "foot": 0.3048}

UNITS: dict[str, Units] = {"glb": "m"}
"""By the format, where it has a rule."""

Up = Literal["y", "z"]
"""Which of a file's axes is up."""

UP: dict[str, Up] = {"obj": "z", "ply": "z", "stl": "z", "glb": "y"}
"""By the format, where nobody says otherwise."""

_TURN: dict[Up, np.ndarray] = {"y": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float), "z": np.eye(3)}

SMALLEST, LARGEST = 2e-3, 5.0
"""Longest edge of the box around an object that is taken for right (m),"""
_LIKELY = (0.02, 2.0)
"""and where nobody says in which units it is."""

_LEAST_AREA = 1e-12  # of a surface that can be seen (m²)

MAX_FILE_BYTES = 256 * 2**20
MAX_FACES = 1_000_000
MAX_PIXELS = 8192 * 8192


@dataclass(frozen=True, eq=False)
class Look:
    """A surface with one material."""

    vertices: np.ndarray
    """(n, 3) float64, m."""
    faces: np.ndarray
    """(m, 3) int32, counter-clockwise from outside."""
    uv: np.ndarray | None = None
    """Texture coordinates of the vertices, (n, 2), from the picture's lower left; None without a picture."""
    image: Image.Image | None = None
    """RGB or RGBA."""
    rgba: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)
    """Where there is no picture; in [0, 1]."""


def read_mesh(
    path: Path, units: Units | None = None, scale: float = 1.0, up: Up | None = None
) -> tuple[tuple[Look, ...], tuple[str, ...]]:
    """The surfaces in a file, in metres with z up, and notes on what of it was taken for granted, turned or left out. `units`
    are those of its coordinates, which `scale` is multiplied with; None where nobody knows, see `UNITS`. `up` is the file's
    axis that is, by default that of its format: see `UP`.

    Raises ObjectError where the file can't be read, is too large, or holds an object of an unlikely size.
    """
    if units is not None and units not in get_args(Units):
        raise ObjectError(f"{path}: unknown units {units!r}, expected one of {', '.join(get_args(Units))}")
    if up is not None and up not in get_args(Up):
        raise ObjectError(f"{path}: unknown axis {up!r}, expected up to be one of {', '.join(get_args(Up))}")
    if not 0 < scale < math.inf:
        raise ObjectError(f"{path}: scale must be positive and finite, found {scale:g}")
    notes: list[str] = []
    kind = _kind(path)
    axis = up or UP[kind]
    if axis != "z":
        by = "" if up else f", as {kind.upper()} files have it: up='z' keeps the file's axes"
        notes.append(f"turned from {axis} up to z up{by}")
    units = units or UNITS.get(kind)
    looks = tuple(_looks(path, METRES[units or "m"] * scale * _TURN[axis], notes))
    if not looks:
        raise ObjectError(f"{path}: it has no triangles with an area; expected a surface mesh, not points or lines")
    size = _checked_size(path, looks, units, scale)
    if units is None:
        notes.append(
            f"taken to be in metres, {_told(size)} wide, as {kind.upper()} files tell no units: give them where it is not"
        )
    return looks, tuple(dict.fromkeys(notes))


def _looks(path: Path, scale: np.ndarray, notes: list[str]) -> Iterator[Look]:
    """With coordinates multiplied by `scale`, (3, 3)."""
    import trimesh

    scene = _load(path, notes)
    placed = (scene.geometry[scene.graph[node][1]] for node in scene.graph.nodes_geometry)
    faces = sum(len(mesh.faces) for mesh in placed if isinstance(mesh, trimesh.Trimesh))
    if faces > MAX_FACES:
        raise ObjectError(f"{path}: it has {faces} faces, at most {MAX_FACES} are read; simplify it")
    for node in scene.graph.nodes_geometry:
        pose, name = scene.graph[node]
        mesh = scene.geometry[name]
        if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
            notes.append(f"left out {name!r}: it has no triangles")
            continue
        vertices = (np.asarray(mesh.vertices, float) @ pose[:3, :3].T + pose[:3, 3]) @ scale.T
        triangles = np.asarray(mesh.faces, np.int32)
        if not np.isfinite(vertices).all():
            raise ObjectError(f"{path}: {np.count_nonzero(~np.isfinite(vertices).all(1))} of its vertices are not finite")
        if len(triangles) and (triangles.min() < 0 or triangles.max() >= len(vertices)):
            raise ObjectError(f"{path}: a face refers to vertex {triangles.max()}, but there are {len(vertices)}")
        if areas(vertices[triangles]).sum() < _LEAST_AREA:
            notes.append(f"left out {name!r}: its triangles have no area")
            continue
        if np.linalg.det(pose[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        yield _look(path, vertices, triangles, mesh.visual, notes)


def _kind(path: Path) -> str:
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ObjectError(f"{path}: unknown format {path.suffix!r}, expected a file that ends in .{', .'.join(FORMATS)}")
    return kind


def _load(path: Path, notes: list[str]) -> Any:
    import trimesh

    kind = _kind(path)
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ObjectError(f"{path}: it has {size >> 20} MiB, at most {MAX_FILE_BYTES >> 20} are read; simplify it")
        content = path.read_bytes()
    except OSError as error:
        raise ObjectError(f"{path}: it can't be read: {error.strerror}") from error
    if kind == "glb":
        check_glb(path, content, notes)
    resolver = _own_folder(path, notes)
    try:
        return trimesh.load_scene(BytesIO(content), file_type=kind, resolver=resolver, process=False)
    except Exception as error:  # whatever a parser makes of a damaged file
        what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ObjectError(f"{path}: it is no {kind.upper()} file that can be read, or is damaged ({what})") from error


def _own_folder(path: Path, notes: list[str]) -> Any:
    """Where a file's materials and textures are looked for."""
    from trimesh.resolvers import Resolver

    folder = path.parent.resolve()

    class OwnFolder(Resolver):
        def __init__(self) -> None:
            pass

        def get(self, key: str) -> bytes:
            found = (folder / str(key).strip().replace("\\", "/")).resolve()
            if not found.is_relative_to(folder):
                notes.append(f"left out {key!r}: it lies outside the mesh's folder")
            elif not found.is_file():
                notes.append(f"left out {key!r}: there is no such file in the mesh's folder")
            elif found.stat().st_size > MAX_FILE_BYTES:
                notes.append(f"left out {key!r}: it has more than {MAX_FILE_BYTES >> 20} MiB")
            else:
                content = found.read_bytes()
                is_picture = found.suffix.lower() not in (".mtl", ".bin") and b"newmtl" not in content
                if not (is_picture and (why := why_no_picture(content))):
                    return content
                notes.append(f"left out {key!r}: {why}")
            raise FileNotFoundError(key)

        def write(self, name: str, data: Any) -> None:
            raise NotImplementedError

        def namespaced(self, namespace: str) -> "OwnFolder":
            return self

        def keys(self) -> list[str]:
            return [found.name for found in folder.iterdir() if found.is_file()]

    return OwnFolder()


# Looks


def _look(path: Path, vertices: np.ndarray, faces: np.ndarray, visual: Any, notes: list[str]) -> Look:
    material = getattr(visual, "material", None)
    # Unless a GLB file's material says otherwise, alpha says nothing (glTF 2.0, 3.9.4), and might be anything.
    is_glb = _kind(path) == "glb"
    is_opaque = is_glb and (getattr(material, "alphaMode", None) or "OPAQUE") == "OPAQUE"
    if visual.kind in ("vertex", "face"):
        colours = np.array(visual.face_colors)
        colours[:, 3] = 255 if is_opaque else colours[:, 3]
        return _coloured(vertices, faces, colours)
    if material is None:
        return Look(vertices, faces)
    uv = None if getattr(visual, "uv", None) is None else np.asarray(visual.uv, float)
    tables = _factors(material) if is_glb else None
    white = np.asarray(material.main_color) if tables is None else tables[:, 255]
    red, green, blue, alpha = (float(value) / 255 for value in white[:4])
    plain = Look(vertices, faces, rgba=(red, green, blue, 1.0 if is_opaque else alpha))
    image = material.baseColorTexture if is_glb else getattr(material, "image", None)
    if image is None or uv is None or len(uv) != len(vertices) or not np.isfinite(uv).all():
        return plain
    if image.width * image.height > MAX_PIXELS:
        notes.append(f"left out a texture of {image.width} x {image.height} pixels: at most {MAX_PIXELS} are read")
        return plain
    try:
        image = image.convert("RGBA" if not is_opaque and (is_glb or image.mode in ("RGBA", "LA", "PA")) else "RGB")
        if tables is not None:
            image = image.point(tables[: len(image.getbands())].ravel().tolist())
            image = image.convert("RGB") if image.getextrema()[-1] == (255, 255) else image
    except Exception as error:  # PIL decodes only now
        notes.append(f"left out a texture of {image.width} x {image.height} pixels: it is damaged ({error})")
        return plain
    return Look(vertices, faces, uv, image)


def _factors(material: Any) -> np.ndarray:
    """What a texel's red, green, blue and alpha become, (4, 256) uint8, of a GLB file's material: its factor counts in linear
    light, of which texels are the sRGB encoding (glTF 2.0, 3.9.2); masked alpha is all or nothing (3.9.4)."""
    told = material.baseColorFactor
    factor = np.ones((4, 1)) if told is None else np.asarray(told, float)[:4, None] / 255  # which trimesh keeps in bytes
    shown = np.arange(256) / 255
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    light = factor[:3] * light
    coloured = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    alpha = factor[3:] * shown
    if getattr(material, "alphaMode", None) == "MASK":
        cutoff = getattr(material, "alphaCutoff", None)
        alpha = (alpha >= (0.5 if cutoff is None else cutoff)).astype(float)
    return np.round(255 * np.concatenate([coloured, alpha])).astype(np.uint8)


def _coloured(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> Look:
    """MuJoCo's meshes have no colours of their own: each face gets a texel."""
    width = math.ceil(math.sqrt(len(faces)))
    texels = np.zeros((width, width, 4), np.uint8)
    index = np.arange(len(faces))
    row, column = index // width, index % width
    texels[row, column] = colours
    uv = np.stack([(column + 0.5) / width, 1 - (row + 0.5) / width], 1)
    image = Image.fromarray(texels)
    if (colours[:, 3] == 255).all():
        image = image.convert("RGB")
    corners = np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)  # each face has vertices of its own, with its texel
    return Look(vertices[faces].reshape(-1, 3), corners, uv.repeat(3, 0), image)


# Size


def _checked_size(path: Path, looks: tuple[Look, ...], units: Units | None, scale: float) -> float:
    """Longest edge of the box around them (m)."""
    points = np.concatenate([look.vertices[np.unique(look.faces)] for look in looks])
    size = float(np.ptp(points, axis=0).max())
    least, most = (SMALLEST, LARGEST) if units else _LIKELY
    if least <= size <= most:
        return size
    as_is = size / METRES[units or "m"]
    fitting = [name for name, metres in METRES.items() if _LIKELY[0] <= as_is * metres <= _LIKELY[1]]
    hint = "give its units, as --units mm (units='mm' in Python), or scale"
    if fitting:
        hint = f"its units are probably {' or '.join(fitting)}: give --units {fitting[0]} (units={fitting[0]!r} in Python)"
    if units is None and SMALLEST <= size <= LARGEST:
        hint += "; or --units m, where that is its size"
    times = f" times {scale:g}" if scale != 1 else ""
    found = f"read as units of {units}{times}" if units else f"it tells no units; read as metres{times}"
    raise ObjectError(f"{path}: {found}, it is {_told(size)} wide, expected {_told(least)} to {_told(most)}; {hint}")


def _told(size: float) -> str:
    return f"{size:.3g} m" if size >= 0.1 else f"{1e3 * size:.3g} mm"
