"""What no parameter explains: friction that falls with speed, play in the gears, torque that falls with speed. A leg of the
Go2, bolted down, and the whole Go2, hung up, differ from their models in these as well, and only their twins know.

Each plays four multisines, a PRBS and steps at 500 Hz, with its own gains and with lower ones, to which calibration and
correction are fitted; a chirp with gains in between is held out. For each seed, of the motions, the encoders' noise, the fit
and the networks:

calibration_cut     open-loop error of 0.5 s of the chirp: 1 - calibrated / nominal
delta_cut           1 - corrected / calibrated
residual_cut        likewise of a network that corrects states
worst_joint         largest rise of a joint's error by the correction, of the calibrated one; below zero where all fall
outside             mean correction of motions that the logs hold nothing like, over that of the chirp: of the chirp ten times
                    as large and as fast, where a joint is not slower than usual, and of targets that jump at random at every
                    control step

Then, for fewer seeds:

null                of a robot that differs in nothing, simulated in steps so small that its motors' control is as good as
                    continuous: how far each parameter moved, over its nominal value, or where that is 0 over the policy's own
                    units, a control period and an action scale; and the mean correction
ppo                 on the leg: the error of the same correction learned by PPO in ten times the simulation steps that the
                    supervised way took, over that one's
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from assets.json_file import write_json
from assets.robots import GO2
from assets.robots.robot import Robot
from benchmarks.recovery import leg
from benchmarks.seeds import seed_by_seed, seed_count
from envs.delta.features import History
from envs.delta.model import DeltaModel
from sim2real.calibrate import calibrate as calibrating
from sim2real.calibrate.calibrate import calibrate
from sim2real.calibrate.calibration import Calibration
from sim2real.calibrate.windows import cut
from sim2real.delta import delta as correcting
from sim2real.delta.delta import Delta, learn
from sim2real.delta.samples import Samples, sample
from sim2real.excite.design import Wish, design
from sim2real.excite.motion import Motion
from sim2real.logs.robot_log import RobotLog
from sim2real.twin.gap import Encoder, Gap, Joints, Messages, Motor, Values
from sim2real.twin.recording import record

SEEDS = 5
NULL_SEEDS = 3
PPO_SEEDS = 3
PPO_SHARE = 10.0  # of the supervised way's simulation steps
_FEWER = "ZEROGAP_STRUCTURAL_SEEDS"
BAND = (0.1, 5.0)
"""Hz of some: wider ones leave too little amplitude to come near the speed at which torque ends."""
FITTED = (
    Wish("multisine", 30.0, band=BAND),
    Wish("multisine", 30.0, band=BAND, stiffness=0.5, damping=0.7, seed=1000),
    Wish("multisine", 20.0, seed=2000),
    Wish("multisine", 20.0, stiffness=0.5, damping=0.7, seed=5000),
    Wish("prbs", 30.0, seed=3000),
    Wish("steps", 30.0, seed=4000),
)
HELD_OUT = Wish("chirp", 15.0, stiffness=0.7, damping=0.85)
ENCODER = Encoder(noise=Values.everywhere(5e-4), resolution=Values.everywhere(2 * np.pi / 2**14))
NULL_STEP = 1e-4
"""s. With the usual one motors control at 2 kHz, by which a calibration rightly moves: by 2 % of the rotors' inertia."""
LARGER = 10.0
GAP = Gap(
    joints=Joints(
        armature=Values.everywhere(0.02),
        damping=Values.everywhere(0.2),
        frictionloss=Values.everywhere(0.36),
        breakaway=Values.everywhere(1.2),
        stribeck_velocity=Values.everywhere(0.3),
        backlash=Values.everywhere(0.012),
    ),
    motor=Motor(stall_torque=Values.everywhere(24.0), no_load_speed=Values.everywhere(12.0)),
    encoder=ENCODER,
    command_messages=Messages(latency=0.012),
)

# What the figures are to reach.
LEAST_CALIBRATION_CUT, LEAST_DELTA_CUT, MOST_WORSE, MOST_OUTSIDE, MOST_SHIFT, MOST_CORRECTION = 0.4, 0.4, 0.05, 0.1, 0.03, 0.01


