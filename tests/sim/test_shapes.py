"""The shapes that a browser is given, against MuJoCo's own idea of the same model."""

import io
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from PIL import Image

from assets.robots import GO2, SO101
from assets.scene import scene_spec
from sim.shapes import body_shapes, geom_rgba, shown_geoms, unshown

TETRAHEDRON = "vertex='0 0 0  .4 0 0  0 .3 0  0 0 .2'"

# Each geom alone in its body, askew in it, with the density of water.
PRIMITIVES = f"""
<mujoco>
  <asset><mesh name="tetrahedron" {TETRAHEDRON}/></asset>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body name="sphere"><joint/><geom type="sphere" size=".1" pos=".1 .2 .3"/></body>
    <body name="capsule"><joint/><geom type="capsule" size=".05" fromto="0 0 0 .1 .2 .3"/></body>
    <body name="cylinder"><joint/><geom type="cylinder" size=".05 .2" euler="20 30 40"/></body>
    <body name="ellipsoid"><joint/><geom type="ellipsoid" size=".05 .1 .2" euler="20 30 40" pos="1 2 3"/></body>
    <body name="box"><joint/><geom type="box" size=".05 .1 .2" euler="20 30 40" pos="1 2 3"/></body>
    <body name="mesh"><joint/><geom type="mesh" mesh="tetrahedron" euler="20 30 40" pos="1 2 3"/></body>
  </worldbody>
</mujoco>
"""


def load(shape: bytes) -> trimesh.Trimesh:
    return trimesh.load(io.BytesIO(shape), file_type="glb").to_mesh()


@pytest.mark.parametrize("name", ["sphere", "capsule", "cylinder", "ellipsoid", "box", "mesh"])
def test_a_shape_has_the_volume_and_the_inertia_that_mujoco_finds(name):
    model = mujoco.MjModel.from_xml_string(PRIMITIVES)
    body = model.body(name)
    mesh = load(body_shapes(model)[body.id])
    mesh.density = 1000.0
    np.testing.assert_allclose(mesh.mass, body.mass[0], rtol=0.03)  # a polyhedron lies within what is round
    np.testing.assert_allclose(mesh.center_mass, body.ipos, atol=1e-3)
    found = np.sort(np.linalg.eigvalsh(mesh.moment_inertia))
    np.testing.assert_allclose(found, np.sort(body.inertia), rtol=0.06)
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, body.iquat)
    axes = turn.reshape(3, 3).T @ mesh.moment_inertia @ turn.reshape(3, 3)
    np.testing.assert_allclose(axes, np.diag(body.inertia), atol=0.06 * body.inertia.max())


@pytest.mark.parametrize("name", ["sphere", "capsule", "cylinder", "ellipsoid", "box", "mesh"])
def test_normals_point_outwards(name):
    model = mujoco.MjModel.from_xml_string(PRIMITIVES)
    mesh = load(body_shapes(model)[model.body(name).id])
    outwards = mesh.vertices - mesh.center_mass
    assert ((mesh.vertex_normals * outwards).sum(axis=1) > 0).all()


def test_edges_of_a_box_are_sharp():
    model = mujoco.MjModel.from_xml_string(PRIMITIVES)
    mesh = load(body_shapes(model)[model.body("box").id])
    np.testing.assert_allclose(mesh.vertex_normals[mesh.faces].mean(axis=1), mesh.face_normals, atol=1e-4)


def test_a_height_field_is_as_high_as_a_ray_finds_it(tmp_path):
    heights = " ".join(str(h) for h in np.random.default_rng(0).uniform(0, 1, 35).round(3))
    model = mujoco.MjModel.from_xml_string(f"""
        <mujoco>
          <asset><hfield name="hills" nrow="5" ncol="7" size="3 2 .5 .1" elevation="{heights}"/></asset>
          <worldbody><geom type="hfield" hfield="hills"/></worldbody>
        </mujoco>""")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    mesh = load(body_shapes(model)[0])
    assert len(mesh.faces) == 2 * 4 * 6
    assert (mesh.face_normals[:, 2] > 0).all()
    geom = np.zeros(1, np.int32)
    for point in mesh.triangles_center:
        down = mujoco.mj_ray(model, data, point + np.array([0, 0, 5.0]), np.array([0, 0, -1.0]), None, 1, -1, geom, None)
        assert down == pytest.approx(5.0, abs=1e-5)


