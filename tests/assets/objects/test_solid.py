import numpy as np
import pytest
import trimesh
from trimesh import creation

from assets.objects.errors import ObjectError
from assets.objects.solid import Solid, make_solid

BALL = creation.icosphere(3, 0.05)


def make(mesh: trimesh.Trimesh) -> tuple[Solid, tuple[str, ...]]:
    return make_solid(mesh.vertices, mesh.faces, "ball")


def test_a_sound_mesh_is_left_alone():
    solid, notes = make(BALL)
    assert notes == ()
    assert solid.volume == pytest.approx(BALL.volume)
    assert solid.area == pytest.approx(BALL.area)


def test_triangles_with_vertices_of_their_own_are_joined():
    # as STL files have them, and OBJ files along the seams of textures
    solid, notes = make_solid(BALL.triangles.reshape(-1, 3), np.arange(3 * len(BALL.faces)).reshape(-1, 3), "ball")
    assert len(solid.vertices) == len(BALL.vertices)
    assert solid.volume == pytest.approx(BALL.volume)
    assert notes == ()


def test_triangles_that_face_the_wrong_way_are_turned():
    faces = BALL.faces.copy()
    wrong = np.random.default_rng(0).random(len(faces)) < 0.4
    faces[wrong] = faces[wrong][:, ::-1]
    solid, notes = make_solid(BALL.vertices, faces, "ball")
    assert solid.volume == pytest.approx(BALL.volume)
    assert notes == (f"turned {wrong.sum()} triangles round",)


def test_a_mesh_that_is_inside_out_is_turned():
    solid, notes = make_solid(BALL.vertices, BALL.faces[:, ::-1], "ball")
    assert solid.volume == pytest.approx(BALL.volume)
    assert "faced inwards" in notes[0]


@pytest.mark.parametrize("flip", [False, True], ids=["as it should", "inside out"])
def test_a_cavity_stays_one(flip: bool):
    cavity = creation.icosphere(3, 0.04)
    cavity.invert()
    mesh = trimesh.util.concatenate([BALL, cavity])
    if flip:
        mesh.invert()
    solid, _ = make(mesh)
    assert solid.volume == pytest.approx(BALL.volume + cavity.volume)


def test_small_holes_are_closed():
    hole = BALL.triangles_center[:, 2] < 0.047
    solid, notes = make_solid(BALL.vertices, BALL.faces[hole], "ball")
    assert notes[0].startswith("closed 1 hole, the widest of ")
    assert solid.volume == pytest.approx(BALL.volume, rel=0.01)


def test_a_hole_that_would_be_a_guess_is_refused():
    with pytest.raises(ObjectError, match=r"1 hole, the widest of \d+.* mm; to close them would take \d+% of it"):
        make_solid(BALL.vertices, BALL.faces[BALL.triangles_center[:, 2] < 0.0], "ball")


def test_triangles_without_area_and_copies_are_dropped():
    faces = np.concatenate([BALL.faces, BALL.faces[:7], [[0, 0, 1], [3, 4, 3]]])
    solid, notes = make_solid(BALL.vertices, faces, "ball")
    assert solid.volume == pytest.approx(BALL.volume)
    assert notes == ("dropped 9 triangles without area, or there twice",)


def test_a_sheet_with_two_sides_is_no_body():
    sheet = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0]])
    front = np.array([[0, 1, 2], [0, 2, 3]])
    with pytest.raises(ObjectError, match="it is a sheet, not a body; give it a thickness"):
        make_solid(sheet, np.concatenate([front, front[:, ::-1]]), "sheet")


def test_nothing_is_no_body():
    with pytest.raises(ObjectError, match="0 of its triangles have an area"):
        make_solid(np.zeros((3, 3)), np.array([[0, 1, 2]]), "nothing")
