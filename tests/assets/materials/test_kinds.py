import numpy as np
import pytest

from assets.materials import picture
from assets.materials.classes import CLASSES, DRAWN
from assets.materials.data.appearances import APPEARANCES
from assets.materials.kinds import KINDS
from assets.materials.properties import DENSITY, FILL, PROPERTIES, YOUNG


@pytest.mark.parametrize("name", KINDS)
def test_a_kinds_ranges_are_a_materials_and_its_draws_lie_in_them(name: str):
    kind = KINDS[name]
    for prop, (low, high) in kind.ranges.items():
        assert prop.low <= low < high <= prop.high, prop.name
    rng = np.random.default_rng(0)
    draws = np.array([kind.drawn(rng) for _ in range(200)])
    low, high = kind.limits
    assert (draws >= low - 1e-9).all()
    assert (draws <= high + 1e-9).all()
    assert (draws.std(0) > 0.2 * (high - low) / 2).all()
    assert kind.source


def test_every_class_has_a_kind_and_a_colour_and_every_kind_a_look():
    assert {kind.material for kind in KINDS.values()} == set(CLASSES)
    assert len(set(picture._COLOURS)) == len(CLASSES)
    assert APPEARANCES.keys() == KINDS.keys()


def test_a_draw_is_of_all_properties_but_the_last():
    assert (*DRAWN, FILL) == PROPERTIES


def test_dense_wood_is_stiff_wood():
    rng = np.random.default_rng(0)
    draws = np.array([KINDS["hardwood"].drawn(rng) for _ in range(2000)])
    density, young = draws[:, DRAWN.index(DENSITY)], draws[:, DRAWN.index(YOUNG)]
    assert np.corrcoef(density, young)[0, 1] == pytest.approx(0.8, abs=0.05)
