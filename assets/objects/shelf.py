"""Many objects in one scene: a single body, which is another of them in each environment.

    shelf = Shelf.of_primitives([mug, hammer, banana], parts=8)      # on every engine
    shelf = Shelf.of_hulls([mug, hammer, banana])                    # on the native engine, as exact as each object alone
    shelf.attach(scene, pos=(0.5, 0.0, 0.0))                         # a free body "object": at first the first of them
    shelf.fields(model, 2)                                           # model fields that make it the third

Engines run one model in all environments, but its fields may differ. So the body has as many geoms as the object that needs
most of them, and an object is their sizes and places, its inertia and how it touches. The term `sim.randomization.AnyObject`
draws which. Geoms that an object has no use for are specks inside it.

The body's frame is not the mesh's: its origin lies below the centre of mass, at the height of the lowest point, so that any
object stands on a table when its body is put on it. `seats` tell where that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import mujoco
import numpy as np

from assets.objects.errors import ObjectError
from assets.objects.hulls import Decomposition, Hull, convex_parts
from assets.objects.mjcf import add_body, add_hull, compiled, touching
from assets.objects.object import Contact, Object, Vector
from assets.objects.parts import Part, fit_parts
from assets.robots.primitives import BOX, CAPSULE

GEOM_FIELDS = ("geom_pos", "geom_quat", "geom_size", "geom_rbound", "geom_aabb", "geom_friction", "geom_solref")
BODY_FIELDS = ("body_mass", "body_inertia", "body_ipos", "body_iquat")
HULL_FIELDS = ("geom_dataid", "geom_sameframe")
"""Besides, where geoms are meshes."""

_SPECK = 5e-4  # m


@dataclass(frozen=True, eq=False)
class Slot:
    """A geom of the shelf's body, for one object."""

    kind: mujoco.mjtGeom
    pos: np.ndarray
    quat: np.ndarray
    size: np.ndarray
    contact: Contact
    hull: Hull | None = None
    """Of a mesh."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """See the module."""

    objects: tuple[Object, ...]
    slots: tuple[tuple[Slot, ...], ...]
    """Geoms of each object, equally many, in the frame of its mesh."""
    name: str = "object"
    """Of the body, and the first part of its geoms' names."""

    @classmethod
    def of_primitives(cls, objects: Sequence[Object], parts: int = 8, name: str = "object") -> "Shelf":
        """Of boxes and capsules, at most `parts` for each object, fitted to its convex parts."""
        known: dict[int, tuple[tuple[Part, ...], tuple[int, ...]]] = {}
        for thing in _several(objects):  # which may be one object, of another material each time
            if id(thing.hulls) not in known:
                hulls = _few_hulls(thing, parts)
                known[id(thing.hulls)] = fit_parts(hulls), tuple(_nearest(hull, thing.hulls) for hull in hulls)
        rows = []
        for thing in objects:
            fitted, nearest = known[id(thing.hulls)]
            rows.append([(part, thing.contacts[i]) for part, i in zip(fitted, nearest, strict=True)])
        counts = {kind: max(sum(part.kind == kind for part, _ in row) for row in rows) for kind in (BOX, CAPSULE)}
        return cls(tuple(objects), tuple(_sorted_slots(row, counts) for row in rows), name)

    @classmethod
    def of_hulls(cls, objects: Sequence[Object], name: str = "object") -> "Shelf":
        """Of the objects' own convex parts. Other engines than the native one cannot give each environment its own meshes."""
        most = max(len(thing.hulls) for thing in _several(objects))
        rows = []
        for thing in objects:
            middle = thing.hulls[0].vertices.mean(0)  # of the largest
            speck = Hull.of(middle + _SPECK * np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]))
            assert speck is not None
            spare = most - len(thing.hulls)
            hulls, contacts = [*thing.hulls, *[speck] * spare], [*thing.contacts, *thing.contacts[:1] * spare]
            rows.append(tuple(map(_mesh_slot, contacts, hulls)))
        return cls(tuple(objects), tuple(rows), name)

    @property
    def has_meshes(self) -> bool:
        return self.slots[0][0].hull is not None

    @property
    def field_names(self) -> tuple[str, ...]:
        """Of the model fields that make the body one object or another."""
        return (*GEOM_FIELDS, *(HULL_FIELDS if self.has_meshes else ()), *BODY_FIELDS)

    @cached_property
    def seats(self) -> np.ndarray:
        """The origin of the body's frame in the frame of each object's mesh, (objects, 3) m; the axes are the same."""
        low = [min(_lowest(slot) for slot in row) for row in self.slots]
        return np.array([(*thing.inertial.com[:2], z) for thing, z in zip(self.objects, low, strict=True)])

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """Rows of `field_names`: (objects, geoms, ...) of a geom's, (objects, ...) of the body's. float32; a mesh by its number
        among the shelf's."""
        rows: list[dict[str, np.ndarray]] = []
        for index in range(len(self.objects)):
            spec = mujoco.MjSpec()
            self._add(spec, index)
            model = compiled(spec, self.objects[index].name)
            row = {name: np.array(getattr(model, name)) for name in (*GEOM_FIELDS, *HULL_FIELDS)}
            row["geom_dataid"] = index * len(self.slots[0]) + np.arange(len(self.slots[0]))
            rows.append(row | {name: np.array(getattr(model, name)[1]) for name in BODY_FIELDS})
        return {name: np.array([row[name] for row in rows], np.float32) for name in self.field_names}

    def geom_ids(self, model: mujoco.MjModel) -> np.ndarray:
        """Of the body's geoms, in a model of a scene with this shelf. Raises ObjectError where it has none."""
        try:
            return np.array([model.geom(name).id for name in self._geom_names])
        except KeyError as error:
            raise ObjectError(
                f"the model has no shelf {self.name!r} of {len(self.slots[0])} geoms: attach it to the scene"
            ) from error

    def mesh_ids(self, model: mujoco.MjModel) -> np.ndarray:
        """Of the shelf's meshes, in the order of `table`."""
        return np.array([model.mesh(name).id for row in range(len(self.objects)) for name in self._mesh_names(row)])

    def fields(self, model: mujoco.MjModel, index: int) -> dict[str, np.ndarray]:
        """The model's fields with the object `index` on the shelf."""
        geoms, body = self.geom_ids(model), model.body(self.name).id
        fields = {name: np.array(getattr(model, name), float) for name in self.field_names}
        for name, value in fields.items():
            row = self.table[name][index]
            if name == "geom_dataid":
                row = self.mesh_ids(model)[row.astype(int)]
            value[body if name in BODY_FIELDS else geoms] = row
        return fields

    def attach(self, scene: mujoco.MjSpec, pos: Vector = (0.0, 0.0, 0.0)) -> None:
        """Add the body to a scene, at `pos` (m). Raises ObjectError where the scene has a body of its name."""
        body = self._add(scene, 0, pos)
        if not self.has_meshes:
            _turn_aside(body, self.table["body_iquat"][0])
            return
        for index, row in enumerate(self.slots):
            for mesh, slot in zip(self._mesh_names(index), row, strict=True):
                if index > 0 and slot.hull is not None:
                    add_hull(scene, mesh, slot.hull)
                # the compiler drops meshes to which nothing refers
                scene.worldbody.add_site(name=mesh, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh, group=5)

    @property
    def _geom_names(self) -> list[str]:
        return [f"{self.name}_part_{i}" for i in range(len(self.slots[0]))]

    def _mesh_names(self, index: int) -> list[str]:
        return [f"{self.name}_{index}_hull_{i}" for i in range(len(self.slots[0]))]

    def _add(self, spec: mujoco.MjSpec, index: int, pos: Sequence[float] = (0.0, 0.0, 0.0)) -> mujoco.MjsBody:
        """The body as one of the objects, with the meshes of that one."""
        thing, seat = self.objects[index], self.seats[index]
        com = np.subtract(thing.inertial.com, seat)
        inertial = replace(thing.inertial, com=(float(com[0]), float(com[1]), float(com[2])))
        body = add_body(spec, self.name, inertial, pos, (1.0, 0.0, 0.0, 0.0))
        body.simple = False  # what is simple about one object need not be about another
        for name, mesh, slot in zip(self._geom_names, self._mesh_names(index), self.slots[index], strict=True):
            geom = body.add_geom(name=name, type=slot.kind, pos=slot.pos - seat, quat=slot.quat, size=slot.size, mass=0)
            if slot.hull is not None:
                add_hull(spec, mesh, slot.hull)
                geom.meshname = mesh
            touching(geom, slot.contact)
        return body


