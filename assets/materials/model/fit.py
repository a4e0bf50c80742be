"""Training of the whole predictor: the members side by side, then the calibration; it goes on wherever it was stopped.

    fit(data, Split.drawn(data.tags, seed=0), Path("runs/materials"), TrainConfig(), members=3, jobs=2)

writes runs/materials/predictor.npz, a file of a few MB, and beside it the states of the trainings; till they are done there are
the encoded samples too, 30 kB each.

Members are trained in processes of their own, each on one core: XLA shares few of a small network's loops among cores.
"""

import contextlib
import multiprocessing
import os
import queue
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from assets.materials.data.shards import Data
from assets.materials.data.split import Split
from assets.materials.errors import MaterialError
from assets.materials.model.batches import Encodings
from assets.materials.model.calibration import calibrated
from assets.materials.model.card import Card
from assets.materials.model.memory import keep_freed
from assets.materials.model.predictor import Predictor
from assets.materials.model.train import TrainConfig, Training

PREDICTOR = "predictor.npz"

Tell = Callable[[str, int, int, dict[str, float]], None]
"""Told of what is done, how far it is and of how much, and of a training its losses."""

_ENCODED = "encoded"
_CALIBRATED = 1000  # objects at most: their quantiles do not change with more
_LISTEN = 0.5  # s


def fit(
    data: Data,
    split: Split,
    out: Path,
    config: TrainConfig,
    members: int,
    tell: Tell = lambda what, done, of, losses: None,
    jobs: int = 1,
) -> Predictor:
    """Raises MaterialError where `out` holds a finished predictor, or trainings with other settings."""
    path = out / PREDICTOR
    if path.exists():
        raise MaterialError(f"{path} exists already: give another folder, or delete it to calibrate and write it anew")
    if members < 1 or jobs < 1:
        raise MaterialError(f"an ensemble needs at least one member and one process, found {members} and {jobs}")
    train, calibration, _ = split.parts(data)
    encodings = Encodings.of(data, train, config.seed, lambda done: tell("encoding", done, len(train), {}))
    encodings.write(out / _ENCODED)
    parameters = _members(out, config, members, jobs, tell)
    card = Card(
        data.provider, data.extra.shape[1], data.resolution, config.base, members, config.seed, config.samples, split.held_out
    )
    some = np.random.default_rng(config.seed).permutation(calibration)[:_CALIBRATED]
    uncalibrated = Predictor(card, parameters, encodings.scales)
    predictor = calibrated(uncalibrated, data, some, lambda done: tell("calibration", done, len(some), {}))
    predictor.write(path)
    shutil.rmtree(out / _ENCODED)
    return predictor


def _members(out: Path, config: TrainConfig, members: int, jobs: int, tell: Tell) -> list[Any]:
    """The parameters of each. Stopped, all of them store how far they are."""
    context = multiprocessing.get_context("spawn")  # XLA's threads don't live through a fork
    with context.Manager() as manager, ProcessPoolExecutor(jobs, context, _alone) as pool:
        told, stop = manager.Queue(), manager.Event()
        trainings = [
            pool.submit(_member, out, replace(config, seed=config.seed + number), number, told, stop)
            for number in range(members)
        ]
        try:
            while not all(training.done() for training in trainings):
                if any(training.done() and training.exception() for training in trainings):
                    break
                with contextlib.suppress(queue.Empty):
                    number, step, losses = told.get(timeout=_LISTEN)
                    tell(f"member {number}", step, config.steps, losses)
            return [training.result() for training in trainings if training.done()]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _alone() -> None:
    """In a member's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process tells when to stop
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    keep_freed()


def _member(out: Path, config: TrainConfig, number: int, told: Any, stop: Any) -> Any:
    training = Training(Encodings.read(out / _ENCODED), config, out / f"member_{number}.npz")
    for step, losses in training.run():
        told.put((number, step, losses))
        if stop.is_set():
            break
    training.store()
    return jax.device_get(training.params)
