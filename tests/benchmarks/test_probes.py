"""The probes beside formulas, on bricks; and that each answers to what it should, and to nothing else."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from assets.materials.data.sample import make_sample
from assets.materials.data.shards import Data
from assets.materials.embody import embody
from assets.materials.properties import DENSITY, FRICTION, INDEX, POISSON, RESTITUTION, YOUNG
from assets.materials.seen import OCCUPANCY
from benchmarks.probes import (
    DROP,
    PROBES,
    PUSH_DENSITY,
    SLIDE_SPEED,
    SQUEEZE_STRAIN,
    Truth,
    compare,
    drop,
    of_sample,
    probed,
    push,
    slide,
    squeeze,
    tilt,
)
from tests.assets.materials.fields import FOAM, WOOD, field_of, joined
from tests.assets.objects.made import brick

BRICK = brick()
DEAD = WOOD | {RESTITUTION: 0.2}


def made(values):
    return embody(BRICK, field_of(BRICK, values), timestep=0.001)


@pytest.mark.parametrize("friction", [0.2, 0.6])
def test_it_slides_as_far_as_coulomb_says(friction):
    expected = SLIDE_SPEED**2 / (2 * friction * 9.81)
    assert slide(made(DEAD | {FRICTION: friction})) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("density", [50.0, 5000.0])
def test_a_push_is_divided_by_the_mass(density):
    assert push(made(WOOD | {DENSITY: density})) == pytest.approx(PUSH_DENSITY / density, rel=0.01)


@pytest.mark.parametrize("restitution", [0.3, 0.6, 0.85])
def test_it_rebounds_by_the_square_of_its_restitution(restitution):
    assert drop(made(WOOD | {RESTITUTION: restitution})) == pytest.approx(
        restitution**2 * DROP, abs=2 * 0.03 * restitution * DROP
    )


def test_it_tips_over_when_its_mass_is_above_the_edge():
    assert tilt(made(WOOD)) == pytest.approx(math.atan2(0.1, 0.03), abs=math.radians(4))
    beyond = BRICK.voxels.centers[..., 0] > 0.1
    heavy = joined(field_of(BRICK, WOOD), field_of(BRICK, WOOD | {DENSITY: 6000.0}), beyond)
    arm = 0.2 - (600 * 0.05 + 6000 * 0.15) / 6600
    assert tilt(embody(BRICK, heavy)) == pytest.approx(math.atan2(arm, 0.03), abs=math.radians(4))


def test_a_squeezed_block_is_as_short_as_hooke_says():
    block = FOAM | {POISSON: 0.0}
    assert squeeze(BRICK, field_of(BRICK, block), modulus=1e5) == pytest.approx(SQUEEZE_STRAIN, rel=0.05)
    stiff = squeeze(BRICK, field_of(BRICK, block | {YOUNG: 4e5}), modulus=1e5)
    assert stiff == pytest.approx(SQUEEZE_STRAIN / 4, rel=0.05)
    steel = squeeze(BRICK, field_of(BRICK, block | {YOUNG: 2e11}), modulus=2e11)
    assert steel == pytest.approx(SQUEEZE_STRAIN, rel=0.05)


def test_each_probe_answers_to_its_own_property():
    truth = field_of(BRICK, DEAD)
    wrong = {
        "slide": field_of(BRICK, DEAD | {FRICTION: 0.8}),
        "push": field_of(BRICK, DEAD | {DENSITY: 1200.0}),
        "drop": field_of(BRICK, DEAD | {RESTITUTION: 0.5}),
        "squeeze": field_of(BRICK, DEAD | {YOUNG: 2e10}),
    }
    errors = compare(BRICK, truth, {"truth": truth, **wrong})
    assert errors["truth"] == dict.fromkeys(PROBES, 0.0)
    assert errors["slide"]["slide"] == pytest.approx(0.5, abs=0.05)
    assert errors["push"]["push"] == pytest.approx(0.5, abs=0.01)
    assert errors["drop"]["drop"] == pytest.approx(0.25 / 0.04 - 1, rel=0.4)
    assert errors["squeeze"]["squeeze"] == pytest.approx(0.5, abs=0.02)
    for name in wrong:
        assert errors[name].pop(name) > 0.2
        assert max(errors[name].values()) < 0.1, name


@dataclass(frozen=True)
class Slippery:
    """Believes the truth, but for half of the friction."""

    truth: Truth

    def believe(self, seen):
        told = self.truth.believe(seen)
        mean = told.mean.copy()
        mean[:, INDEX[FRICTION]] -= np.log10(2)
        return told._replace(mean=mean)


def test_made_samples_are_probed_as_they_are_believed_to_be(tmp_path):
    samples = (make_sample(5, index) for index in range(40))
    chosen = next(sample for sample in samples if sample.recipe == "stack" and len(sample.materials) == 2)
    data = Data.of([chosen], tmp_path)
    thing, _ = of_sample(data, 0)
    assert len(thing.hulls) == 2
    share = chosen.seen.values[:, OCCUPANCY].sum() / 255 * chosen.seen.size**3
    assert share < thing.solid.volume < 2.5 * share  # whole voxels, convex
    errors = probed(data, 0, {"truth": Truth(data, 0), "slippery": Slippery(Truth(data, 0))})
    assert errors["truth"] == dict.fromkeys(PROBES, 0.0)
    assert errors["slippery"].pop("slide") == pytest.approx(1.0, abs=0.2)
    assert errors["slippery"].pop("tilt") < 0.1
    assert max(errors["slippery"].values()) < 0.05