def run(out: Path) -> dict[str, Any]:
    count = seed_count(_FEWER, SEEDS)
    figures: dict[str, Any] = {name: {part: run_part(name, part, out, count) for part in PARTS[name]} for name in PARTS}
    for told in figures.values():
        told["summary"] = summary(told["gap"]["runs"], told["null"]["runs"], told.get("ppo", {"runs": []})["runs"])
    write_json(out / "structural.json", figures)
    _plot(figures, out / "structural.png")
    if count >= SEEDS:
        for name, parts in PARTS.items():
            for part in parts:
                _partial(out, name, part).unlink(missing_ok=True)
    return figures


def run_part(name: str, part: str, out: Path, count: int) -> dict[str, Any]:
    """Of one robot."""
    robot, (one, most) = ROBOTS[name](), PARTS[name][part]
    same = {
        "robot": robot.name,
        "gap": dataclasses.asdict(GAP),
        "motions": [dataclasses.asdict(wish) for wish in (*FITTED, HELD_OUT)],
        "calibration": dataclasses.asdict(calibrating.Settings()),
        "delta": dataclasses.asdict(correcting.Settings()),
    } | ({"physics_step": NULL_STEP} if part == "null" else {})

    def tell(told: dict[str, Any]) -> str:
        return f"{name}, {part}: {_tell(told)}"

    return seed_by_seed(_partial(out, name, part), same, min(count, most), lambda seed: one(robot, seed), tell)


def _partial(out: Path, name: str, part: str) -> Path:
    return out / f"structural-{name}-{part}.partial.json"


def with_gap(robot: Robot, seed: int) -> dict[str, Any]:
    """A seed's figures."""
    logs, held = recordings(robot, GAP, seed)
    _, delta, seconds = _learn(robot, logs, held, seed)
    return {**_compare(seed, delta, seconds), "outside": outside(robot, delta.model, held[0], GAP, seed)}


def without_gap(robot: Robot, seed: int) -> dict[str, Any]:
    """Of a robot that is as its model says, but for what its encoders tell."""
    logs, held = recordings(robot, Gap(encoder=ENCODER), seed, physics_step=NULL_STEP)
    calibration, delta, seconds = _learn(robot, logs, held, seed)
    return {**_compare(seed, delta, seconds), "shift": shift(robot, calibration)}


def by_ppo(robot: Robot, seed: int) -> dict[str, Any]:
    """The same correction learned in both ways."""
    _, delta, seconds = _learn(robot, *recordings(robot, GAP, seed), seed, PPO_SHARE)
    return {**_compare(seed, delta, seconds), "ppo": delta.rmse("ppo") / delta.rmse("delta")}


def _learn(
    robot: Robot, logs: list[RobotLog], held: list[RobotLog], seed: int, ppo_share: float = 0.0
) -> tuple[Calibration, Delta, dict[str, float]]:
    """And how long each took (s)."""
    began = time.perf_counter()
    calibration = calibrate(robot, logs, held, calibrating.Settings(seed=seed))
    calibrated = time.perf_counter()
    delta = learn(robot, logs, held, calibration, correcting.Settings(ppo_share=ppo_share, seed=seed))
    return calibration, delta, {"calibration": calibrated - began, "delta": time.perf_counter() - calibrated}


def recordings(robot: Robot, gap: Gap, seed: int, physics_step: float = 5e-4) -> tuple[list[RobotLog], list[RobotLog]]:
    """To fit to, and held out."""
    wishes = [dataclasses.replace(wish, seed=wish.seed + seed) for wish in (*FITTED, HELD_OUT)]
    logs = [record(robot, design(robot, wish).motion, gap, wish.seed, physics_step=physics_step) for wish in wishes]
    return logs[:-1], logs[-1:]


