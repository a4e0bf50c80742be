"""What happened in an environment that diverged: its record simulated anew with MuJoCo's C engine, and told in words.

    trajectory = replay_crash(load_crash(path))
    print(trajectory.story)

A replay of the native engine's records is exact to the last bit, but for the solver's warm start in the first step.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mujoco
import numpy as np

from sim.crash import CrashRecord
from sim.physics import MAX_POSITION, MAX_VELOCITY, nominal_field


@dataclass(frozen=True)
class BadMoment:
    """Where a simulation went wrong."""

    step: int
    """Control step of the recording, from 0."""
    substep: int
    """Physics step within it, from 0."""
    seconds: float
    """Since the start of the recording."""
    what: str
    """The quantity and its value: "the velocity of joint FL_calf_joint reached 1.2e+05 rad/s"."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What a replay saw: the start and the state after each physics step, up to and with the first bad one."""

    seconds: np.ndarray
    """(n,)"""
    qpos: np.ndarray
    """(n, nq)"""
    qvel: np.ndarray
    """(n, nv)"""
    bad: BadMoment | None
    """None where the C engine stays sound."""
    story: str
    """For people, some lines."""


def replay_crash(record: CrashRecord) -> Trajectory:
    """Simulate the record with the C engine until its first bad physics step. Raises CrashError."""
    model = record.compile()
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # else MuJoCo wipes the bad state out
    data = mujoco.MjData(model)
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:] = record.qpos[0], record.qvel[0]
    seconds, qpos, qvel = [0.0], [data.qpos.copy()], [data.qvel.copy()]
    notes, gaps, bad = [], [], None
    with _quiet():
        for step in range(len(record.qpos)):
            if step:
                gaps.append(_gap(model, step, record, data))
            data.qpos[:], data.qvel[:], data.act[:] = record.qpos[step], record.qvel[step], record.act[step]
            # Between control steps the engines keep float32.
            data.qacc_warmstart[:] = data.qacc_warmstart.astype(np.float32)
            for substep in range(record.num_substeps):
                data.ctrl[:] = record.ctrl[step, min(substep, record.ctrl.shape[1] - 1)]
                what = _bad_control(model, data)
                mujoco.mj_step(model, data)
                what = what or _bad_state(model, data)
                seconds.append(len(seconds) * model.opt.timestep)
                qpos.append(data.qpos.copy())
                qvel.append(data.qvel.copy())
                notes.append(f"{step:4}.{substep}  {_note(model, data)}")
                if what:
                    bad = BadMoment(step, substep, seconds[-1], what)
                    break
            if bad:
                break
    story = _tell(record, model, bad, notes, [gap for gap in gaps if gap])
    return Trajectory(np.array(seconds), np.array(qpos), np.array(qvel), bad, story)


@contextmanager
def _quiet() -> Iterator[None]:
    """MuJoCo would print its warnings and write them to a file in the working directory; the replay tells them better."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def _bad_control(model: mujoco.MjModel, data: mujoco.MjData) -> str | None:
    wrong = np.flatnonzero(~np.isfinite(data.ctrl))
    if not wrong.size:
        return None
    return f"the control of actuator {model.actuator(wrong[0]).name or wrong[0]} is {data.ctrl[wrong[0]]}"


def _bad_state(model: mujoco.MjModel, data: mujoco.MjData) -> str | None:
    """What is not finite or absurd, in the order in which it spreads: accelerations, velocities, positions."""
    for kind, values, limit in (
        ("acceleration", data.qacc, mujoco.mjMAXVAL),
        ("velocity", data.qvel, MAX_VELOCITY),
        ("position", data.qpos, MAX_POSITION),
    ):
        sound = np.abs(values) < limit
        if not sound.all():
            worst = int(np.argmax(np.where(np.isnan(values), np.inf, np.abs(values))))
            name, unit = _coordinate(model, worst, kind)
            value = values[worst]
            reached = f"reached {value:.2g}{unit}" if np.isfinite(value) else f"became {value}"
            return f"the {kind} of {name} {reached}"
    return None


def _coordinate(model: mujoco.MjModel, index: int, kind: str) -> tuple[str, str]:
    """The joint that an index of qpos (position), qvel (velocity) or qacc (acceleration) belongs to, and the unit."""
    starts = model.jnt_qposadr if kind == "position" else model.jnt_dofadr
    joint = int(np.searchsorted(starts, index, side="right")) - 1
    offset = index - int(starts[joint])
    name = f"joint {model.joint(joint).name or joint}"
    per = {"position": "", "velocity": "/s", "acceleration": "/s^2"}[kind]
    types = mujoco.mjtJoint
    if model.jnt_type[joint] == types.mjJNT_FREE:
        linear = offset < 3
        name += f" ({'along' if linear else 'about'} {'xyz'[offset % 3]})" if linear or kind != "position" else " (orientation)"
        angular = "" if kind == "position" else f" rad{per}"
        return name, f" m{per}" if linear else angular
    if model.jnt_type[joint] == types.mjJNT_SLIDE:
        return name, f" m{per}"
    return name, "" if model.jnt_type[joint] == types.mjJNT_BALL and kind == "position" else f" rad{per}"


def _note(model: mujoco.MjModel, data: mujoco.MjData) -> str:
    """The fastest joint and the deepest contact."""
    parts = []
    if np.isfinite(data.qvel).all() and model.nv:
        fastest = int(np.argmax(np.abs(data.qvel)))
        name, unit = _coordinate(model, fastest, "velocity")
        parts.append(f"fastest {name}, {data.qvel[fastest]:.3g}{unit}")
    contacts = [contact for contact in data.contact if np.isfinite(contact.dist)]
    if contacts:
        deepest = min(contacts, key=lambda contact: contact.dist)
        if deepest.dist < 0:
            pair = " and ".join(model.geom(g).name or f"geom {g}" for g in deepest.geom if g >= 0)
            parts.append(f"deepest contact {pair}, {-1000 * deepest.dist:.2g} mm")
    return "; ".join(parts) or "nothing finite"


def _gap(model: mujoco.MjModel, step: int, record: CrashRecord, data: mujoco.MjData) -> tuple[float, str] | None:
    """How far a step's recorded start is from where the step before ended, where that is more than rounding."""
    away = np.abs(record.qvel[step] - data.qvel)
    if not away.size or not np.isfinite(away).all():
        return None
    worst = int(np.argmax(away))
    if away[worst] < 1e-2 * (1.0 + np.abs(data.qvel[worst])):
        return None
    name, unit = _coordinate(model, worst, "velocity")
    return float(away[worst]), f"{away[worst]:.2g}{unit} of {name} before control step {step}"


