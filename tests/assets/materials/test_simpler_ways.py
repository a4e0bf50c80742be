from dataclasses import replace

import numpy as np
import pytest

from assets.materials.baselines.class_mean import ClassMean
from assets.materials.baselines.geometry_only import GeometryOnly, without_looks
from assets.materials.baselines.nearest import Nearest
from assets.materials.baselines.per_point import PerPoint
from assets.materials.classes import CLASSES
from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.metrics import score
from assets.materials.seen import COLOUR, KNOWN, SPREAD


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data.of([make_sample(21, index) for index in range(16)], tmp_path_factory.mktemp("data"))


def test_class_means_are_means_over_objects(data: Data):
    mean = ClassMean.fit(data, np.arange(16))
    each = np.stack([data.truth(i)[:, 1:].mean(0) for i in range(16)])
    np.testing.assert_allclose(mean.mean, each.mean(0), rtol=1e-5)
    shares = np.stack([np.bincount(data.truth(i)[:, 0].astype(int), minlength=len(CLASSES)) for i in range(16)])
    np.testing.assert_allclose(mean.classes, (shares / shares.sum(1, keepdims=True)).mean(0))
    believed = mean.believe(data.seen(3))
    assert believed.mean.shape == (len(data.part(3)), 7)


def test_the_nearest_of_its_own_data_are_right(data: Data):
    scores = score(Nearest.fit(data, np.arange(16)), data, np.arange(16))
    assert scores.accuracy.mean() > 0.6
    constant = score(ClassMean.fit(data, np.arange(16)), data, np.arange(16))
    assert scores.accuracy.mean() > constant.accuracy.mean() + 0.3


def test_a_network_of_single_voxels_learns(data: Data):
    scores = score(PerPoint.fit(data, np.arange(16), steps=200), data, np.arange(16))
    constant = score(ClassMean.fit(data, np.arange(16)), data, np.arange(16))
    assert scores.accuracy.mean() > constant.accuracy.mean() + 0.2
    again = PerPoint.fit(data, np.arange(16), steps=200).believe(data.seen(0))
    np.testing.assert_array_equal(again.mean, PerPoint.fit(data, np.arange(16), steps=200).believe(data.seen(0)).mean)


def test_what_knows_geometry_alone_does_not_see_colours(data: Data):
    blind = GeometryOnly(Nearest.fit(without_looks(data), np.arange(16)))
    seen = data.seen(2)
    values = seen.values.copy()
    values[:, COLOUR], values[:, SPREAD], values[:, KNOWN] = 17, 200, 0
    for a, b in zip(blind.believe(seen), blind.believe(replace(seen, values=values)), strict=True):
        np.testing.assert_array_equal(a, b)
