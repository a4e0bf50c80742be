import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh import creation
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from assets.objects.errors import ObjectError
from assets.objects.mesh_file import FORMATS, read_mesh

BOX = creation.box((0.2, 0.1, 0.06))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_surface(tmp_path: Path, kind: str):
    path = tmp_path / f"box.{kind}"
    BOX.export(path)
    (look,), notes = read_mesh(path, "m", up="z")
    assert notes == ()
    found = trimesh.Trimesh(look.vertices, look.faces)
    np.testing.assert_allclose(found.bounds, BOX.bounds, atol=1e-7)
    assert found.volume == pytest.approx(BOX.volume, rel=1e-5)


def test_a_glb_file_is_turned_from_y_up_to_z_up_and_says_so(tmp_path: Path):
    """A cone stands on its base; as a GLB file has it, along y."""
    standing = creation.cone(0.05, 0.2)
    lying = standing.copy()
    lying.apply_transform(np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float))
    lying.export(tmp_path / "cone.glb")
    (look,), (note,) = read_mesh(tmp_path / "cone.glb")
    found = trimesh.Trimesh(look.vertices, look.faces)
    np.testing.assert_allclose(found.bounds, standing.bounds, atol=1e-7)
    assert found.center_mass[2] == pytest.approx(0.05, abs=1e-4), "its tip is up"
    assert found.volume > 0
    assert "turned from y up to z up, as GLB files have it: up='z' keeps" in note
    (kept,), notes = read_mesh(tmp_path / "cone.glb", up="z")
    np.testing.assert_allclose(np.ptp(kept.vertices, axis=0), lying.extents, atol=1e-7)
    assert notes == ()


@pytest.mark.parametrize("kind", ["obj", "ply", "stl"])
def test_other_files_are_turned_where_asked_for(tmp_path: Path, kind: str):
    BOX.export(tmp_path / f"box.{kind}")
    (look,), (note,) = read_mesh(tmp_path / f"box.{kind}", "m", up="y")
    np.testing.assert_allclose(np.ptp(look.vertices, axis=0), (0.2, 0.06, 0.1), atol=1e-7)
    assert note == "turned from y up to z up"
    with pytest.raises(ObjectError, match="unknown axis 'x'"):
        read_mesh(tmp_path / f"box.{kind}", up="x")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("units, metres", [("cm", 0.01), ("mm", 0.001), ("inch", 0.0254)])
def test_units_and_scale_become_metres(tmp_path: Path, units, metres: float):
    path = tmp_path / "box.stl"
    creation.box((20, 10, 6)).export(path)
    (look,), _ = read_mesh(path, units, scale=2.0)
    np.testing.assert_allclose(np.ptp(look.vertices, axis=0), np.array([40, 20, 12]) * metres, rtol=1e-6)


@pytest.mark.parametrize(
    "width, units, hint",
    [
        (40.0, "m", "it is 40 m wide, expected 2 mm to 5 m; its units are probably cm or mm or inch: give --units cm"),
        (120.0, "m", "probably cm or mm"),
        (0.1, "mm", "it is 0.1 mm wide.*probably m"),
        (1e9, "m", "give its units, as --units mm .*, or scale"),
        (
            3.0,
            None,
            "tells no units; read as metres, it is 3 m wide, expected 20 mm to 2 m; .* cm or inch or foot: give --units cm",
        ),
        (3.0, None, "; or --units m, where that is its size"),
        (0.015, None, "it is 15 mm wide, expected 20 mm to 2 m; give its units, .*; or --units m"),
        (80.0, None, r"it is 80 m wide.* give --units cm \(units='cm' in Python\)$"),
    ],
)
def test_an_unlikely_size_is_refused_with_a_hint(tmp_path: Path, width: float, units, hint: str):
    path = tmp_path / "box.stl"
    creation.box((width, width / 2, width / 2)).export(path)
    with pytest.raises(ObjectError, match=hint):
        read_mesh(path, units)


@pytest.mark.parametrize("width", [0.015, 3.0])
def test_a_size_that_is_unlikely_without_units_is_taken_with_them(tmp_path: Path, width: float):
    creation.box((width, width / 2, width / 2)).export(tmp_path / "box.stl")
    (look,), notes = read_mesh(tmp_path / "box.stl", "m")
    assert np.ptp(look.vertices[:, 0]) == pytest.approx(width)
    assert notes == ()


@pytest.mark.parametrize("kind", ["obj", "ply", "stl"])
def test_the_size_that_is_taken_for_granted_is_told(tmp_path: Path, kind: str):
    BOX.export(tmp_path / f"box.{kind}")
    _, (note,) = read_mesh(tmp_path / f"box.{kind}")
    assert note == f"taken to be in metres, 0.2 m wide, as {kind.upper()} files tell no units: give them where it is not"


