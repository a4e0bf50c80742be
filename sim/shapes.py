"""What a model looks like, as glTF: for viewers that draw by themselves, such as a browser.

    shapes = body_shapes(model)                     # {body id: the bytes of a .glb file, in the frame of that body}

A body's shapes come with their colours, their textures where MuJoCo maps them by coordinates of the mesh, and normals that keep
edges sharp. Planes are left out, as they have no end: whoever draws the ground knows how much of it is to be seen. So are
flexes and skins, whose shape changes; `unshown` names them.
"""

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

_PLANE = mujoco.mjtGeom.mjGEOM_PLANE
_RGB = mujoco.mjtTextureRole.mjTEXROLE_RGB.value
_RGBA = mujoco.mjtTextureRole.mjTEXROLE_RGBA.value

# What a geom is given in a spec that says nothing of its colour: its material's counts then.
_DEFAULT_RGBA = (0.5, 0.5, 0.5, 1.0)

# Faces that meet at less than this are one round surface (rad).
_SMOOTH = 0.6


def shown_groups(model: mujoco.MjModel) -> tuple[int, ...]:
    """Geom groups to draw: MuJoCo's own choice, and what a robot collides with where there is nothing else of it."""
    moves = model.body_weldid[model.geom_bodyid] != 0
    shows = np.isin(model.geom_group, (0, 1, 2))
    return (0, 1, 2) if (moves & shows).any() or not moves.any() else (0, 1, 2, 3)


def shown_geoms(model: mujoco.MjModel) -> np.ndarray:
    """Ids of the geoms to draw."""
    opaque = np.array([geom_rgba(model, geom)[3] > 0 for geom in range(model.ngeom)], bool)
    return np.flatnonzero(np.isin(model.geom_group, shown_groups(model)) & opaque)


def geom_rgba(model: mujoco.MjModel, geom: int) -> np.ndarray:
    """Colour and opacity of a geom, its own or its material's, each in [0, 1]."""
    own, material = model.geom_rgba[geom], model.geom_matid[geom]
    return own if material < 0 or not np.allclose(own, _DEFAULT_RGBA) else model.mat_rgba[material]


def body_shapes(model: mujoco.MjModel) -> dict[int, bytes]:
    """A binary glTF file for each body that has something to be seen, by the body's id; lengths in m."""
    import trimesh

    shapes = {}
    geoms = [geom for geom in shown_geoms(model) if model.geom_type[geom] != _PLANE]
    for body in sorted({int(model.geom_bodyid[geom]) for geom in geoms}):
        meshes: dict[tuple[bytes, int], list[Any]] = {}
        for geom in (geom for geom in geoms if model.geom_bodyid[geom] == body):
            look = (geom_rgba(model, geom).tobytes(), int(model.geom_matid[geom]))
            meshes.setdefault(look, []).append(_geom_mesh(model, geom))
        # Viewers join what has the same attributes only: either all meshes of a file have texture coordinates, or none.
        textured = any(_image(model, material) is not None for _, material in meshes)
        scene = trimesh.Scene()
        for (rgba, material), parts in meshes.items():
            scene.add_geometry(_dressed(model, parts, np.frombuffer(rgba, np.float32), material, textured))
        shapes[body] = scene.export(file_type="glb", include_normals=True)
    return shapes


def unshown(model: mujoco.MjModel) -> tuple[str, ...]:
    """What `body_shapes` has no shape for, by kind and name."""
    kinds = (("flex", mujoco.mjtObj.mjOBJ_FLEX, model.nflex), ("skin", mujoco.mjtObj.mjOBJ_SKIN, model.nskin))
    return tuple(f"{kind} {mujoco.mj_id2name(model, obj, i)!r}" for kind, obj, count in kinds for i in range(count))


# Geometry, in the frame of the body


def _geom_mesh(model: mujoco.MjModel, geom: int) -> Any:
    import trimesh
    from trimesh import creation

    kind, size = mujoco.mjtGeom(int(model.geom_type[geom])), model.geom_size[geom].astype(float)
    if kind in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_SDF):
        mesh = _mesh(model, int(model.geom_dataid[geom]))
    elif kind == mujoco.mjtGeom.mjGEOM_HFIELD:
        mesh = _height_field(model, int(model.geom_dataid[geom]))
    else:
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            mesh = creation.icosphere(3, radius=size[0])
        elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
            mesh = creation.icosphere(3)
            mesh.apply_scale(size)
        elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            mesh = creation.capsule(2 * size[1], size[0], count=[16, 24])
        elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
            mesh = creation.cylinder(size[0], 2 * size[1], sections=32)
        else:
            mesh = creation.box(2 * size)
        mesh = trimesh.graph.smooth_shade(mesh, angle=_SMOOTH, facet_minarea=None)
    pose = np.eye(4)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    pose[:3, :3], pose[:3, 3] = rotation.reshape(3, 3), model.geom_pos[geom]
    coordinates = mesh.metadata.get("texture_coordinates")
    vertices = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    normals = mesh.vertex_normals @ pose[:3, :3].T
    placed = trimesh.Trimesh(vertices, mesh.faces, vertex_normals=normals, process=False)
    placed.metadata["texture_coordinates"] = np.zeros((len(vertices), 2)) if coordinates is None else coordinates
    return placed


