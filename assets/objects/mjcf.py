"""Objects as MuJoCo models: in memory, and as an MJCF file with the meshes and pictures that it refers to.

    write_mjcf(mug, Path("mug"))                            # mug/mug.xml, mug/assets/mug_look_0.obj, ...
    write_mjcf(mug, Path("mug.xml"))                        # mug.xml, mug_assets/mug_look_0.obj, ...

    <mujoco>                                                and into a scene, with two lines of MJCF
      <asset><model name="mug" file="mug/mug.xml"/></asset>
      <worldbody><frame pos="0 0 0.4"><attach model="mug" body="mug" prefix=""/></frame></worldbody>
    </mujoco>

Looks are geoms of group 2, which touch nothing; convex parts are geoms of group 3, which touch everything. Neither has a mass:
that is the body's, with its full inertia.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np
from PIL import Image

from assets.objects.errors import ObjectError
from assets.objects.hulls import Hull
from assets.objects.mesh_file import Look
from assets.robots.primitives import Inertial

if TYPE_CHECKING:
    from assets.objects.object import Contact, Object

LOOK_GROUP, HULL_GROUP = 2, 3


def object_spec(thing: "Object") -> mujoco.MjSpec:
    """A model of the object alone, a free body."""
    spec = mujoco.MjSpec()
    spec.modelname = thing.name
    add_object(spec, thing)
    return spec


def add_object(
    spec: mujoco.MjSpec, thing: "Object", pos: Sequence[float] = (0, 0, 0), quat: Sequence[float] = (1, 0, 0, 0)
) -> None:
    """Add the object to a scene, its frame at `pos` (m) and `quat`. Raises ObjectError where it has a body of that name."""
    _add(_InMemory(spec), thing, pos, quat)


def add_body(spec: mujoco.MjSpec, name: str, inertial: Inertial, pos: Sequence[float], quat: Sequence[float]) -> mujoco.MjsBody:
    """A body that moves freely, without geoms."""
    if any(body.name == name for body in spec.bodies):
        raise ObjectError(f"the scene has a body {name!r} already: give this one another name")
    body = spec.worldbody.add_body(
        name=name,
        pos=pos,
        quat=quat,
        mass=inertial.mass,
        ipos=inertial.com,
        fullinertia=inertial.inertia,
        explicitinertial=True,
    )
    body.add_freejoint(name=name)
    return body


def add_hull(spec: mujoco.MjSpec, name: str, hull: Hull) -> None:
    """A mesh for the convex part."""
    written = np.char.mod("%.6g", hull.vertices.ravel()).astype(float)  # what MJCF has room for: so it survives being written
    mesh = spec.add_mesh(name=name, uservert=written, userface=hull.faces.ravel())
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX


def touching(geom: mujoco.MjsGeom, contact: "Contact") -> None:
    """Make a geom one that touches the ground, robots and other objects."""
    geom.group, geom.contype, geom.conaffinity, geom.condim = HULL_GROUP, 1, 1, 4
    geom.friction, geom.priority = contact.friction, contact.priority
    geom.solref[: len(contact.solref)] = contact.solref
    geom.rgba = [0.6, 0.7, 0.8, 1.0]


def write_mjcf(thing: "Object", out: Path) -> Path:
    """Write the object into a new folder, or as a new file where `out` ends in .xml; gives the MJCF file.

    Raises ObjectError where there is something already; nothing is left behind where it can't be written.
    """
    place = Place.of(out, thing.name)
    spec = mujoco.MjSpec()
    spec.modelname = thing.name
    spec.meshdir = spec.texturedir = place.assets.name
    store = _AsFiles(spec)
    _add(store, thing, (0, 0, 0), (1, 0, 0, 0))
    spec.assets = {f"{place.assets.name}/{name}": content for name, content in store.files.items()}
    compiled(spec, thing.name)
    return publish(place, spec.to_xml(), store.files)


def compiled(spec: mujoco.MjSpec, name: str) -> mujoco.MjModel:
    """The model of a spec that the object of that name is in. Raises ObjectError where MuJoCo refuses it."""
    try:
        return spec.compile()
    except (ValueError, mujoco.FatalError) as error:
        why = " ".join(str(error).removeprefix("Error: ").split())
        raise ObjectError(
            f"MuJoCo can't make a model of {name!r}: {why}; its mesh, mass or material is none that can be simulated: repair"
            " the mesh, or give another mass, density or material"
        ) from error


@dataclass(frozen=True)
class Place:
    """Where a model is written."""

    file: Path
    """MJCF"""
    assets: Path
    """Folder of what it refers to, beside it."""
    new: tuple[Path, ...]
    """What must not be there yet."""

    @classmethod
    def of(cls, out: Path, name: str) -> "Place":
        """A new folder, or a file where `out` ends in .xml. Raises ObjectError where there is something already."""
        if out.suffix.lower() == ".xml":
            place = cls(out, out.with_name(f"{out.stem}_assets"), (out, out.with_name(f"{out.stem}_assets")))
        else:
            place = cls(out / f"{name}.xml", out / "assets", (out,))
        for path in place.new:
            if path.exists():
                raise ObjectError(f"{path} exists already; give another name, or delete it first")
        return place


def publish(place: Place, text: str, files: Mapping[str, bytes]) -> Path:
    """Write a model and what it refers to; gives the MJCF file.

    Raises ObjectError where it can't be written; nothing is left behind then.
    """
    parent = place.new[0].absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{place.new[0].name}") as beside:
            root = Path(beside) / "new"
            root.mkdir()
            if files:
                (root / place.assets.name).mkdir()
            for file, content in files.items():
                (root / place.assets.name / file).write_bytes(content)
            (root / place.file.name).write_text(text)
            if place.new[0] != place.file:
                root.rename(place.new[0])
            else:
                if files:
                    (root / place.assets.name).rename(place.assets)
                (root / place.file.name).rename(place.file)
    except OSError as error:
        raise ObjectError(f"{place.new[0]} can't be written: {error.strerror}") from error
    return place.file


class _InMemory:
    """Meshes and textures as numbers in a model."""

    def __init__(self, spec: mujoco.MjSpec):
        self.spec = spec

    def look(self, name: str, look: Look) -> mujoco.MjsMesh:
        mesh = self.spec.add_mesh(name=name, uservert=look.vertices.ravel(), userface=look.faces.ravel())
        if look.uv is not None:
            # rows of a picture count from its top in MuJoCo's arrays, and from its bottom in files
            mesh.usertexcoord = (look.uv * [1, -1] + [0, 1]).ravel()
            mesh.userfacetexcoord = look.faces.ravel()
        return mesh

    def hull(self, name: str, hull: Hull) -> None:
        add_hull(self.spec, name, hull)

    def texture(self, name: str, image: Image.Image) -> None:
        texture = self.spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=image.width, height=image.height)
        texture.nchannel, texture.data = len(image.getbands()), image.tobytes()


class _AsFiles:
    """Meshes and textures as files that a model refers to."""

    def __init__(self, spec: mujoco.MjSpec):
        self.spec = spec
        self.files: dict[str, bytes] = {}

    def look(self, name: str, look: Look) -> mujoco.MjsMesh:
        return self._mesh(name, look.vertices, look.faces, look.uv)

    def hull(self, name: str, hull: Hull) -> None:
        self._mesh(name, hull.vertices, hull.faces, None).inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX

    def texture(self, name: str, image: Image.Image) -> None:
        content = BytesIO()
        image.save(content, format="PNG")
        self.files[f"{name}.png"] = content.getvalue()
        self.spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, file=f"{name}.png")

    def _mesh(self, name: str, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None) -> mujoco.MjsMesh:
        self.files[f"{name}.obj"] = _obj_text(vertices, faces, uv).encode()
        return self.spec.add_mesh(name=name, file=f"{name}.obj")


def _add(store: _InMemory | _AsFiles, thing: "Object", pos: Sequence[float], quat: Sequence[float]) -> None:
    spec = store.spec
    body = add_body(spec, thing.name, thing.inertial, pos, quat)
    for i, look in enumerate(thing.looks):
        name = f"{thing.name}_look_{i}"
        rgba = look.rgba if look.image is None else (1.0, 1.0, 1.0, 1.0)  # which a texture is multiplied with
        material = spec.add_material(name=name, rgba=rgba, specular=0.3, shininess=0.3)
        if look.image is not None:
            store.texture(name, look.image)
            material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        # what is only seen need not be closed
        store.look(name, _four_vertices(look)).inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        geom = body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=name, mass=0)
        geom.group, geom.contype, geom.conaffinity = LOOK_GROUP, 0, 0
    for i, (hull, contact) in enumerate(zip(thing.hulls, thing.contacts, strict=True)):
        name = f"{thing.name}_hull_{i}"
        store.hull(name, hull)
        touching(body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, mass=0), contact)


def _four_vertices(look: Look) -> Look:
    """The same surface, its triangles divided at their middles where it has less than four vertices: MuJoCo wants so many."""
    if len(look.vertices) >= 4:
        return look
    middles = len(look.vertices) + np.arange(len(look.faces), dtype=np.int32)
    faces = np.stack([look.faces, np.roll(look.faces, -1, axis=1), np.tile(middles[:, None], 3)], -1).reshape(-1, 3)
    uv = None if look.uv is None else np.concatenate([look.uv, look.uv[look.faces].mean(1)])
    return replace(look, vertices=np.concatenate([look.vertices, look.vertices[look.faces].mean(1)]), faces=faces, uv=uv)


def _obj_text(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None = None) -> str:
    """Wavefront OBJ."""
    lines = ["v %.9g %.9g %.9g" % tuple(row) for row in vertices.tolist()]  # noqa: UP031 - three times as fast
    corner = "f %d %d %d"
    rows = (faces + 1).tolist()
    if uv is not None:
        lines += ["vt %.7g %.7g" % tuple(row) for row in uv.tolist()]  # noqa: UP031
        corner, rows = "f %d/%d %d/%d %d/%d", (faces + 1).repeat(2, axis=1).tolist()
    return "\n".join([*lines, *(corner % tuple(row) for row in rows), ""])