_UNTURNED = np.array([1.0, 0.0, 0.0, 0.0])


def _several(objects: Sequence[Object]) -> Sequence[Object]:
    if not objects:
        raise ObjectError("a shelf needs at least one object")
    return objects


def _few_hulls(thing: Object, most: int) -> tuple[Hull, ...]:
    """Convex parts of an object, at most so many."""
    if most < 1:
        raise ObjectError(f"an object needs at least one part, found {most}")
    if len(thing.hulls) <= most:
        return thing.hulls
    return convex_parts(thing.solid, replace(Decomposition(), max_hulls=most))[0]


def _nearest(hull: Hull, hulls: Sequence[Hull]) -> int:
    """Which of the hulls has its middle nearest to that of the first."""
    middle = hull.vertices.mean(0)
    return int(np.argmin([np.linalg.norm(other.vertices.mean(0) - middle) for other in hulls]))


def _mesh_slot(contact: Contact, hull: Hull) -> Slot:
    return Slot(mujoco.mjtGeom.mjGEOM_MESH, np.zeros(3), _UNTURNED, np.zeros(3), contact, hull)


def _sorted_slots(parts: Sequence[tuple[Part, Contact]], counts: dict[mujoco.mjtGeom, int]) -> tuple[Slot, ...]:
    """An object's parts by kind, with specks in its largest where it has fewer of a kind than are needed."""
    largest, usual = max(parts, key=lambda part: part[0].volume)
    slots = []
    for kind, count in counts.items():
        own = [Slot(kind, part.pos, part.quat, part.size, contact) for part, contact in parts if part.kind == kind]
        size = np.array([_SPECK, _SPECK, _SPECK if kind == BOX else 0.0])
        slots += [*own, *[Slot(kind, largest.pos, largest.quat, size, usual)] * (count - len(own))]
    return tuple(slots)


def _lowest(slot: Slot) -> float:
    """Height of a geom's lowest point (m)."""
    if slot.hull is not None:
        return float(slot.hull.vertices[:, 2].min())
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, slot.quat)
    up = np.abs(matrix.reshape(3, 3)[2])  # of each of the geom's axes
    reach = float(up @ slot.size) if slot.kind == BOX else slot.size[0] + up[2] * slot.size[1]
    return float(slot.pos[2] - reach)


def _turn_aside(body: mujoco.MjsBody, iquat: np.ndarray) -> None:
    """Turn primitives by half a turn, to which they are the same, so that none lies along the axes of the body or of its
    inertia: the compiler takes it that a geom which does so once does so for ever."""
    for geom in body.geoms:
        quats = []
        for half_turn in ((0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
            quat = np.empty(4)
            mujoco.mju_mulQuat(quat, np.array(geom.quat), np.array(half_turn, float))
            quats.append(quat)
        geom.quat = min(quats, key=lambda quat: max(abs(quat[0]), abs(quat @ iquat)))
