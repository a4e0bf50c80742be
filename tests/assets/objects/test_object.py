from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from PIL import Image
from trimesh import creation

from assets.objects.commands import import_
from assets.objects.errors import ObjectError
from assets.objects.mesh_file import Look
from assets.objects.mjcf import write_mjcf
from assets.objects.object import Contact, Object, load_object
from assets.objects.shelf import Shelf
from assets.objects.solid import areas
from assets.scene import compile_for_physics, flat_ground


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of 20 x 10 x 6 cm with a texture, its frame in a corner."""
    folder = tmp_path_factory.mktemp("crate")
    mesh = creation.box((0.2, 0.1, 0.06))
    mesh.apply_translation([0.1, 0.05, 0.03])
    uv = np.linspace(0, 1, 2 * len(mesh.vertices)).reshape(-1, 2)
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices] + [f"vt {u} {v}" for u, v in uv]
    lines += ["f " + " ".join(f"{i + 1}/{i + 1}" for i in face) for face in mesh.faces]
    (folder / "crate.obj").write_text("\n".join(["mtllib crate.mtl", "usemtl m", *lines, ""]))
    (folder / "crate.mtl").write_text("newmtl m\nmap_Kd crate.png\n")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(folder / "crate.png")
    return folder / "crate.obj"


@pytest.fixture(scope="module")
def thing(crate: Path) -> Object:
    return load_object(crate, mass=0.6, contact=Contact(friction=(0.3, 0.01, 0.001)))


def test_a_box_has_its_own_mass_and_inertia(thing: Object):
    model = thing.spec().compile()
    body = model.body("crate")
    assert body.mass == pytest.approx(0.6)
    np.testing.assert_allclose(body.ipos, (0.1, 0.05, 0.03), atol=1e-6)
    expected = 0.6 / 12 * np.array([0.1**2 + 0.06**2, 0.2**2 + 0.06**2, 0.2**2 + 0.1**2])
    np.testing.assert_allclose(np.sort(body.inertia), np.sort(expected), rtol=1e-6)
    assert model.nq == 7


def test_its_looks_touch_nothing_and_its_hulls_everything(thing: Object):
    model = thing.spec().compile()
    look, hull = model.geom("crate_look_0"), model.geom("crate_hull_0")
    assert (look.contype, look.conaffinity) == (0, 0)
    assert (hull.contype, hull.conaffinity) == (1, 1)
    np.testing.assert_allclose(hull.friction, (0.3, 0.01, 0.001))
    assert hull.priority == 1
    assert model.ntex == 1
    assert model.mesh_texcoordnum[look.dataid[0]] > 0
    np.testing.assert_allclose(model.mat_rgba[look.matid[0]], 1.0)


def test_it_stands_on_the_ground_and_slides_by_its_own_friction(thing: Object):
    spec = mujoco.MjSpec()
    flat_ground(spec)
    thing.attach(spec, pos=(0, 0, -thing.bottom))
    model = compile_for_physics(spec)
    assert model.ngeom == 2  # the floor, and its only convex part
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 200)
    assert abs(data.body("crate").xpos[2]) < 1e-3
    data.qvel[0] = 1.0
    mujoco.mj_step(model, data, 500)
    assert data.qpos[0] == pytest.approx(1 / (2 * 0.3 * 9.81), rel=0.05)  # v² / 2 mu g; the floor's own friction is 0.8


def test_several_stand_in_one_scene_but_not_under_one_name(thing: Object, crate: Path):
    spec = mujoco.MjSpec()
    thing.attach(spec)
    load_object(crate, name="other", density=500.0).attach(spec, pos=(1, 0, 0))
    model = spec.compile()
    assert model.body("other").mass == pytest.approx(0.2 * 0.1 * 0.06 * 500)
    with pytest.raises(ObjectError, match="has a body 'crate' already"):
        thing.attach(spec)


def test_the_folder_is_the_same_model(thing: Object, tmp_path: Path):
    path = write_mjcf(thing, tmp_path / "new" / "crate")
    again, ours = mujoco.MjModel.from_xml_path(str(path)), thing.spec().compile()
    np.testing.assert_allclose(again.body("crate").mass, ours.body("crate").mass)
    np.testing.assert_allclose(again.body("crate").inertia, ours.body("crate").inertia, rtol=1e-5)
    np.testing.assert_allclose(again.mesh_vert, ours.mesh_vert, atol=1e-7)
    np.testing.assert_array_equal(again.tex_data, ours.tex_data)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["crate"]


def test_the_folder_drops_into_a_scene_as_told(thing: Object, tmp_path: Path):
    write_mjcf(thing, tmp_path / "crate")
    (tmp_path / "scene.xml").write_text("""
        <mujoco>
          <asset><model name="crate" file="crate/crate.xml"/></asset>
          <worldbody>
            <geom type="plane" size="1 1 .1"/>
            <frame pos="0 0 0.4"><attach model="crate" body="crate" prefix=""/></frame>
          </worldbody>
        </mujoco>""")
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "scene.xml"))
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 600)
    assert abs(data.body("crate").xpos[2]) < 2e-3


@pytest.mark.parametrize("textured", [False, True])
def test_a_look_of_one_triangle_is_seen_in_memory_and_in_files(thing: Object, tmp_path: Path, textured: bool):
    corners, faces = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]), np.array([[0, 1, 2]], np.int32)
    uv, image = (corners[:, :2] * 10, Image.new("RGB", (4, 4))) if textured else (None, None)
    seen = replace(thing, looks=(Look(corners, faces, uv, image),))
    for model in (seen.model(), mujoco.MjModel.from_xml_path(str(write_mjcf(seen, tmp_path / "crate")))):
        look = model.geom("crate_look_0")
        start, count = model.mesh_vertadr[look.dataid[0]], model.mesh_vertnum[look.dataid[0]]
        points = model.mesh_vert[start : start + count]
        first, faces_there = model.mesh_faceadr[look.dataid[0]], model.mesh_facenum[look.dataid[0]]
        triangles = points[model.mesh_face[first : first + faces_there]]
        assert areas(triangles).sum() == pytest.approx(0.1 * 0.1 / 2, rel=1e-5)
        assert (model.mesh_texcoordnum[look.dataid[0]] > 0) == textured


@pytest.mark.parametrize(
    "refuse", [Object.model, lambda thing: write_mjcf(thing, Path("never")), lambda thing: Shelf.of_hulls([thing]).table]
)
def test_what_mujoco_refuses_is_told_with_the_objects_name(thing: Object, refuse: Callable[[Object], Any]):
    uneven = replace(thing, inertial=replace(thing.inertial, inertia=(1.0, 1.0, 10.0, 0.0, 0.0, 0.0)))
    with pytest.raises(
        ObjectError, match=r"MuJoCo can't make a model of 'crate': inertia must satisfy .*; .* give another mass"
    ):
        refuse(uneven)


def test_nothing_is_overwritten(thing: Object, tmp_path: Path):
    (tmp_path / "here").mkdir()
    with pytest.raises(ObjectError, match="exists already"):
        write_mjcf(thing, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_folder_that_cannot_be_written_leaves_nothing(thing: Object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ObjectError, match="can't be written: No space left on device"):
        write_mjcf(thing, tmp_path / "crate")
    assert list(tmp_path.iterdir()) == []


def test_mass_and_density_are_given_one_at_a_time(crate: Path):
    with pytest.raises(ObjectError, match="its mass or its density, not both"):
        load_object(crate, mass=1.0, density=100.0)
    assert any("dense as water" in note for note in load_object(crate).notes)


def test_a_hollow_object_of_known_mass_turns_slower(crate: Path, thing: Object):
    hollow = load_object(crate, mass=0.6, wall=0.003)
    assert hollow.inertial.mass == 0.6
    assert all(a > 1.2 * b for a, b in zip(hollow.inertial.inertia[:3], thing.inertial.inertia[:3], strict=True))


def test_a_density_field_shifts_the_centre_of_mass(thing: Object):
    x = thing.voxels.centers[..., 0]
    loaded = thing.with_density(np.where(x > 0.1, 3000.0, 500.0)).with_mass(0.6)
    assert loaded.inertial.com[0] > 0.12
    assert loaded.spec().compile().body("crate").ipos[0] == pytest.approx(loaded.inertial.com[0])


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65])
def test_names_that_no_file_or_body_can_have_are_refused(crate: Path, name: str):
    if name:
        with pytest.raises(ObjectError, match="name has up to 64"):
            load_object(crate, name=name)
    else:
        assert load_object(crate, name=name).name == "crate"


def test_the_command_tells_what_it_wrote(crate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    told = import_(crate, out=tmp_path / "crate", density=250.0)
    assert told["mass"] == pytest.approx(0.2 * 0.1 * 0.06 * 250)
    assert mujoco.MjModel.from_xml_path(told["file"]).body("crate").mass == pytest.approx(told["mass"])
    out = capsys.readouterr().out
    assert "200.0 x 100.0 x 60.0 mm" in out
    assert "taken to be in metres, 0.2 m wide" in out


def test_the_command_refuses_what_is_there_before_it_reads(crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("assets.objects.object.load_object", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(ObjectError, match="exists already"):
        import_(crate, out=tmp_path)


class Shown:
    """In place of what a terminal shows while a command works."""

    def __init__(self, stages: list[str], first: str):
        self.update = stages.append
        self.update(first)

    def __enter__(self) -> "Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self.update("done")


def test_the_command_shows_what_it_is_at(crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stages: list[str] = []
    monkeypatch.setattr("rich.console.Console.status", lambda self, first: Shown(stages, first))
    import_(crate, out=tmp_path / "crate")
    assert stages[1:] == [
        "reading crate.obj",
        "closing 12 triangles",
        "dividing it into convex parts",
        "weighing it",
        "writing",
        "done",
    ]


@pytest.mark.parametrize("name", ["tennis_ball", "adjustable_wrench"])
def test_scanned_objects_become_bodies(name: str, shared: Callable[[str], Path]):
    thing = load_object(shared("objects/ycb") / name / "textured.obj", mass=0.1)
    assert thing.name == name
    assert thing.looks[0].image is not None
    assert thing.looks[0].image.size == (1024, 1024)
    model = thing.spec().compile()
    assert model.body(name).mass == pytest.approx(0.1)
    low, high = thing.solid.bounds
    assert (low < thing.inertial.com).all()
    assert (thing.inertial.com < high).all()
    # what collides is what is seen, but for what the division leaves out
    points = np.concatenate([hull.vertices for hull in thing.hulls])
    np.testing.assert_allclose([points.min(0), points.max(0)], [low, high], atol=0.02 * float(np.ptp([low, high], 0).max()))
