import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.objects.density import inertial_of, uniform, with_mass
from assets.objects.errors import ObjectError
from assets.objects.solid import make_solid
from assets.objects.voxels import Voxels, voxelise
from assets.objects.walls import wall_of
from assets.robots.primitives import Inertial
from tests.assets.objects.shapes import Known, box, capsule, cylinder, hollow_sphere, less, sphere, torus

DENSITY = 700.0
SOLIDS = {
    "box": box(0.1, 0.06, 0.03),
    "plate": box(0.1, 0.06, 0.001),
    "rod": box(0.2, 0.01, 0.01),
    "sphere": sphere(0.05),
    "cylinder": cylinder(0.03, 0.12),
    "capsule": capsule(0.02, 0.08),
    "torus": torus(0.05, 0.015),
    "hollow sphere": hollow_sphere(0.05, 0.045),
    "hollow sphere, all outwards": hollow_sphere(0.05, 0.045, faces_inwards=False),
}
TURNED = trimesh.transformations.euler_matrix(0.4, -0.7, 1.1)


def tensor(inertial: Inertial) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = inertial.inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def voxels_of(known: Known, pose: np.ndarray, wall: float | None = None) -> Voxels:
    mesh = known.mesh.copy()
    mesh.apply_transform(pose)
    solid, _ = make_solid(mesh.vertices, mesh.faces, "known")
    voxels = voxelise(solid)
    return voxels if wall is None else wall_of(solid, voxels, wall)


def assert_is(inertial: Inertial, known: Known, pose: np.ndarray) -> None:
    """Within the bounds that are promised: 0.5 % of mass, 2 % of each moment about the centre of mass."""
    assert inertial.mass == pytest.approx(DENSITY * known.volume, rel=0.005)
    np.testing.assert_allclose(inertial.com, pose[:3, 3], atol=1e-5)
    turned = pose[:3, :3].T @ tensor(inertial) @ pose[:3, :3]
    np.testing.assert_allclose(np.diag(turned), DENSITY * np.array(known.moments), rtol=0.02)
    assert np.abs(turned - np.diag(np.diag(turned))).max() < 0.01 * np.diag(turned).max()


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("turn", [np.eye(4), TURNED], ids=["upright", "turned"])
def test_solids_weigh_and_turn_as_their_formulas_say(name: str, turn: np.ndarray):
    pose = turn.copy()
    pose[:3, 3] = (0.3, -0.2, 0.1)
    voxels = voxels_of(SOLIDS[name], pose)
    assert_is(inertial_of(voxels, uniform(voxels, DENSITY)), SOLIDS[name], pose)


@pytest.mark.parametrize("faces_inwards", [False, True])
def test_a_cavity_aside_shifts_the_centre_as_the_formulas_say(faces_inwards: bool):
    whole, gap, aside = sphere(0.05), sphere(0.02), 0.02
    cavity = gap.mesh.copy()
    cavity.apply_translation((aside, 0, 0))
    if faces_inwards:
        cavity.invert()
    vertices = np.concatenate([whole.mesh.vertices, cavity.vertices])
    solid, notes = make_solid(vertices, np.concatenate([whole.mesh.faces, cavity.faces + len(whole.mesh.vertices)]), "ball")
    voxels = voxelise(solid)
    inertial = inertial_of(voxels, uniform(voxels, DENSITY))
    left = whole.volume - gap.volume
    x = -gap.volume * aside / left
    along = whole.moments[0] - gap.moments[0]
    across = whole.moments[1] + whole.volume * x**2 - gap.moments[1] - gap.volume * (aside - x) ** 2
    assert inertial.mass == pytest.approx(DENSITY * left, rel=0.005)
    np.testing.assert_allclose(inertial.com, (x, 0, 0), atol=1e-5)
    np.testing.assert_allclose(inertial.inertia[:3], DENSITY * np.array([along, across, across]), rtol=0.02)
    assert any(note.startswith("found 1 cavity, 33.4 cm³") for note in notes)


@pytest.mark.parametrize("wall", [0.0015, 0.002, 0.003, 0.004])
@pytest.mark.parametrize("resolution", [32, 64])
def test_upright_walls_between_two_lines_weigh_as_much_as_others(wall: float, resolution: int):
    """An open crate of boards along the axes, as most that was drawn by hand."""
    x, y, z = 0.4, 0.3, 0.2
    boards = [(x, y, wall, (0, 0, wall / 2))]
    boards += [(wall, y, z - wall, (side * (x - wall) / 2, 0, (z + wall) / 2)) for side in (-1, 1)]
    boards += [(x - 2 * wall, wall, z - wall, (0, side * (y - wall) / 2, (z + wall) / 2)) for side in (-1, 1)]
    pieces = [trimesh.creation.box(size, trimesh.transformations.translation_matrix(at)) for *size, at in boards]
    mesh = trimesh.util.concatenate(pieces)
    solid, _ = make_solid(mesh.vertices, mesh.faces, "crate")
    voxels = voxelise(solid, resolution)
    inertial = inertial_of(voxels, uniform(voxels, DENSITY))
    assert inertial.mass == pytest.approx(DENSITY * sum(piece.volume for piece in pieces), rel=0.005)
    expected = DENSITY * mesh.moment_inertia
    np.testing.assert_allclose(np.diag(tensor(inertial)), np.diag(expected), rtol=0.02)


