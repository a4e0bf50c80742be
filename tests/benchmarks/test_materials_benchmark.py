"""The benchmark's parts: whose predictor is taken for whose, the table of what was asked, and the way to an MJCF file."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.data.split import Split
from assets.materials.metrics import figures, score
from assets.materials.model.card import Card
from assets.materials.model.encoding import Scales
from assets.materials.model.fit import PREDICTOR
from assets.materials.model.network import Network
from assets.materials.model.predictor import Predictor, shapes_of
from assets.materials.model.train import TrainConfig
from benchmarks import materials
from benchmarks.materials import PROBES, Sizes, content_hash, fitted, pushed, seconds_to_mjcf, summary

ASKED = {
    *("held_out_objects", "class_accuracy", "mean_iou"),
    *(f"error_{name}" for name in ("young", "density", "poisson", "friction", "restitution")),
    *("mass_alde", "mass_mnre", "baselines", "interval_coverage", "class_calibration_error"),
    *(f"surest_half_{name}" for name in ("class", "young", "density", "poisson", "friction", "restitution")),
    *(f"probe_{name}" for name in PROBES),
    *("seconds_network", "seconds_mesh_to_mjcf", "real_mass_alde", "real_mass_mnre", "panda_push"),
}
"""Rows of the table of figures to reach."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Untrained."""
    card = Card(base=4, members=1)
    inputs = shapes_of(card)
    member = jax.jit(Network(base=4).init)(jax.random.key(0), *(np.zeros(s.shape, s.dtype) for s in inputs))
    scales = Scales(*(np.stack([np.zeros(s.shape[-1]), np.ones(s.shape[-1])]) for s in (inputs.cells, inputs.own)))
    return Predictor(card, [member], scales)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data.of([make_sample(9, index) for index in range(8)], tmp_path_factory.mktemp("data"))


def test_a_predictor_is_found_again_by_data_split_and_settings_alone(data: Data, predictor: Predictor, tmp_path: Path):
    split, config = Split(("box",), ("grain",), (("metal", "wood"),), seed=2), TrainConfig(samples=7, seed=200)
    known = content_hash(data, split, config, 3)
    predictor.write(tmp_path / f"materials.seed2-{known}" / PREDICTOR)
    found = fitted(data, split, Sizes(8, 7, 3), 2, tmp_path)  # it would take minutes to train it
    np.testing.assert_array_equal(found.widths, predictor.widths)
    assert {path.name for path in tmp_path.iterdir()} == {f"materials.seed2-{known}"}
    mass = data.mass.copy()
    mass[0] *= 1.0001
    others = [
        content_hash(replace(data, mass=mass), split, config, 3),
        content_hash(data, replace(split, shapes=("ball",)), config, 3),
        content_hash(data, replace(split, seed=3), config, 3),
        content_hash(data, split, replace(config, samples=8), 3),
        content_hash(data, split, replace(config, seed=0), 3),
        content_hash(data, split, config, 2),
    ]
    assert len({known, *others}) == 7


def made_run(data: Data, predictor: Predictor) -> dict:
    told = figures(score(predictor, data, np.arange(len(data))))
    gain = {name: [0.1, 0.05, 0.2] for name in ("class_accuracy", "error_young", "error_density", "mass_alde")}
    probes = {"predictor": dict.fromkeys(PROBES, 0.1), "class_mean": dict.fromkeys(PROBES, 0.5)}
    run = {"figures": {"predictor": told}, "gains": {"class_mean": gain}, "probes": probes, "enough": True}
    return run | {"seconds_network": 0.2, "seconds_mesh_to_mjcf": 7.0}


def test_every_figure_that_was_asked_for_has_a_row(data: Data, predictor: Predictor):
    run = made_run(data, predictor)
    told = summary([run, run], push=None)
    assert set(told["reached"]) == ASKED
    unknown = {name for name, reached in told["reached"].items() if reached is None}
    assert unknown == {"real_mass_alde", "real_mass_mnre", "panda_push"}, "this run has not measured them"
    assert told["reached"]["seconds_network"]
    assert not told["reached"]["seconds_mesh_to_mjcf"]
    assert told["seconds_mesh_to_mjcf"] == 7.0
    real = run | {"real": {"alde": 0.6, "mnre": 0.5, "objects": {}, "refused": {}}}
    told = summary([real, real], push=False)["reached"]
    assert (told["real_mass_alde"], told["real_mass_mnre"], told["panda_push"]) == (True, False, False)
    assert not summary([run, run | {"enough": False}], push=True)["reached"]["held_out_objects"]


def test_what_pushing_has_found_is_read_where_it_is(tmp_path: Path):
    assert pushed(tmp_path) is None
    (tmp_path / "push.json").write_text('{"summary": {"reached": true}}')
    assert pushed(tmp_path) is True


def test_the_way_from_a_mesh_to_an_mjcf_file_is_gone_in_full(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    written = []
    write = materials.write_mjcf
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(materials, "_MESHES", 1)
    monkeypatch.setattr(materials, "write_mjcf", lambda made, out: written.append((made, write(made, out).is_file())))
    assert seconds_to_mjcf(predictor) > 0
    assert [found for _, found in written] == [True, True]
    first, second = (made for made, _ in written)
    assert len(first.solid.faces) > 15_000
    assert first.notes == () or not any("hole" in note for note in first.notes)
    assert not np.array_equal(first.solid.vertices, second.solid.vertices), "what is in the cache takes no time"
