"""The predictor that comes with zerogap: on made objects that it has not seen, of families that it was trained on."""

import numpy as np
import pytest

from assets.materials.baselines.class_mean import ClassMean
from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.metrics import score
from assets.materials.model.predictor import DEFAULT, load_predictor

_SEED = 20261122  # that no data for training are made with


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data.of([make_sample(_SEED, index) for index in range(40)], tmp_path_factory.mktemp("data"))


def test_it_tells_materials_better_than_what_things_mostly_are(data: Data):
    every = np.arange(len(data))
    predictor, mean = score(load_predictor(), data, every), score(ClassMean.fit(data, every), data, every)
    assert predictor.accuracy.mean() > mean.accuracy.mean() + 0.2
    assert (predictor.error.mean(0) < mean.error.mean(0))[:5].all(), "density, E, nu, friction, restitution"
    assert np.abs(np.log(predictor.mass[:, 0] / predictor.mass[:, 1])).mean() < 1.0


def test_it_believes_the_same_each_time(data: Data):
    for first, second in zip(load_predictor().believe(data.seen(3)), load_predictor().believe(data.seen(3)), strict=True):
        np.testing.assert_array_equal(first, second)


def test_it_is_small():
    assert DEFAULT.stat().st_size < 5e6