def _mesh(model: mujoco.MjModel, mesh: int) -> Any:
    """A corner of a face is a vertex, a normal and a texture coordinate, each with an index of its own."""
    import trimesh

    def part(name: str, start: np.ndarray, count: np.ndarray) -> np.ndarray:
        return getattr(model, name)[start[mesh] : start[mesh] + count[mesh]]

    vertices = part("mesh_vert", model.mesh_vertadr, model.mesh_vertnum)
    normals = part("mesh_normal", model.mesh_normaladr, model.mesh_normalnum)
    faces = part("mesh_face", model.mesh_faceadr, model.mesh_facenum)
    corners = [faces.ravel(), part("mesh_facenormal", model.mesh_faceadr, model.mesh_facenum).ravel()]
    has_coordinates = model.mesh_texcoordadr[mesh] >= 0
    if has_coordinates:
        corners.append(part("mesh_facetexcoord", model.mesh_faceadr, model.mesh_facenum).ravel())
    distinct, index = np.unique(np.stack(corners, axis=1), axis=0, return_inverse=True)
    made = trimesh.Trimesh(
        vertices[distinct[:, 0]], index.reshape(-1, 3), vertex_normals=normals[distinct[:, 1]], process=False
    )
    if has_coordinates:
        coordinates = part("mesh_texcoord", model.mesh_texcoordadr, model.mesh_texcoordnum)
        made.metadata["texture_coordinates"] = coordinates[distinct[:, 2]]
    return made


def _height_field(model: mujoco.MjModel, field: int) -> Any:
    import trimesh

    rows, columns, start = (int(a[field]) for a in (model.hfield_nrow, model.hfield_ncol, model.hfield_adr))
    half_x, half_y, top, _ = model.hfield_size[field]
    x, y = np.meshgrid(np.linspace(-half_x, half_x, columns), np.linspace(-half_y, half_y, rows))
    vertices = np.stack([x.ravel(), y.ravel(), top * model.hfield_data[start : start + rows * columns]], axis=1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, up, across = corner + 1, corner + columns, corner + columns + 1
    faces = np.concatenate([np.stack([corner, right, across], axis=1), np.stack([corner, across, up], axis=1)])
    return trimesh.Trimesh(vertices, faces, process=False)


# Looks


def _dressed(model: mujoco.MjModel, parts: Sequence[Any], rgba: np.ndarray, material: int, textured: bool) -> Any:
    """One mesh of all parts, with its material; glTF's colours are linear, MuJoCo's are sRGB."""
    from trimesh.util import concatenate
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    mesh: Any = concatenate(parts)
    gloss = float(model.mat_specular[material] * model.mat_shininess[material]) if material >= 0 else 0.25
    linear = np.where(rgba[:3] <= 0.04045, rgba[:3] / 12.92, ((rgba[:3] + 0.055) / 1.055) ** 2.4)
    look = PBRMaterial(
        baseColorFactor=np.append(linear, rgba[3]),
        baseColorTexture=_image(model, material),
        metallicFactor=0.0,
        roughnessFactor=1.0 - 0.7 * gloss,
        alphaMode="BLEND" if rgba[3] < 1 else "OPAQUE",
    )
    coordinates = None
    if textured:
        # Rows of a picture count from its top in MuJoCo and from its bottom in trimesh.
        coordinates = np.concatenate([part.metadata["texture_coordinates"] for part in parts]) * [1, -1] + [0, 1]
    mesh.visual = TextureVisuals(uv=coordinates, material=look)
    return mesh


def _image(model: mujoco.MjModel, material: int) -> Any:
    """The picture that a material lays on a mesh, or None where it has none."""
    from PIL import Image

    if material < 0:
        return None
    used = [t for t in model.mat_texid[material][[_RGB, _RGBA]] if t >= 0]
    if not used or model.tex_type[used[0]] != mujoco.mjtTexture.mjTEXTURE_2D:
        return None
    texture = used[0]
    height, width, channels = (int(a[texture]) for a in (model.tex_height, model.tex_width, model.tex_nchannel))
    start = int(model.tex_adr[texture])
    pixels = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