@pytest.mark.parametrize("wall", [0.02, 0.003, 0.0005])
@pytest.mark.parametrize("turn", [np.eye(4), TURNED], ids=["upright", "turned"])
def test_walls_of_any_thickness_weigh_as_the_solid_without_its_inside(wall: float, turn: np.ndarray):
    inner = 2 * wall
    for whole, inside in (
        (box(0.1, 0.08, 0.06), box(0.1 - inner, 0.08 - inner, 0.06 - inner)),
        (sphere(0.05), sphere(0.05 - wall)),
    ):
        voxels = voxels_of(whole, turn, wall)
        assert_is(inertial_of(voxels, uniform(voxels, DENSITY)), less(whole, inside), turn)


def test_what_has_no_room_for_a_hollow_is_solid():
    # twice the wall is more than the rod is thick, but its corners alone would leave a tunnel inside out
    rod = box(0.2, 0.004, 0.004)
    voxels = voxels_of(rod, np.eye(4), wall=0.003)
    assert_is(inertial_of(voxels, uniform(voxels, DENSITY)), rod, np.eye(4))


def test_two_materials_weigh_as_two_boxes():
    known = box(0.1, 0.05, 0.05)
    voxels = voxels_of(known, np.eye(4))
    heavy = voxels.centers[..., 0] > 0
    field = np.where(heavy, 2000.0, 500.0)
    # the cubes in the middle straddle the border, so it lies where their faces do
    border = voxels.centers[..., 0][heavy].min() - voxels.size / 2
    left, right = box(0.05 + border, 0.05, 0.05), box(0.05 - border, 0.05, 0.05)
    masses = 500 * left.volume, 2000 * right.volume
    places = np.array([(border - 0.05) / 2, (border + 0.05) / 2])
    found = inertial_of(voxels, field)
    assert found.mass == pytest.approx(sum(masses), rel=1e-6)
    center = float(places @ masses / sum(masses))
    np.testing.assert_allclose(found.com, (center, 0, 0), atol=1e-9)
    expected = 500 * left.moments[2] + 2000 * right.moments[2] + float(masses @ (places - center) ** 2)
    assert found.inertia[2] == pytest.approx(expected, rel=1e-6)


def test_a_cube_has_an_inertia_of_its_own():
    voxels = Voxels(np.zeros(3), 0.02, np.zeros((1, 1, 1, 10)))
    voxels.moments[0, 0, 0] = 0.02**3 * np.array([1, 0, 0, 0, *[0.02**2 / 12] * 3, 0, 0, 0])
    inertial = inertial_of(voxels, uniform(voxels, 1000.0))
    np.testing.assert_allclose(inertial.inertia, [inertial.mass * 0.02**2 / 6] * 3 + [0] * 3, rtol=1e-12)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), mass=st.floats(1e-3, 50))
def test_any_field_is_a_distribution_of_mass(seed: int, mass: float):
    random = np.random.default_rng(seed)
    voxels = SPHERE
    field = random.uniform(1, 20000, voxels.shape) * (random.random(voxels.shape) < random.uniform(0.05, 1))
    inertial = with_mass(inertial_of(voxels, field), mass)
    moments = np.linalg.eigvalsh(tensor(inertial))
    assert inertial.mass == mass
    assert moments[0] > 0
    assert moments[2] <= moments[:2].sum() * (1 + 1e-9)  # the triangle inequality, without which MuJoCo refuses a body
    assert np.linalg.norm(inertial.com) < 0.05


SPHERE = voxels_of(sphere(0.05), np.eye(4))


@pytest.mark.parametrize(
    "field, told",
    [
        (np.ones((2, 2, 2)), "has shape"),
        (np.full(SPHERE.shape, -1.0), "below zero"),
        (np.full(SPHERE.shape, np.nan), "not finite"),
        (np.zeros(SPHERE.shape), "no mass"),
    ],
)
def test_impossible_fields_are_refused(field: np.ndarray, told: str):
    with pytest.raises(ObjectError, match=told):
        inertial_of(SPHERE, field)


def test_impossible_materials_are_refused():
    with pytest.raises(ObjectError, match="no material"):
        uniform(SPHERE, 1e6)
    with pytest.raises(ObjectError, match="mass must be positive"):
        with_mass(inertial_of(SPHERE, uniform(SPHERE, 100.0)), 0.0)
