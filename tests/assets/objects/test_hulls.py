from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from trimesh import creation

from assets.objects import hulls
from assets.objects.cache import cache_folder, key_of
from assets.objects.errors import ObjectError
from assets.objects.hulls import Decomposition, Hull, can_divide, convex_parts, merged, total_volume
from assets.objects.solid import Solid, make_solid

needs_coacd = pytest.mark.skipif(not can_divide(), reason="CoACD is not installed: pip install 'zerogap[objects]'")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def solid_of(*meshes: trimesh.Trimesh) -> Solid:
    mesh = trimesh.util.concatenate(list(meshes))
    return make_solid(mesh.vertices, mesh.faces, "test")[0]


def corner() -> Solid:
    """An L of 10 cm, as one surface."""
    outline = np.array([[0, 0], [0.1, 0], [0.1, 0.03], [0.03, 0.03], [0.03, 0.1], [0, 0.1]])
    low, high = np.c_[outline, np.zeros(6)], np.c_[outline, np.full(6, 0.04)]
    caps = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 5], [3, 4, 5]])
    sides = [face for i in range(6) for j in [(i + 1) % 6] for face in ([i, j, j + 6], [i, j + 6, i + 6])]
    return make_solid(np.concatenate([low, high]), np.concatenate([caps[:, ::-1], caps + 6, sides]), "corner")[0]


L = corner()


def test_a_hull_knows_what_lies_in_it():
    hull = Hull.of(creation.box((0.2, 0.1, 0.04)).vertices)
    assert hull is not None
    assert hull.volume == pytest.approx(0.2 * 0.1 * 0.04)
    assert trimesh.Trimesh(hull.vertices, hull.faces, process=False).volume == pytest.approx(hull.volume)
    points = np.random.default_rng(0).uniform(-0.12, 0.12, (500, 3))
    np.testing.assert_array_equal(hull.contains(points), (np.abs(points) <= [0.1, 0.05, 0.02]).all(1))


def test_points_in_a_plane_have_no_hull():
    assert Hull.of(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]])) is None


def test_a_ball_of_few_corners_is_as_wide_as_the_ball(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hulls, "can_divide", lambda: False)
    ball = solid_of(creation.icosphere(4, 0.05))
    (hull,), _ = convex_parts(ball, Decomposition(max_vertices=64))
    assert len(hull.vertices) == 64
    np.testing.assert_allclose(np.linalg.norm(hull.vertices, axis=1), 0.05, rtol=1e-6)
    assert -hull.planes[:, 3].max() > 0.9 * 0.05  # none of its faces cuts deep
    assert hull.volume > 0.85 * ball.volume


@needs_coacd
def test_an_l_is_two_boxes():
    found, notes = convex_parts(L, Decomposition(concavity=0.05))
    assert notes == ()
    assert len(found) == 2
    assert total_volume(found) == pytest.approx(L.volume, rel=0.03)
    assert found[0].volume >= found[1].volume
    gap = np.array([[0.07, 0.07, 0.02]])
    assert not any(hull.contains(gap).any() for hull in found)


@needs_coacd
def test_the_same_solid_is_divided_the_same_way_again(cache: Path):
    first, _ = convex_parts(L, Decomposition(concavity=0.05))
    (entry,) = (cache / "zerogap" / "hulls").iterdir()
    entry.unlink()
    again, _ = convex_parts(L, Decomposition(concavity=0.05))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)


@needs_coacd
def test_what_was_divided_is_found_again_without_dividing(monkeypatch: pytest.MonkeyPatch):
    first, _ = convex_parts(L, Decomposition(concavity=0.05))
    monkeypatch.setattr(hulls, "_divide", lambda *_: pytest.fail("divided again"))
    again, _ = convex_parts(L, Decomposition(concavity=0.05))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)


@needs_coacd
@pytest.mark.parametrize("damage", [b"", b"not a zip file", b"PK\x03\x04 cut off"])
def test_a_damaged_entry_is_made_anew(cache: Path, damage: bytes):
    first, _ = convex_parts(L, Decomposition(concavity=0.05))
    (entry,) = (cache / "zerogap" / "hulls").iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage)
    again, _ = convex_parts(L, Decomposition(concavity=0.05))
    assert total_volume(again) == total_volume(first)
    assert len(entry.read_bytes()) == len(whole)


@needs_coacd
def test_an_entry_that_lies_is_made_anew(cache: Path):
    first, _ = convex_parts(L, Decomposition(concavity=0.05))
    (entry,) = (cache / "zerogap" / "hulls").iterdir()
    with entry.open("wb") as file:
        np.savez(file, points=np.zeros((5, 3)), counts=np.array([3, 9]))
    assert total_volume(convex_parts(L, Decomposition(concavity=0.05))[0]) == total_volume(first)