def _tell(
    record: CrashRecord, model: mujoco.MjModel, bad: BadMoment | None, notes: list[str], gaps: list[tuple[float, str]]
) -> str:
    steps = len(record.qpos)
    lines = [
        f"{record.task}, environment {record.env} of the {record.engine} engine, {record.when}",
        f"replayed by MuJoCo's C engine: {steps} control steps of {record.num_substeps} physics steps of "
        f"{1000 * model.opt.timestep:g} ms",
    ]
    if record.mujoco_version != mujoco.__version__:
        lines.append(f"recorded with MuJoCo {record.mujoco_version}, replayed with {mujoco.__version__}: they may differ")
    if bad:
        lines.append(f"control step {bad.step}, physics step {bad.substep} ({bad.seconds:.3f} s): {bad.what}")
        lines += ["before that (control step.physics step):", *(f"  {note}" for note in notes[-8:-1])] if len(notes) > 1 else []
    else:
        lines.append("it stays sound throughout")
        if record.engine != "native":
            lines.append(
                f"the fault is likely the {record.engine} engine's: single precision, solving cut short, or contacts dropped"
            )
    if gaps:
        largest = max(gaps)[1]
        lines.append(
            f"before {len(gaps)} of its steps the recorded velocity jumps, by at most {largest}: a push, or another engine"
        )
    if unusual := _unusual_fields(record):
        lines += ["model fields far from nominal:", *(f"  {line}" for line in unusual)]
    return "\n".join(lines)


def _unusual_fields(record: CrashRecord) -> list[str]:
    """The entries that are not finite, of another sign, or threefold off; the worst first, at most five."""
    nominal_model = record.model.compile()
    found: list[tuple[float, str]] = []
    for name, field in record.fields.items():
        value, nominal = np.asarray(field, np.float64), nominal_field(nominal_model, name)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(np.log(value / nominal))
        off[np.isnan(off) | np.isinf(off)] = 0.0  # of zero there is no multiple
        off[(value < 0) & (nominal > 0)] = 1e3
        off[~np.isfinite(value)] = math.inf
        for index in np.argwhere(off > math.log(3.0)):
            at = tuple(int(i) for i in index)
            entry = "".join(f"[{i}]" for i in at)
            owner = _owner(nominal_model, name, at)
            found.append((float(off[at]), f"{name}{entry} {owner}{value[at]:.3g}, nominal {nominal[at]:.3g}"))
    return [text for _, text in sorted(found, key=lambda item: -item[0])[:5]]


def _owner(model: mujoco.MjModel, field: str, at: tuple[int, ...]) -> str:
    """The name of the element that an entry of a field belongs to."""
    if not at:
        return ""
    if field.startswith("dof_"):
        return f"({_coordinate(model, at[0], 'velocity')[0]}) "
    kinds = {"body": model.body, "geom": model.geom, "jnt": model.joint, "site": model.site, "actuator": model.actuator}
    kind = field.partition("_")[0]
    name = kinds[kind](at[0]).name if kind in kinds else ""
    return f"({name}) " if name else ""
