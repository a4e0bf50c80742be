"""Objects as MuJoCo models: in memory, and as a folder with an MJCF file and what it refers to.

    write_mjcf(mug, Path("mug"))                            # mug/mug.xml, mug/assets/mug_look_0.obj, ...

    <mujoco>                                                and into a scene, with two lines of MJCF
      <asset><model name="mug" file="mug/mug.xml"/></asset>
      <worldbody><frame pos="0 0 0.4"><attach model="mug" body="mug" prefix=""/></frame></worldbody>
    </mujoco>

Looks are geoms of group 2, which touch nothing; convex parts are geoms of group 3, which touch everything. Neither has a mass:
that is the body's, with its full inertia.
"""

import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from assets.objects.errors import ObjectError

if TYPE_CHECKING:
    from assets.objects.object import Contact, Object

LOOK_GROUP, HULL_GROUP = 2, 3


def object_spec(thing: "Object") -> mujoco.MjSpec:
    """A model of the object alone: a free body, its assets in memory."""
    spec = mujoco.MjSpec()
    spec.modelname = thing.name
    body = spec.worldbody.add_body(
        name=thing.name,
        mass=thing.inertial.mass,
        ipos=thing.inertial.com,
        fullinertia=thing.inertial.inertia,
        explicitinertial=True,
    )
    body.add_freejoint(name=thing.name)
    files: dict[str, bytes] = {}
    for i, look in enumerate(thing.looks):
        name = f"{thing.name}_look_{i}"
        rgba = look.rgba if look.image is None else (1.0, 1.0, 1.0, 1.0)  # which a texture is multiplied with
        material = spec.add_material(name=name, rgba=rgba, specular=0.3, shininess=0.3)
        if look.image is not None:
            files[f"{name}.png"] = _png(look.image)
            spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, file=f"{name}.png")
            material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        files[f"{name}.obj"] = obj_text(look.vertices, look.faces, look.uv).encode()
        # what is only seen need not be closed
        spec.add_mesh(name=name, file=f"{name}.obj", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        geom = body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=name, mass=0)
        geom.group, geom.contype, geom.conaffinity = LOOK_GROUP, 0, 0
    for i, hull in enumerate(thing.hulls):
        name = f"{thing.name}_hull_{i}"
        files[f"{name}.obj"] = obj_text(hull.vertices, hull.faces).encode()
        spec.add_mesh(name=name, file=f"{name}.obj", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        touching(body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, mass=0), thing.contact)
    spec.assets = files
    return spec


def touching(geom: mujoco.MjsGeom, contact: "Contact") -> None:
    """Make a geom one that touches the ground, robots and other objects."""
    geom.group, geom.contype, geom.conaffinity, geom.condim = HULL_GROUP, 1, 1, 4
    geom.friction, geom.priority = contact.friction, contact.priority
    geom.solref[: len(contact.solref)] = contact.solref
    geom.rgba = [0.6, 0.7, 0.8, 1.0]


def write_mjcf(thing: "Object", folder: Path) -> Path:
    """Write the object into a new folder; gives the MJCF file in it.

    Raises ObjectError where there is something already; nothing is left behind where it can't be written.
    """
    if folder.exists():
        raise ObjectError(f"{folder} exists already; give a new folder, or delete it first")
    spec = object_spec(thing)
    files = dict(spec.assets)
    spec.meshdir = spec.texturedir = "assets"
    spec.assets = {f"assets/{name}": content for name, content in files.items()}
    try:
        spec.compile()
        text = spec.to_xml()
    except ValueError as error:
        raise ObjectError(f"MuJoCo can't make a model of {thing.name!r}: {error}") from error
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}"))
        try:
            beside.chmod(0o755)
            (beside / "assets").mkdir()
            for name, content in files.items():
                (beside / "assets" / name).write_bytes(content)
            (beside / f"{thing.name}.xml").write_text(text)
            beside.rename(folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise ObjectError(f"{folder} can't be written: {error.strerror}") from error
    return folder / f"{thing.name}.xml"


def obj_text(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None = None) -> str:
    """Wavefront OBJ."""
    lines = ["v %.9g %.9g %.9g" % tuple(row) for row in vertices.tolist()]  # noqa: UP031 - three times as fast
    corner = "f %d %d %d"
    rows = (faces + 1).tolist()
    if uv is not None:
        lines += ["vt %.7g %.7g" % tuple(row) for row in uv.tolist()]  # noqa: UP031
        corner, rows = "f %d/%d %d/%d %d/%d", (faces + 1).repeat(2, axis=1).tolist()
    return "\n".join([*lines, *(corner % tuple(row) for row in rows), ""])


def _png(image: object) -> bytes:
    content = BytesIO()
    image.save(content, format="PNG")  # pyright: ignore[reportAttributeAccessIssue]
    return content.getvalue()
