import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from assets.materials.believed import INTERVAL, Believed
from assets.materials.classes import CLASSES
from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.data.split import Split
from assets.materials.errors import MaterialError
from assets.materials.metrics import calibration_error, figures, score
from assets.materials.model.arrays import read_arrays
from assets.materials.model.batches import Encodings
from assets.materials.model.calibration import calibrated
from assets.materials.model.card import Card
from assets.materials.model.encoding import Scales
from assets.materials.model.fit import fit
from assets.materials.model.inputs import CELL, INPUTS
from assets.materials.model.network import Belief, Network
from assets.materials.model.predictor import Predictor, load_predictor, shapes_of
from assets.materials.model.train import TrainConfig, Training, losses
from assets.materials.properties import FRICTION, INDEX, PROPERTIES, YIELD, YOUNG
from assets.materials.seen import Seen

TINY = TrainConfig(samples=8, batch=2, base=4, store_every=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data.of([make_sample(9, index) for index in range(10)], tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encodings(data: Data) -> Encodings:
    return Encodings.of(data, np.arange(8), seed=0)


@pytest.fixture(scope="module")
def training(encodings: Encodings, tmp_path_factory: pytest.TempPathFactory) -> Training:
    made = Training(encodings, TINY, tmp_path_factory.mktemp("run") / "member.npz")
    list(made.run(until=2))
    return made


@pytest.fixture(scope="module")
def predictor(training: Training) -> Predictor:
    widths = np.tile(np.linspace(0.5, 2.0, len(PROPERTIES)), (len(CLASSES), 1))
    return Predictor(Card(base=4, members=1), [jax.device_get(training.params)], training.encodings.scales, 1.3, widths)


def test_a_stopped_training_goes_on_exactly(data: Data, encodings: Encodings, training: Training, tmp_path: Path):
    assert training.path is not None
    encodings.write(tmp_path / "encoded")
    resumed = Training(Encodings.read(tmp_path / "encoded"), TINY, training.path)
    assert resumed.done == 2
    list(resumed.run())
    straight = Training(encodings, TINY)
    list(straight.run())
    jax.tree.map(np.testing.assert_array_equal, resumed.state, straight.state)
    with pytest.raises(MaterialError, match="other settings"):
        Training(encodings, replace(TINY, rate=1e-3), training.path)
    with pytest.raises(MaterialError, match="other settings or data"):
        Training(Encodings.of(data, np.arange(1, 9), seed=0), TINY, training.path)


def test_a_predictor_is_the_same_after_it_was_stored(data: Data, predictor: Predictor, tmp_path: Path):
    predictor.write(tmp_path / "p.npz")
    loaded = load_predictor(tmp_path / "p.npz")
    first, second = predictor.believe(data.seen(0)), loaded.believe(data.seen(0))
    assert len(first.mean) == len(data.part(0))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0.02, atol=0.01)  # float16
    np.testing.assert_allclose(first.classes.sum(1), 1.0)
    for a, b in zip(second, loaded.believe(data.seen(0)), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(MaterialError, match="exists already"):
        predictor.write(tmp_path / "p.npz")


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("extra", [0, 5])
def test_the_network_takes_both_resolutions_and_features_of_others(resolution: int, extra: int):
    network, inputs = Network(base=4), shapes_of(Card(resolution=resolution, extra=extra))
    params = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    belief: Any = jax.eval_shape(network.apply, params, *inputs)
    assert [x.shape for x in belief] == [(1, 1, len(CLASSES)), (1, 1, 7), (1, 1, 7)]
    assert inputs.cells.shape == (1, 8, 8, 8, CELL + extra)
    assert inputs.own.shape == (1, 1, INPUTS + extra)


def test_damaged_and_foreign_files_are_refused(predictor: Predictor, tmp_path: Path):
    predictor.write(tmp_path / "p.npz")
    content = (tmp_path / "p.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(MaterialError, match=r"half\.npz"):
        load_predictor(tmp_path / "half.npz")
    for name, card in (("classes", replace(predictor.card, classes=("metal",))), ("base", replace(predictor.card, base=8))):
        Predictor(card, predictor.members, predictor.scales).write(tmp_path / f"{name}.npz")
        with pytest.raises(MaterialError, match=rf"{name}\.npz"):
            load_predictor(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "pickle.npz", card=np.array({"run": "me"}, object))
    with pytest.raises(MaterialError, match=r"pickle\.npz"):
        load_predictor(tmp_path / "pickle.npz")


def test_a_training_that_makes_no_sense_is_refused():
    for told in ({"seed": -1}, {"samples": 0}, {"rate": 2.0}):
        with pytest.raises(MaterialError, match="seed 0 or more, found TrainConfig"):
            TrainConfig(**told)


def test_features_of_another_provider_are_refused_by_name(data: Data, predictor: Predictor):
    with pytest.raises(MaterialError, match=r"'colour'.*'dino'"):
        predictor.card.expect_provider("dino", 8)
    with pytest.raises(MaterialError, match="32 voxels"):
        predictor.believe(replace(data.seen(0), resolution=64))


def test_what_is_not_known_counts_for_nothing():
    rng = np.random.default_rng(0)
    belief = Belief(*(jnp.asarray(rng.normal(size=(2, 6, n)), jnp.float32) for n in (len(CLASSES), 7, 7)))
    label, target = rng.integers(0, 4, (2, 6)), rng.normal(size=(2, 6, 7)).astype(np.float32)
    known = Belief(*(x[:, :3] for x in belief))
    first, _ = losses(known, jnp.asarray(label[:, :3]), jnp.asarray(target[:, :3]))
    label[:, 3:], target[:, 3:] = -1, np.nan
    second, _ = losses(belief, jnp.asarray(label), jnp.asarray(target))
    assert float(first) == pytest.approx(float(second), rel=1e-5)
    slope = jax.grad(lambda mean: losses(belief._replace(mean=mean), jnp.asarray(label), jnp.asarray(target))[0])(belief.mean)
    assert np.isfinite(np.asarray(slope)).all()
    assert (np.asarray(slope)[:, 3:] == 0).all()


class _Boastful(Predictor):
    """Believes the truth with errors twice as wide as it says, and is surer of classes than it should be."""

    def __init__(self, data: Data, seed: int, card: Card | None = None, members: Any = (), *rest: Any):
        super().__init__(card or Card(base=4), members, Scales(np.ones((2, CELL)), np.ones((2, INPUTS))), *rest)
        self.truths = {data.seen(i).values.tobytes(): data.truth(i) for i in range(len(data))}
        self.rng = np.random.default_rng(seed)

    def uncalibrated(self, seen: Seen) -> Believed:
        truth = self.truths[seen.values.tobytes()].astype(float)
        away = self.rng.standard_normal(len(PROPERTIES))
        classes = np.full((len(truth), len(CLASSES)), 0.001)
        right = self.rng.random() < 0.7
        classes[np.arange(len(truth)), truth[:, 0].astype(int) if right else (truth[:, 0].astype(int) + 1) % len(CLASSES)] = (
            0.985
        )
        return Believed(classes, truth[:, 1:] + 0.2 * away, np.full((len(truth), len(PROPERTIES)), 0.1))


def test_calibration_widens_what_boasts(data: Data):
    many = data.only(np.resize(np.arange(10), 120))
    boastful = _Boastful(many, 0)
    fitted = calibrated(boastful, many, np.arange(120))
    assert np.mean(fitted.widths) == pytest.approx(2.0, abs=0.3)
    assert fitted.temperature > 1.5
    checked = _Boastful(many, 1, boastful.card, (), fitted.temperature, fitted.widths)
    before, after = (figures(score(p, many, np.arange(120))) for p in (_Boastful(many, 1), checked))
    assert before["interval_coverage"] < 0.7
    assert after["interval_coverage"] == pytest.approx(0.9, abs=0.05)
    assert after["class_calibration_error"] < before["class_calibration_error"]


def test_the_truth_scores_full_marks(data: Data):
    truths = {data.seen(i).values.tobytes(): data.truth(i).astype(float) for i in range(len(data))}

    class Oracle:
        def believe(self, seen: Seen) -> Believed:
            truth = truths[seen.values.tobytes()]
            return Believed(np.eye(len(CLASSES))[truth[:, 0].astype(int)], truth[:, 1:], np.full((len(truth), 7), 1e-3))

    told = figures(score(Oracle(), data, np.arange(len(data))))
    assert told["class_accuracy"] == told["mean_iou"] == 1.0
    assert max(told["error"].values()) < 1e-6
    assert told["mass_alde"] < 0.01
    assert told["mass_mnre"] > 0.99


def test_what_data_do_not_tell_of_is_left_out_by_name(data: Data):
    material = data.material.copy()
    material[..., 1 + INDEX[FRICTION]] = material[..., 1 + INDEX[YIELD]] = np.nan
    material[0, :, 1 + INDEX[YOUNG]] = np.nan  # of one object only
    some = replace(data, material=material)
    full, part = (figures(score(_Boastful(data, 0), told, np.arange(len(data)))) for told in (data, some))
    text = json.dumps(part, allow_nan=False)
    assert part["unlabelled"] == ["friction", "yield"]
    assert full["unlabelled"] == []
    for name in ("error", "interval_coverage_by_property", "surest_half"):
        assert set(full[name]) - set(part[name]) == {"friction", "yield"}, text
    same = ("density", "poisson", "restitution", "fill")
    assert all(part["error"][name] == full["error"][name] for name in same)
    shares = part["interval_coverage_by_property"]
    assert all(shares[name] == full["interval_coverage_by_property"][name] for name in same)
    # a miss is where an interval does not hold the truth, not where there is no truth
    assert part["interval_coverage"] == pytest.approx(np.mean(list(shares.values())), abs=0.02)
    material[..., 0] = -1
    nameless = figures(score(_Boastful(data, 0), replace(data, material=material), np.arange(len(data))))
    json.dumps(nameless, allow_nan=False)
    assert nameless["unlabelled"] == ["class", "friction", "yield"]
    assert "class_accuracy" not in nameless


def test_calibration_error_is_the_gap_between_sure_and_right():
    sure = np.repeat([0.95, 0.55], 1000)
    right = np.concatenate([np.arange(1000) < 750, np.arange(1000) < 550])
    assert calibration_error(np.stack([sure, right], 1)) == pytest.approx(0.1, abs=1e-9)
    assert pytest.approx(1.6449, abs=1e-4) == INTERVAL


@pytest.mark.long("each member's process imports and compiles for itself, twice")
def test_members_are_trained_side_by_side_and_go_on_where_they_stopped(tmp_path: Path):
    data = Data.of([make_sample(12, index) for index in range(40)], tmp_path)
    split = Split.drawn(data.tags, 0)
    told = []

    def stop(what: str, done: int, of: int, losses: dict[str, float]) -> None:
        told.append(what)
        if what.startswith("member"):
            raise KeyboardInterrupt

    brief = replace(TINY, samples=80, store_every=1000)
    with pytest.raises(KeyboardInterrupt):
        fit(data, split, tmp_path / "out", brief, 2, stop, jobs=2)
    assert "encoding" in told
    predictor = fit(data, split, tmp_path / "out", brief, 2, jobs=2)
    states = [read_arrays(tmp_path / "out" / f"member_{number}.npz")[1] for number in (0, 1)]
    assert [int(state["step"]) for state in states] == [40, 40]
    kernels = [np.asarray(member["params"]["head"]["kernel"]) for member in predictor.members]
    np.testing.assert_array_equal(states[0]["params/params/head/kernel"], kernels[0])
    assert (kernels[0] != kernels[1]).any(), "each member begins otherwise"
    assert predictor.card.held_out == split.held_out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["member_0.npz", "member_1.npz", "predictor.npz"]
    with pytest.raises(MaterialError, match="exists already"):
        fit(data, split, tmp_path / "out", brief, 2)
