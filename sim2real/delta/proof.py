"""How much of each joint's correction is borne out by stretches of the logs that were held back: `prove(learned, parts, ...)`.

A correction that does not help there is left out, joint by joint. Windows are simulated whole, with the correction seeing what
is simulated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from envs.delta.model import DeltaModel
from sim2real.calibrate.replay import Signals
from sim2real.delta.part import Part, rmse_per_joint
from sim2real.delta.training import Schedule, place

_SHARES = (1.0, 0.5)  # of which a joint's correction gets the best
LEAST_GAIN = 0.01
"""Of the error held back, below which a joint is not corrected."""


@dataclass(frozen=True)
class Proof:
    """Of one joint's correction."""

    joint: str
    share: float
    """What it is multiplied by."""
    without_rad: float
    """Open-loop error of the stretches held back."""
    with_rad: float
    """Likewise with all joints corrected, in the share that suits this one best."""


def prove(
    learned: DeltaModel, parts: Sequence[Part], model: mujoco.MjModel, signals: Signals, schedule: Schedule
) -> tuple[DeltaModel, tuple[Proof, ...]]:
    """The correction with as much of each joint's as makes the simulation follow best, none where it does not help; as it is,
    without a proof, where no window was held back whole."""
    places = [place(part, schedule) for part in parts]
    held = [where.held & where.use for where in places]
    if not any(mask.any() for mask in held):
        return learned, ()
    without = rmse_per_joint([part.errors(model, signals)[mask] for part, mask in zip(parts, held, strict=True)])
    errors = np.stack(
        [
            rmse_per_joint([part.errors_with(learned, share).errors[mask] for part, mask in zip(parts, held, strict=True)])
            for share in _SHARES
        ]
    )
    least = errors.min(axis=0)
    shares = np.where(least < (1.0 - LEAST_GAIN) * without, np.array(_SHARES)[errors.argmin(axis=0)], 0.0)
    proofs = map(Proof, learned.joints, *(map(float, values) for values in (shares, without, least)))
    return learned.replace(shrink=learned.shrink * shares), tuple(proofs)