def test_a_colour_is_the_geoms_own_or_its_materials():
    model = mujoco.MjModel.from_xml_string("""
        <mujoco>
          <asset><material name="red" rgba="1 0 0 1"/></asset>
          <worldbody>
            <geom name="own" size="1" rgba="0 1 0 .5"/>
            <geom name="material" size="1" material="red"/>
            <geom name="both" size="1" material="red" rgba="0 0 1 1"/>
            <geom name="none" size="1"/>
            <geom name="hidden" size="1" rgba="0 0 0 0"/>
          </worldbody>
        </mujoco>""")
    colors = {model.geom(i).name: tuple(geom_rgba(model, i)) for i in range(model.ngeom)}
    assert colors["own"] == (0, 1, 0, 0.5)
    assert colors["material"] == (1, 0, 0, 1)
    assert colors["both"] == (0, 0, 1, 1)
    assert colors["none"] == (0.5, 0.5, 0.5, 1)
    assert model.geom("hidden").id not in shown_geoms(model)
    materials = {
        tuple(g.visual.material.baseColorFactor): g.visual.material.alphaMode
        for g in trimesh.load(io.BytesIO(body_shapes(model)[0]), file_type="glb").geometry.values()
    }
    # sRGB 0.5 is 0.214 of full light: 55 of 255.
    assert materials == {
        (0, 255, 0, 128): "BLEND",
        (255, 0, 0, 255): "OPAQUE",
        (0, 0, 255, 255): "OPAQUE",
        (55, 55, 55, 255): "OPAQUE",
    }


def test_a_texture_lies_as_the_mesh_says(tmp_path: Path):
    """Parity with trimesh's own reading of the same OBJ file: the picture's top is at v = 1."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4], picture[4:] = (255, 0, 0), (0, 0, 255)
    picture[:, :4, 1] = 200
    Image.fromarray(picture).save(tmp_path / "picture.png")
    quad = """
        v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv .5 .5 -1
        vt .1 .1\nvt .9 .1\nvt .9 .9\nvt .1 .9\nvt .5 .4
        f 1/1 2/2 3/3\nf 1/1 3/3 4/4\nf 2/2 1/1 5/5\nf 3/3 2/2 5/5\nf 4/4 3/3 5/5\nf 1/1 4/4 5/5
        """
    (tmp_path / "quad.obj").write_text("\n".join(line.strip() for line in quad.strip().splitlines()))
    (tmp_path / "model.xml").write_text("""
        <mujoco>
          <asset>
            <mesh name="quad" file="quad.obj"/>
            <texture name="picture" type="2d" file="picture.png"/>
            <material name="painted" texture="picture"/>
          </asset>
          <worldbody><body>
            <geom type="mesh" mesh="quad" material="painted"/>
            <geom type="box" size=".1 .1 .1" pos="0 0 3"/>
          </body></worldbody>
        </mujoco>""")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "model.xml"))
    parts = trimesh.load(io.BytesIO(body_shapes(model)[1]), file_type="glb").geometry.values()
    (painted,) = [part for part in parts if part.visual.material.baseColorTexture is not None]
    assert all(part.visual.uv is not None for part in parts), "a viewer joins what has the same attributes"
    found = painted.visual.material.to_color(painted.visual.uv)[:, :3]
    corners = {(0, 0): (0, 200, 255), (1, 0): (0, 0, 255), (1, 1): (255, 0, 0), (0, 1): (255, 200, 0)}
    # MuJoCo moves a mesh into the frame of its inertia, and the geom by as much the other way.
    for corner, color in corners.items():
        at = np.linalg.norm(painted.vertices - [*corner, 0], axis=1) < 1e-4
        assert at.any()
        np.testing.assert_array_equal(found[at], np.tile(color, (at.sum(), 1)))


@pytest.mark.parametrize("robot", [GO2, SO101], ids=lambda robot: robot.name)
def test_every_visible_part_of_a_robot_has_a_shape_where_mujoco_has_it(robot):
    model = scene_spec(robot).compile()
    shapes = body_shapes(model)
    geoms = [g for g in shown_geoms(model) if model.geom_type[g] != mujoco.mjtGeom.mjGEOM_PLANE]
    assert set(shapes) == {int(model.geom_bodyid[g]) for g in geoms}
    for body, shape in shapes.items():
        mesh = load(shape)
        centers = np.array([model.geom_pos[g] for g in geoms if model.geom_bodyid[g] == body])
        bounds = np.array([model.geom_rbound[g] for g in geoms if model.geom_bodyid[g] == body])
        distance = np.linalg.norm(mesh.vertices[:, None] - centers, axis=-1)
        assert (distance < bounds + 1e-4).any(axis=1).all(), "no vertex is outside of all geoms"
        assert (distance < bounds + 1e-4).any(axis=0).all(), "every geom has vertices"


def test_what_changes_its_shape_is_named():
    model = mujoco.MjModel.from_xml_string("""
        <mujoco>
          <worldbody>
            <flexcomp name="cloth" type="grid" count="3 3 1" spacing=".1 .1 .1" dim="2" radius=".01"/>
          </worldbody>
        </mujoco>""")
    assert unshown(model) == ("flex 'cloth'",)