def test_a_glb_file_is_in_metres_however_small(tmp_path: Path):
    creation.box((0.015, 0.01, 0.01)).export(tmp_path / "die.glb")
    (look,), notes = read_mesh(tmp_path / "die.glb", up="z")
    assert np.ptp(look.vertices[:, 0]) == pytest.approx(0.015)
    assert notes == ()


def textured(folder: Path, texture: str) -> Path:
    """A triangle of 10 cm, its texture where the MTL file says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.mtl").write_text(f"newmtl m\nmap_Kd {texture}\n")
    corners = "v 0 0 0\nv .1 0 0\nv 0 .1 0\nv 0 0 .1\nvt 0 0\nvt 1 0\nvt 0 1\n"
    faces = "f 1/1 3/2 2/3\nf 1/1 2/2 4/3\nf 2/1 3/2 4/3\nf 1/1 4/2 3/3\n"
    (folder / "a.obj").write_text(f"mtllib a.mtl\nusemtl m\n{corners}{faces}")
    return folder / "a.obj"


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)).save(path)


def test_a_texture_comes_with_its_coordinates(tmp_path: Path):
    picture(tmp_path / "maps" / "t.png")
    (look,), notes = read_mesh(textured(tmp_path, "maps/t.png"), "m")
    assert notes == ()
    assert look.image is not None
    np.testing.assert_array_equal(np.asarray(look.image), np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
    assert look.uv is not None
    assert {tuple(row) for row in look.uv.tolist()} == {(0, 0), (1, 0), (0, 1)}


@pytest.mark.parametrize("how", ["..", "absolute", "link"])
def test_a_texture_outside_the_folder_is_not_followed(tmp_path: Path, how: str):
    picture(tmp_path / "secret.png")
    inside = tmp_path / "inside"
    inside.mkdir()
    if how == "link":
        (inside / "t.png").symlink_to(tmp_path / "secret.png")
    name = {"..": "../secret.png", "absolute": str(tmp_path / "secret.png"), "link": "t.png"}[how]
    (look,), notes = read_mesh(textured(inside, name))
    assert look.image is None
    assert any("outside the mesh's folder" in note for note in notes)


def test_a_missing_texture_is_told(tmp_path: Path):
    (look,), notes = read_mesh(textured(tmp_path, "gone.png"))
    assert look.image is None
    assert any("gone.png" in note and "no such file" in note for note in notes)


def half_of(picture_file: Path) -> bytes:
    picture(picture_file)
    content = picture_file.read_bytes()
    return content[: len(content) // 2 + 10]


@pytest.mark.parametrize("damage", ["no picture", "nothing", "half of one"])
def test_a_texture_that_cannot_be_read_is_told_and_left_out(tmp_path: Path, damage: str):
    content = {"no picture": b"hello", "nothing": b"", "half of one": half_of(tmp_path / "whole.png")}[damage]
    (tmp_path / "t.png").write_bytes(content)
    (look,), notes = read_mesh(textured(tmp_path, "t.png"), "m")
    assert look.image is None
    (note,) = notes
    assert note.startswith(
        "left out 't.png': it is no picture" if damage != "half of one" else "left out a texture of 6 x 4 pixels"
    )


def glb(path: Path, image: Image.Image, alpha_mode: str | None = None, **others: Any) -> Path:
    """A box with a texture."""
    box = creation.box((0.2, 0.1, 0.06))
    material = PBRMaterial(baseColorTexture=image, alphaMode=alpha_mode, **others)
    uv = np.linspace(0, 1, 2 * len(box.vertices)).reshape(-1, 2)
    box.visual = TextureVisuals(uv=uv, material=material)
    box.export(path)
    return path


@pytest.mark.parametrize("damage", ["a known one", "unknown"])
def test_a_picture_in_a_glb_that_cannot_be_read_is_told_and_left_out(tmp_path: Path, damage: str):
    path = glb(tmp_path / "a.glb", Image.new("RGB", (64, 64)))
    content = path.read_bytes()
    start = content.index(b"\x89PNG")
    begin = start + 60 if damage == "a known one" else start
    path.write_bytes(content[:begin] + b"?" * 20 + content[begin + 20 :])
    (look,), notes = read_mesh(path, up="z")
    assert look.image is None
    (note,) = notes
    assert "it is damaged" in note if damage == "a known one" else note.startswith("left out picture 0 in it: it is no picture")


@pytest.mark.parametrize("mode, bands", [(None, "RGB"), ("OPAQUE", "RGB"), ("BLEND", "RGBA")])
def test_alpha_counts_only_where_a_glb_says_so(tmp_path: Path, mode: str | None, bands: str):
    faint = Image.new("RGBA", (4, 4), (200, 100, 50, 0))
    (look,), _ = read_mesh(glb(tmp_path / "a.glb", faint, mode))
    assert look.image is not None
    assert "".join(look.image.getbands()) == bands
    assert look.image.getpixel((0, 0)) == ((200, 100, 50) if bands == "RGB" else (200, 100, 50, 0))


def test_a_factor_of_a_glb_dims_its_texture_in_linear_light(tmp_path: Path):
    """By hand: sRGB 128 is 0.2159 in linear light; of half of that, 0.1075, the encoding is 92.6 of 255; of a quarter of white,
    kept as 64 of 255, it is 137.2."""
    grey = Image.new("RGB", (4, 4), (128, 255, 0))
    (look,), _ = read_mesh(glb(tmp_path / "a.glb", grey, baseColorFactor=(0.5, 0.25, 1.0, 0.3)))
    assert look.image is not None
    assert look.image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(look.image.getpixel((1, 1))), (92.6, 137.2, 0), atol=1)
    (look,), _ = read_mesh(glb(tmp_path / "b.glb", grey, "BLEND", baseColorFactor=(1.0, 1.0, 1.0, 0.2)))
    assert look.image is not None
    assert look.image.getpixel((1, 1)) == (128, 255, 0, 51)


@pytest.mark.parametrize("cutoff, alpha", [(None, 0), (0.3, 255)])
def test_masked_alpha_of_a_glb_is_all_or_nothing(tmp_path: Path, cutoff: float | None, alpha: int):
    spotted = Image.new("RGBA", (4, 4), (200, 100, 50, 100))
    spotted.putpixel((0, 0), (200, 100, 50, 10))
    (look,), _ = read_mesh(glb(tmp_path / "a.glb", spotted, "MASK", alphaCutoff=cutoff))
    assert look.image is not None
    assert [look.image.getpixel(place) for place in ((0, 0), (1, 1))] == [(200, 100, 50, 0), (200, 100, 50, alpha)]


@pytest.mark.parametrize("mode, alpha", [(None, 1.0), ("OPAQUE", 1.0), ("BLEND", 0.2)])
def test_alpha_of_a_plain_colour_counts_only_where_a_glb_says_so(tmp_path: Path, mode: str | None, alpha: float):
    box = creation.box((0.2, 0.1, 0.06))
    box.visual = TextureVisuals(material=PBRMaterial(baseColorFactor=(1.0, 0.0, 0.0, 0.2), alphaMode=mode))
    box.export(tmp_path / "a.glb")
    (look,), _ = read_mesh(tmp_path / "a.glb")
    np.testing.assert_allclose(look.rgba, (1, 0, 0, alpha), atol=1e-6)


@pytest.mark.parametrize(
    "name, told",
    [
        ("KHR_draco_mesh_compression", r"compressed with Draco: decompress it first, by `gltf-transform cp a\.glb plain\.glb`"),
        ("EXT_meshopt_compression", "compressed with meshopt: decompress it first"),
    ],
)
def test_a_compressed_glb_is_refused_with_what_decompresses_it(tmp_path: Path, name: str, told: str):
    (tmp_path / "a.glb").write_bytes(glb_of({"extensionsRequired": [name], "accessors": [{"count": 10**5}]}))
    with pytest.raises(ObjectError, match=told):
        read_mesh(tmp_path / "a.glb")


def glb_of(told: dict[str, Any]) -> bytes:
    """A file with nothing but its JSON."""
    content = json.dumps({"asset": {"version": "2.0"}} | told).encode()
    return b"glTF" + struct.pack("<IIII", 2, 20 + len(content), len(content), 0x4E4F534A) + content


@pytest.mark.parametrize("of", ["face", "vertex"])
@pytest.mark.parametrize("kind", ["ply", "glb"])
def test_colours_become_a_texture_with_a_texel_for_each_face(tmp_path: Path, of: str, kind: str):
    mesh = creation.icosphere(2, 0.05)
    top = mesh.triangles_center[:, 2] > 0
    if of == "face" and kind == "ply":
        mesh.visual.face_colors = np.where(top[:, None], [255, 0, 0, 255], [0, 0, 255, 255])
    else:
        mesh.visual.vertex_colors = np.where(mesh.vertices[:, 2:] > 0, [255, 0, 0, 255], [0, 0, 255, 255])
    path = tmp_path / f"ball.{kind}"
    mesh.export(path)
    (look,), _ = read_mesh(path, up="z")
    assert look.image is not None
    assert look.uv is not None
    pixels = np.asarray(look.image)[..., :3]
    height, width = pixels.shape[:2]
    middle = look.vertices[look.faces].mean(1)
    uv = look.uv[look.faces[:, 0]]
    colour = pixels[((1 - uv[:, 1]) * height).astype(int), (uv[:, 0] * width).astype(int)]
    clear = np.abs(middle[:, 2]) > 0.01  # those in between have corners of both colours
    np.testing.assert_array_equal(colour[clear, 0] > 200, middle[clear, 2] > 0)


def test_parts_of_a_glb_lie_where_its_scene_puts_them(tmp_path: Path):
    scene = trimesh.Scene()
    scene.add_geometry(creation.box((0.1, 0.1, 0.1)), transform=trimesh.transformations.translation_matrix([0.5, 0, 0]))
    mirrored = np.diag([-1.0, 1, 1, 1])
    scene.add_geometry(creation.box((0.1, 0.2, 0.1)), transform=mirrored)
    scene.export(tmp_path / "two.glb")
    looks, _ = read_mesh(tmp_path / "two.glb", up="z")
    places = sorted((look.vertices.min(0).round(4).tolist(), look.vertices.max(0).round(4).tolist()) for look in looks)
    assert places == [([-0.05, -0.1, -0.05], [0.05, 0.1, 0.05]), ([0.45, -0.05, -0.05], [0.55, 0.05, 0.05])]
    assert all(trimesh.Trimesh(look.vertices, look.faces).volume > 0 for look in looks)


def test_a_part_without_area_is_left_out_and_told(tmp_path: Path):
    scene = trimesh.Scene()
    scene.add_geometry(BOX, geom_name="box")
    scene.add_geometry(trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]], [[0, 1, 2]], process=False), geom_name="line")
    scene.export(tmp_path / "two.glb")
    looks, notes = read_mesh(tmp_path / "two.glb", up="z")
    assert len(looks) == 1
    assert notes == ("left out 'line': its triangles have no area",)


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("a.fbx", b"", "unknown format '.fbx', expected a file that ends in .obj, .ply, .stl, .glb"),
        ("a.obj", b"", "no triangles|can't be read, or is damaged|can be read, or is damaged"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\n", "triangles|damaged"),
        ("a.obj", b"v 0 0 0\nv .1 0 0\nv 0 nan 0\nf 1 2 3\n", "not finite"),
        ("a.obj", b"v 0 0 0\nv .1 0 0\nf 1 2 9\n", "damaged|refers to vertex"),
        ("a.stl", b"solid \xff\xfe", "damaged|triangles"),
        ("a.stl", b"\0" * 80 + struct.pack("<I", 2**31), "damaged"),
        (
            "a.ply",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\nproperty float x\nend_header\n",
            "damaged",
        ),
        ("a.glb", b"glTF", "no GLB file, or is damaged"),
        ("a.glb", b"glTF" + struct.pack("<III", 2, 24, 4) + b"JSON[]  ", "damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, told: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ObjectError, match=told):
        read_mesh(tmp_path / name)


def test_a_glb_that_claims_more_than_it_holds_is_refused(tmp_path: Path):
    (tmp_path / "a.glb").write_bytes(glb_of({"accessors": [{"count": 10**12, "componentType": 5126, "type": "VEC3"}]}))
    with pytest.raises(ObjectError, match="it claims 1000000000000 elements"):
        read_mesh(tmp_path / "a.glb")


def test_a_glb_whose_counts_cancel_is_refused(tmp_path: Path):
    accessors = [{"count": count, "componentType": 5126, "type": "VEC3"} for count in (10**12, -(10**12))]
    (tmp_path / "a.glb").write_bytes(glb_of({"accessors": accessors}))
    with pytest.raises(ObjectError, match="cannot hold"):
        read_mesh(tmp_path / "a.glb")


def test_one_mesh_placed_often_counts_as_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scene = trimesh.Scene()
    scene.add_geometry(creation.icosphere(2, 0.05), geom_name="ball")
    for i in range(5):
        scene.graph.update(f"ball_{i}", geometry="ball", matrix=np.eye(4))
        scene.add_geometry(creation.box((0.01, 0.01, 0.01)), geom_name=f"box_{i}")
    scene.export(tmp_path / "many.glb")
    monkeypatch.setattr("assets.objects.mesh_file.MAX_FACES", 1500)
    with pytest.raises(ObjectError, match="faces, at most 1500"):
        read_mesh(tmp_path / "many.glb")


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(ObjectError, match=r"gone\.obj: it can't be read: No such file"):
        read_mesh(tmp_path / "gone.obj")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("assets.objects.mesh_file.MAX_FILE_BYTES", 1000)
    (tmp_path / "a.stl").write_bytes(b"\0" * 1001)
    with pytest.raises(ObjectError, match="MiB, at most"):
        read_mesh(tmp_path / "a.stl")