def _compare(seed: int, delta: Delta, seconds: dict[str, float]) -> dict[str, Any]:
    error = {name: delta.rmse(name) for name in delta.names}
    joints = {name: delta.rmse_per_joint(name) for name in delta.names}
    return {
        "seed": seed,
        "seconds": seconds,
        "rmse_rad": error,
        "joints_rad": {name: dict(zip(delta.model.joints, map(float, joints[name]), strict=True)) for name in joints},
        "calibration_cut": 1 - error["calibrated"] / error["nominal"],
        "delta_cut": 1 - error["delta"] / error["calibrated"],
        "residual_cut": 1 - error["residual_dynamics"] / error["calibrated"],
        "worst_joint": float((joints["delta"] / joints["calibrated"]).max() - 1),
        "mean_correction": delta.to_json()["mean_correction"],
        "shrink": list(map(float, delta.model.shrink)),
        "simulation_steps": delta.simulation_steps,
    }


def shift(robot: Robot, calibration: Calibration) -> dict[str, float]:
    """By parameter, how far it moved from nominal."""
    instead = {"delay": correcting.Settings().architecture.period, "offset": min(robot.action_scale)}
    return {e.name: (e.value - e.nominal) / (e.nominal or instead[e.quantity]) for e in calibration.estimates}


def outside(robot: Robot, model: DeltaModel, log: RobotLog, gap: Gap, seed: int) -> dict[str, float]:
    """Mean corrections of motions that the logs hold nothing like, over that of the log."""
    samples = sampled(robot, log, model.period)
    random = sampled(robot, record(robot, jumping(robot, seed), gap, seed), model.period)
    inside, larger, jumps = corrections(model, samples), corrections(model, samples, LARGER), corrections(model, random)
    speed = np.abs(samples.velocity[pasts(model, samples)])
    moving = speed >= np.median(speed, axis=0)
    usual = max(float(np.abs(inside).mean()), 1e-12)
    return {"larger": float(np.abs(larger[moving]).mean()) / usual, "jumping": float(np.abs(jumps).mean()) / usual}


def jumping(robot: Robot, seed: int, seconds: float = 5.0) -> Motion:
    """Targets that are drawn anew at every control step, an action scale around the default pose."""
    rate, period = 500.0, correcting.Settings().architecture.period
    drawn = np.random.default_rng(seed).uniform(-1.0, 1.0, (round(seconds / period), robot.num_joints))
    targets = np.array(robot.default_pose) + np.array(robot.action_scale) * np.repeat(drawn, round(rate * period), axis=0)
    return Motion(robot.name, robot.joints, rate, targets, robot.stiffness, robot.damping, kind="jumps", seed=seed)


def sampled(robot: Robot, log: RobotLog, period: float) -> Samples:
    return sample(robot, log, cut(log), period)


def pasts(model: DeltaModel, samples: Samples) -> np.ndarray:
    """The control steps that have one."""
    return np.flatnonzero(samples.known(np.arange(len(samples)), model.steps))


def corrections(model: DeltaModel, samples: Samples, factor: float = 1.0) -> np.ndarray:
    """At each control step that has a past, were all motion so much larger and faster, (control steps, num_joints)."""
    index = pasts(model, samples)
    seen = samples.histories(index, model.steps)
    still = seen.position[:, :1]
    larger = History(
        still + factor * (seen.position - still), factor * seen.velocity, still + factor * (seen.target - still), seen.begun
    )
    return np.asarray(model.correct(larger, jnp.asarray(samples.gain[index], jnp.float32)))


def _tell(told: dict[str, Any]) -> str:
    text = (
        f"{sum(told['seconds'].values()):.0f} s, calibration takes off {100 * told['calibration_cut']:.0f} %, the correction"
        f" {100 * told['delta_cut']:.0f} % of the rest, worst joint {100 * told['worst_joint']:+.0f} %"
    )
    if "outside" in told:
        text += f", outside {100 * max(told['outside'].values()):.1f} %"
    if "ppo" in told:
        text += f", PPO {told['ppo']:.2f} times its error"
    if "shift" in told:
        text += f", moved {100 * _largest(told['shift']):.2g} %, corrected {100 * told['mean_correction']:.2g} %"
    return text


def _largest(shift: dict[str, float]) -> float:
    return max(map(abs, shift.values()))


