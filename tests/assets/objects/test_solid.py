import sys
from typing import Any

import numpy as np
import pytest
import trimesh
from trimesh import creation

from assets.objects.errors import ObjectError
from assets.objects.solid import Solid, _turned, make_solid, pieces_of

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


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_each_piece_turns_as_most_of_it_is(share: float):
    """Of the second a share is turned; of the first, nothing."""
    faces = BALL.faces.copy()
    wrong = np.random.default_rng(0).random(len(faces)) < share
    faces[wrong] = faces[wrong][:, ::-1]
    turned, count = _turned(np.concatenate([BALL.faces, faces + len(BALL.vertices)]))
    assert count == min(wrong.sum(), len(faces) - wrong.sum())
    np.testing.assert_array_equal(turned[: len(faces)], BALL.faces)
    second = Solid(BALL.vertices, turned[len(faces) :] - len(BALL.vertices))
    assert second.volume == pytest.approx(BALL.volume if share < 0.5 else -BALL.volume)


def calls(loose: int) -> int:
    """Of functions, to turn so many triangles that do not hang together."""
    counted = 0

    def count(*_: Any) -> None:
        nonlocal counted
        counted += 1

    faces = np.arange(3 * loose).reshape(-1, 3)
    sys.setprofile(count)
    _turned(faces)
    sys.setprofile(None)
    return counted


def test_loose_triangles_are_turned_all_at_once():
    calls(1)  # imports what is imported once
    assert calls(1000) == calls(10)


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


def ball_at(radius: float, *at: float) -> trimesh.Trimesh:
    ball = creation.icosphere(2, radius)
    ball.apply_translation(at or (0, 0, 0))
    return ball


@pytest.mark.parametrize("flipped", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_what_lies_in_a_cavity_is_no_cavity_however_it_faces(flipped: tuple[int, ...]):
    balls = [ball_at(0.05), ball_at(0.04), ball_at(0.01, 0.02, 0, 0)]
    volume = balls[0].volume - balls[1].volume + balls[2].volume
    for i in flipped:
        balls[i].invert()
    solid, notes = make(trimesh.util.concatenate(balls))
    assert solid.volume == pytest.approx(volume)
    (told,) = [note for note in notes if "cavity" in note]
    assert told.startswith("found 1 cavity, ")
    assert ("1 faced outwards: delete what is none" in told) == (1 not in flipped)
    assert any("faced inwards" in note for note in notes) == (0 in flipped or 2 in flipped)


def test_what_only_overlaps_or_stands_aside_or_in_a_bay_is_no_cavity():
    beside, through = ball_at(0.01, 0.08, 0, 0), ball_at(0.02, 0.045, 0, 0)
    ring = creation.torus(0.2, 0.02, 48, 24)
    apart = [BALL, beside, through, ring]
    solid, notes = make(trimesh.util.concatenate(apart))
    assert notes == ()
    assert solid.volume == pytest.approx(sum(mesh.volume for mesh in apart))


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_what_is_let_into_a_face_flush_is_no_cavity(turn: float):
    block, tile = creation.box((0.1, 0.1, 0.04)), creation.box((0.03, 0.05, 0.01))
    tile.apply_translation((0.01, -0.02, 0.015))
    both = trimesh.util.concatenate([block, tile])
    both.apply_transform(trimesh.transformations.euler_matrix(turn, 2 * turn, 0))
    solid, notes = make(both)
    assert notes == ()
    assert solid.volume == pytest.approx(block.volume + tile.volume)


def test_what_lies_within_two_that_overlap_is_no_cavity():
    parts = [ball_at(0.05), ball_at(0.06, 0.03, 0, 0), ball_at(0.005, 0.015, 0, 0)]
    solid, notes = make(trimesh.util.concatenate(parts))
    assert notes == ()
    assert solid.volume == pytest.approx(sum(part.volume for part in parts))


def test_a_cavity_that_meets_the_surface_in_a_point_is_one():
    cavity = creation.icosphere(3, 0.025)
    touching = BALL.vertices[BALL.vertices[:, 2].argmax()]
    cavity.apply_translation(touching - cavity.vertices[cavity.vertices[:, 2].argmax()])
    cavity.invert()
    assert len(np.unique(pieces_of(make(trimesh.util.concatenate([BALL, cavity]))[0].faces))) == 2


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
