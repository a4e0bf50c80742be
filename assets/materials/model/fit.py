"""Training of the whole predictor: each member in turn, then the calibration; it goes on wherever it was stopped.

    fit(data, Split.drawn(data.tags, seed=0), Path("runs/materials"), TrainConfig(), members=3, tell=print)

writes runs/materials/predictor.npz, a file of a few MB, and beside it the states of the members' trainings.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax

from assets.materials.data.shards import Data
from assets.materials.data.split import Split
from assets.materials.errors import MaterialError
from assets.materials.model.calibration import calibrated
from assets.materials.model.card import COLOUR, Card
from assets.materials.model.predictor import Predictor
from assets.materials.model.train import TrainConfig, Training

PREDICTOR = "predictor.npz"

Tell = Callable[[int, int, dict[str, float]], None]
"""Told of the member, the step and its losses."""


def fit(
    data: Data, split: Split, out: Path, config: TrainConfig, members: int, tell: Tell, provider: str = COLOUR
) -> Predictor:
    """Raises MaterialError where `out` holds a finished predictor, or trainings with other settings."""
    path = out / PREDICTOR
    if path.exists():
        raise MaterialError(f"{path} exists already: give another folder, or delete it to calibrate and write it anew")
    if members < 1:
        raise MaterialError(f"an ensemble needs at least one member, found {members}")
    train, calibration, _ = split.parts(data)
    parameters = []
    for number in range(members):
        training = Training(data, train, replace(config, seed=config.seed + number), out / f"member_{number}.npz")
        for step, metrics in training.run():
            tell(number, step, metrics)
        parameters.append(jax.device_get(training.params))
    card = Card(
        provider, data.extra.shape[1], data.resolution, config.base, members, config.seed, config.samples, split.held_out
    )
    predictor = calibrated(Predictor(card, parameters), data, calibration)
    predictor.write(path)
    return predictor