def summary(gap: list[dict[str, Any]], null: list[dict[str, Any]], ppo: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over seeds, beside what was to be reached."""
    medians = {name: [r[name] for r in gap] for name in ("calibration_cut", "delta_cut", "residual_cut", "worst_joint")}
    medians |= {
        "outside": [max(r["outside"].values()) for r in gap],
        "null_shift": [_largest(r["shift"]) for r in null],
        "null_correction": [r["mean_correction"] for r in null],
        "ppo": [r["ppo"] for r in ppo],
    }
    told: dict[str, Any] = {name: float(np.median(values)) for name, values in medians.items() if values}
    reached = {
        "calibration": told["calibration_cut"] >= LEAST_CALIBRATION_CUT,
        "delta": told["delta_cut"] >= LEAST_DELTA_CUT,
        "joints": told["worst_joint"] <= MOST_WORSE,
        "outside": told["outside"] <= MOST_OUTSIDE,
        "null_shift": told["null_shift"] <= MOST_SHIFT,
        "null_correction": told["null_correction"] <= MOST_CORRECTION,
    }
    if ppo:
        reached["ppo"] = told["ppo"] >= 1.0
    return {"runs": len(gap), **told, "reached": reached}


ROBOTS = {"leg": leg, "go2": lambda: GO2}
PARTS = {
    "leg": {"gap": (with_gap, SEEDS), "null": (without_gap, NULL_SEEDS), "ppo": (by_ppo, PPO_SEEDS)},
    "go2": {"gap": (with_gap, SEEDS), "null": (without_gap, NULL_SEEDS)},
}
"""Of each robot, what a seed's figures are, and of how many seeds at most."""


def _plot(figures: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from sim2real.delta.picture import COLORS, LABELS

    figure, axes = pyplot.subplots(len(figures), 3, figsize=(15, 3.6 * len(figures)), layout="constrained", squeeze=False)
    for (errors, joints, corrected), (name, told) in zip(axes, figures.items(), strict=True):
        runs, null, ppo = (told.get(part, {"runs": []})["runs"] for part in ("gap", "null", "ppo"))
        seeds = np.array([r["seed"] for r in runs])
        others = {r["seed"]: r["rmse_rad"]["ppo"] for r in ppo}
        shown = [n for n in COLORS if n != "ppo" or others]
        for i, n in enumerate(shown):
            values = [1e3 * r["rmse_rad"].get(n, others.get(r["seed"], np.nan)) for r in runs]
            errors.bar(seeds + 0.8 * ((i + 0.5) / len(shown) - 0.5), values, 0.8 / len(shown), color=COLORS[n], label=LABELS[n])
        errors.set(title=f"{name}: open-loop error over 0.5 s, held out", xlabel="seed", ylabel="mrad", yscale="log")
        errors.set_xticks(seeds)
        errors.legend(fontsize=7)
        names = list(runs[0]["joints_rad"]["delta"])
        for r in runs:
            ratio = [r["joints_rad"]["delta"][j] / r["joints_rad"]["calibrated"][j] for j in names]
            joints.plot(ratio, range(len(names)), ".", color=COLORS["delta"])
        joints.axvline(1 + MOST_WORSE, color="0.3", linestyle="--", linewidth=0.8)
        joints.set_yticks(range(len(names)), names, fontsize=7)
        joints.invert_yaxis()
        joints.set(title="joint's error: corrected over calibrated", xlim=(0, None))
        rows = {
            "larger and faster, over inside": ([r["outside"]["larger"] for r in runs], MOST_OUTSIDE),
            "jumping, over inside": ([r["outside"]["jumping"] for r in runs], MOST_OUTSIDE),
            "no gap: correction": ([r["mean_correction"] for r in null], MOST_CORRECTION),
            "no gap: largest shift": ([_largest(r["shift"]) for r in null], MOST_SHIFT),
        }
        for i, (values, limit) in enumerate(rows.values()):
            corrected.plot(np.array(values) / limit, np.full(len(values), i), "o", color=COLORS["delta"], markersize=4)
        corrected.axvline(1.0, color="0.3", linestyle="--", linewidth=0.8)
        corrected.set_yticks(range(len(rows)), list(rows), fontsize=8)
        corrected.invert_yaxis()
        corrected.set(title="where nothing should be corrected", xlabel="over what is allowed", xlim=(0, None))
        for axis in (errors, joints, corrected):
            axis.grid(alpha=0.3)
            axis.set_axisbelow(True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
