"""What came of learning a correction, with made-up figures, and with names that strangers may have chosen."""

import numpy as np

from sim2real.delta.delta import Delta, Example, LogErrors, Settings
from sim2real.delta.proof import Proof
from tests.envs.delta.models import made_model
from tests.sim2real.delta.leg import LEG

HOSTILE = '<script>alert("$x_1$ {{ 7 * 6 }}")</script>'
RMSE = {"nominal": 0.04, "calibrated": 0.01, "delta": 0.004, "residual_dynamics": 0.005, "ppo": 0.009}


def log_errors(source: str, held_out: bool, trust: tuple[float, ...] = (1.0, 1.0, 1.0)) -> LogErrors:
    joints = {name: (error, 0.5 * error, 1.2 * error) for name, error in RMSE.items()}
    known = {"source": source, "content_hash": "ab" * 32, "excitation": source, "held_out": held_out, "seconds": 12.5}
    return LogErrors(
        **known,
        is_calibrated_on=not held_out,
        time_base="measured",
        windows=20,
        rmse_rad=dict(RMSE),
        joints_rad=joints,
        mean_correction=0.031,
        mean_trust=trust,
    )


def made_delta(*logs: LogErrors, shares: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Delta:
    time = np.linspace(0.0, 0.5, 50)
    measured = np.outer(np.sin(9 * time), np.ones(3))
    return Delta(
        model=made_model(LEG).replace(shrink=np.array(shares)),
        logs=logs,
        calibration_hash="cd" * 32,
        settings=Settings(),
        simulation_steps={"supervised": 1_234_567, "residual_dynamics": 200, "ppo": 12_345_670},
        versions={"mujoco": "4"},
        proofs=tuple(Proof(joint, share, 0.0101, 0.0042) for joint, share in zip(LEG.joints, shares, strict=True)),
        example=Example(
            log=logs[0].source,
            time=time,
            measured=measured,
            predicted={name: measured + error for name, error in RMSE.items()},
            correction_time=0.02 * np.arange(25),
            correction=0.1 * np.ones((25, 3)),
        ),
    )
