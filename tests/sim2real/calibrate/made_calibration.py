"""A calibration of the leg with made-up figures, and with names that strangers may have chosen."""

from dataclasses import replace

from sim2real.calibrate.calibration import Calibration, Estimate, LogErrors
from sim2real.logs.robot_log import RobotLog
from tests.sim2real.calibrate.leg import LEG

HOSTILE = '<script>alert("$x_1$")</script>'


def calibration(fitted: RobotLog, held: RobotLog) -> Calibration:
    return Calibration(
        robot=LEG.name,
        joints=LEG.joints,
        estimates=(
            Estimate("delay all", "delay", LEG.joints, "s", 0.0, 0.012, 0.0118, 0.0122, "identified", False, "known well"),
            Estimate(
                "armature FL_hip_joint", "armature", LEG.joints[:1], "kg m²", 0.01, 0.02, 0.01, 0.03, "weak", True, HOSTILE
            ),
        ),
        correlations=(("delay all", "armature FL_hip_joint", -0.95),),
        logs=tuple(
            LogErrors(
                log.name,
                log.content_hash,
                log.info.excitation,
                i == 1,
                log.seconds,
                8,
                0.04,
                0.01,
                (0.04, 0.05, 0.03),
                (0.01, 0.01, 0.02),
            )
            for i, log in enumerate((fitted, held))
        ),
        draws=((0.012, 0.02), (0.0121, 0.021)),
        settings={"window_seconds": 0.25, "timestep": 0.002, "noise_rad": 0.001},
        versions={"mujoco": "4"},
        warnings=(f"mind {HOSTILE}",),
    )


def named(log: RobotLog, source: str) -> RobotLog:
    return replace(log, info=replace(log.info, source=source, excitation=source))
