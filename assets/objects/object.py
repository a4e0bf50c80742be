"""Objects: any mesh as a body with mass and inertia, convex parts that collide, and its own looks.

    mug = load_object("mug/textured.obj", mass=0.118, wall=0.004)
    model = mug.model()                                     # a free body named "mug"
    mug.attach(scene, pos=(0.5, 0.0, 0.4))                  # into a scene, a MjSpec

Where the material is known by place, give its density field: `mug.with_density(field)`, kg/m³ in each of `mug.voxels`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import mujoco
import numpy as np

from assets.objects.density import inertial_of, uniform, with_mass
from assets.objects.errors import ObjectError
from assets.objects.hulls import Decomposition, Hull, convex_parts
from assets.objects.mesh_file import Look, Units, Up, read_mesh
from assets.objects.solid import Solid, make_solid
from assets.objects.voxels import Voxels, voxelise
from assets.objects.walls import Walls, wall_of
from assets.robots.primitives import Inertial

WATER = 1000.0
"""Density that is taken where neither mass nor density is given (kg/m³)."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Contact:
    """How an object touches."""

    friction: Vector = (0.8, 0.005, 0.0001)
    """Sliding, torsional (m) and rolling (m)."""
    solref: tuple[float, float] = (0.02, 1.0)
    """MuJoCo's: time constant (s) and damping ratio, or both negative for stiffness and damping per mass."""
    priority: int = 1
    """With the highest priority of a pair the object's own values count; at equal ones the greater friction of the two."""


@dataclass(frozen=True, eq=False)
class Object:
    """A rigid object, in the frame of its mesh, turned to have z up (m)."""

    name: str
    """Of its body, and the first part of the names of all that belongs to it."""
    looks: tuple[Look, ...]
    solid: Solid
    hulls: tuple[Hull, ...]
    """What collides."""
    voxels: Voxels
    """Where its material is: without the inside, where it is hollow."""
    inertial: Inertial
    contact: Contact | tuple[Contact, ...] = Contact()
    """The same all over, or that of each hull."""
    notes: tuple[str, ...] = ()
    """What was left out, repaired or taken for granted."""

    def __post_init__(self) -> None:
        if isinstance(self.contact, tuple) and len(self.contact) != len(self.hulls):
            raise ObjectError(f"{self.name!r} has {len(self.hulls)} hulls, but {len(self.contact)} contacts; give one for each")

    def with_density(self, field: np.ndarray) -> "Object":
        """Of that density in each voxel, (nx, ny, nz) kg/m³."""
        return replace(self, inertial=inertial_of(self.voxels, field))

    def with_mass(self, mass: float) -> "Object":
        """Of that mass (kg), distributed as before."""
        return replace(self, inertial=with_mass(self.inertial, mass))

    def with_contact(self, contact: Contact | tuple[Contact, ...]) -> "Object":
        """Touching so all over, or so by each hull."""
        return replace(self, contact=contact)

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Of each hull."""
        return self.contact if isinstance(self.contact, tuple) else (self.contact,) * len(self.hulls)

    @cached_property
    def walls(self) -> Walls:
        """What of its voxels is wall where it is hollow, by the thickness of the walls."""
        return Walls(self.solid, self.voxels)

    @property
    def bottom(self) -> float:
        """Height of its lowest point (m)."""
        return float(min(hull.vertices[:, 2].min() for hull in self.hulls))

    def spec(self) -> mujoco.MjSpec:
        """A fresh model of the object alone, a body that moves freely."""
        from assets.objects.mjcf import object_spec

        return object_spec(self)

    def model(self) -> mujoco.MjModel:
        """The same, compiled. Raises ObjectError where MuJoCo refuses it."""
        from assets.objects.mjcf import compiled

        return compiled(self.spec(), self.name)

    def attach(
        self, scene: mujoco.MjSpec, pos: Vector = (0.0, 0.0, 0.0), quat: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    ) -> None:
        """Add it to a scene, its frame at `pos` (m) and `quat`. Raises ObjectError where that has a body of its name."""
        from assets.objects.mjcf import add_object

        add_object(scene, self, pos, quat)


def load_object(
    path: str | Path,
    *,
    name: str | None = None,
    units: Units | None = None,
    scale: float = 1.0,
    up: Up | None = None,
    density: float | None = None,
    mass: float | None = None,
    wall: float | None = None,
    contact: Contact | None = None,
    decomposition: Decomposition | None = None,
    resolution: int = 32,
    tell: Callable[[str], None] = lambda what: None,
) -> Object:
    """The object that an OBJ, PLY, STL or GLB file shows.

    Args:
        path: the file. Textures are looked for in its folder.
        name: by default that of the file, or of its folder where the file's says nothing.
        units: of its coordinates; without them, a GLB file has metres, and so are others taken to have, if that is likely.
        scale: by which they are multiplied, besides.
        up: which of the file's axes is up, the object's z then; by default "y" of a GLB file, as its standard has it, else "z".
        density: of its material (kg/m³); that of water where neither it nor the mass is given.
        mass: kg; with it the density follows.
        wall: thickness of its walls, where it is hollow (m).
        contact: how it touches.
        decomposition: how finely it is divided into convex parts.
        resolution: voxels along its longest edge.
        tell: called with what is done next: a large mesh takes its time.

    Raises ObjectError where the file can't be read, has an unlikely size, or bounds no body; the message says what to do.
    """
    path = Path(path)
    name = name or _name_of(path)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise ObjectError(f"an object's name has up to 64 letters, digits, '_', '-' and '.', found {name!r}")
    if mass is not None and density is not None:
        raise ObjectError(f"{path}: give its mass or its density, not both: the one follows from the other")
    tell(f"reading {path.name}")
    looks, notes = read_mesh(path, units, scale, up)
    starts = np.cumsum([0, *(len(look.vertices) for look in looks)])
    vertices = np.concatenate([look.vertices for look in looks])
    faces = np.concatenate([look.faces + start for look, start in zip(looks, starts, strict=False)])
    tell(f"closing {len(faces)} triangles")
    solid, repairs = make_solid(vertices, faces, str(path))
    tell("dividing it into convex parts")
    hulls, hints = convex_parts(solid, decomposition or Decomposition())
    tell("weighing it")
    voxels = voxelise(solid, resolution)
    if wall is not None:
        voxels = wall_of(solid, voxels, wall)
    inertial = inertial_of(voxels, uniform(voxels, WATER if density is None else density))
    if mass is not None:
        inertial = with_mass(inertial, mass)
    elif density is None:
        hints = (*hints, AS_WATER)
    return Object(name, looks, solid, hulls, voxels, inertial, contact or Contact(), (*notes, *repairs, *hints))


AS_WATER = f"taken to be as dense as water, {WATER:g} kg/m³: give mass or density"
"""A note, until its material is known."""

_SAYS_NOTHING = {"mesh", "model", "object", "textured", "texture", "scene", "nontextured", "untitled"}


def _name_of(path: Path) -> str:
    stem = path.stem if path.stem.lower() not in _SAYS_NOTHING else path.resolve().parent.name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", stem)[:64] or "object"