@needs_coacd
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(convex_parts(L, Decomposition(concavity=0.05))[0]) == 2


def test_the_cache_lies_where_the_user_wants_it(cache: Path, monkeypatch: pytest.MonkeyPatch):
    assert cache_folder() == cache / "zerogap"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "zerogap"


def test_keys_tell_contents_apart():
    points = np.zeros((2, 3))
    keys = {
        key_of(points, "a"),
        key_of(points, "b"),
        key_of(points.reshape(3, 2), "a"),
        key_of(points.astype(np.float32), "a"),
        key_of(points + 1e-12, "a"),
        key_of("a", points),
    }
    assert len(keys) == 6
    assert key_of(points, "a") == key_of(points.copy(), "a")


def test_without_coacd_each_piece_is_a_hull_and_that_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hulls, "can_divide", lambda: False)
    far = creation.icosphere(2, 0.02)
    far.apply_translation([0.3, 0, 0])
    found, notes = convex_parts(solid_of(creation.box((0.1, 0.1, 0.1)), far), Decomposition(max_vertices=256))
    assert [hull.volume for hull in found] == pytest.approx([1e-3, far.volume])
    assert "as CoACD is not installed: pip install" in notes[0]


def pearls(count: int) -> Solid:
    """Balls of 1 cm in two rows of 5 cm between them."""
    balls = [creation.icosphere(0, 0.01) for _ in range(count)]
    for i, ball in enumerate(balls):
        ball.apply_translation([0.025 * (i // 2), 0.05 * (i % 2), 0])
    return solid_of(*balls)


@pytest.mark.parametrize("most", [1, 2, 5, 12, 40])
@pytest.mark.parametrize("divides", [False, pytest.param(True, marks=needs_coacd)], ids=["pieces", "CoACD"])
def test_there_are_never_more_hulls_than_asked_for(most: int, divides: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hulls, "can_divide", lambda: divides)
    solid = pearls(40)
    found, notes = convex_parts(solid, Decomposition(max_hulls=most, max_vertices=256))
    assert len(found) <= most
    assert divides or len(found) == most
    for vertex in solid.vertices:  # all of it is covered still
        assert max(-(hull.planes[:, :3] @ vertex + hull.planes[:, 3]).max() for hull in found) > -2e-4
    assert divides or any("40 convex parts became" in note for note in notes) == (most < 40)


def test_those_become_one_that_add_least(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hulls, "can_divide", lambda: False)
    rows, _ = convex_parts(pearls(40), Decomposition(max_hulls=2, max_vertices=256))
    for row in rows:
        assert np.ptp(row.vertices[:, 1]) < 0.021, "each row is one"


def test_corners_that_nearly_lie_in_planes_are_told_apart():
    balls = [creation.icosphere(1, 0.004) for _ in range(40)]  # whose faces are parallel
    for ball, at in zip(balls, np.random.default_rng(2).uniform(0, 0.05, (40, 3)), strict=True):
        ball.apply_translation(at)
    made = [hull for ball in balls if (hull := Hull.of(np.asarray(ball.vertices))) is not None]
    found = merged(made, 4, 64)
    assert len(found) == 4
    assert all(len(hull.vertices) <= 64 for hull in found)


@needs_coacd
def test_what_coacd_gives_too_much_becomes_less(monkeypatch: pytest.MonkeyPatch):
    boxes = [creation.box((0.02, 0.02, 0.02), trimesh.transformations.translation_matrix((0.021 * i, 0, 0))) for i in range(6)]
    monkeypatch.setattr(hulls, "_divide", lambda *_: [np.asarray(box.vertices) for box in boxes])
    found, notes = convex_parts(solid_of(*boxes), Decomposition(max_hulls=3))
    assert len(found) == 3
    assert "6 convex parts became 3" in notes[0]


def test_without_coacd_a_cavity_collides_with_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hulls, "can_divide", lambda: False)
    hollow = solid_of(creation.box((0.1, 0.1, 0.1)), creation.icosphere(2, 0.02))
    (hull,), _ = convex_parts(hollow, Decomposition())
    assert hull.volume == pytest.approx(1e-3)


@pytest.mark.parametrize("name, value", [("concavity", 0.0), ("max_hulls", 0), ("max_vertices", 3), ("seed", -1)])
def test_impossible_settings_are_refused(name: str, value: float):
    assert name in asdict(Decomposition())
    with pytest.raises(ObjectError, match=rf"Decomposition\.{name} must be within"):
        replace(Decomposition(), **{name: value})
