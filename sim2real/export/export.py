"""Export: a run's policy as one ONNX file that needs nothing of the task's code, checked against the environment.

    spec = export(Run.open(Path("runs/demo")), Path("policy.onnx"))

The file is written once its targets are those that the environment sent in as many control steps as asked for, within
`sim2real.export.spec.TOLERANCE`.
"""

import importlib.metadata
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx

from assets.robots.robot import Robot
from assets.whole_file import whole_file
from envs.task import CommandTerm, Task
from rl.evaluate import load_policy
from rl.run import Run
from sim.randomization import Distribution, Latency, LogUniform, Normal, Uniform
from sim2real.export.policy import Policy
from sim2real.export.program import ExportError, Program, policy_program
from sim2real.export.record import Recording, largest_error, record
from sim2real.export.spec import (
    ACTION,
    COMMAND,
    JOINT_TARGET,
    METADATA_KEY,
    NEAREST_COMMAND,
    NEXT,
    SCHEMA,
    TOLERANCE,
    Check,
    CommandEntry,
    Golden,
    PolicySpec,
    TrainedLatency,
)

_MOST_ROBOTS = 50
_GOLDEN_PAIRS = 8
_DRAWS = 4096


def export(
    run: Run,
    out: Path,
    update: int | None = None,
    observations: int = 512,
    progress: Callable[[float], None] = lambda share: None,
) -> PolicySpec:
    """Write the run's newest policy, or that of the given update, and return what it says of itself.

    `observations` is how many control steps of simulation it is checked on. Raises ExportError where the policy needs what no
    driver can supply or its targets are not the environment's, TranslationError where ONNX has no equal for what it computes.
    """
    if observations < 1:
        raise ExportError(f"a policy is checked on at least one observation, found {observations}")
    if out.is_dir():
        raise ExportError(f"{out} is a directory: name the file that is to be written, such as {out / 'policy.onnx'}")
    # The golden outputs are those of float32 arithmetic: a GPU's default is coarser.
    with jax.default_device(jax.devices("cpu")[0]):
        return _export(run, out, update, observations, progress)


def _export(run: Run, out: Path, update: int | None, observations: int, progress: Callable[[float], None]) -> PolicySpec:
    robots = min(_MOST_ROBOTS, math.ceil(observations / 2))
    ppo, state = load_policy(run, robots, "native", update)
    learned = jax.device_get(state.policy)
    program = policy_program(ppo, learned)
    progress(0.3)
    recording = record(ppo, learned, math.ceil(observations / robots))
    progress(0.7)
    spec = _spec(run, int(state.updates), ppo.env.task, ppo.env.layout.joint_range, program, recording)
    policy = Policy(_model(program, spec), f"the policy of {run.directory}")
    error = largest_error(policy, recording)
    if not error <= TOLERANCE:
        raise ExportError(
            f"the exported policy's targets differ from the environment's by {error:.3g} rad in {recording.observations}"
            f" observations, expected at most {TOLERANCE:g}: {out} was not written. A term that depends on its inputs' last"
            f" digits, such as a difference divided by a small number, does that; the terms are"
            f" {', '.join(term.name for term in program.terms)}"
        )
    spec = replace(spec, check=Check(recording.observations, error))
    content = _model(program, spec)
    with whole_file(out, ExportError) as partial:
        partial.write_bytes(content)
    progress(1.0)
    return spec


def _model(program: Program, spec: PolicySpec) -> bytes:
    return program.model({METADATA_KEY: spec.to_json()}).SerializeToString()


def _spec(run: Run, update: int, task: Task, joint_range: np.ndarray, program: Program, recording: Recording) -> PolicySpec:
    robot: Robot = task.robot
    random = task.randomization
    return PolicySpec(
        schema=SCHEMA,
        task=run.task,
        description=task.description,
        robot=robot.name,
        joints=robot.joints,
        joint_ranges=tuple((float(low), float(high)) if np.isfinite([low, high]).all() else None for low, high in joint_range),
        stiffness=_floats(robot.stiffness),
        damping=_floats(robot.damping),
        effort_limits=_floats(robot.effort_limits),
        velocity_limits=_floats(robot.velocity_limits),
        action_scale=_floats(robot.action_scale),
        default_pose=_floats(robot.default_pose),
        action=task.action.description,
        rate=1 / task.control_seconds,
        action_limit=float(task.action_limit),
        frames=task.observation_history,
        terms=program.terms,
        command=_command(task.command),
        default_command=_floats(task.command.default or (0.0,) * len(task.command.names)),
        action_latency=_latency(random.action_latency),
        observation_latency=_latency(random.observation_latency),
        inputs=program.inputs,
        history=program.history,
        outputs=program.outputs,
        run_hash=run.hash,
        update=update,
        versions=run.versions | {"zerogap": _version(), "onnx": onnx.__version__},
        golden=_golden(program, recording, task.command),
        check=Check(0, 0.0),
    )


def _floats(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _command(command: CommandTerm) -> tuple[CommandEntry, ...]:
    drawn = np.asarray(jax.jit(jax.vmap(command.sample))(jax.random.split(jax.random.key(0), _DRAWS)))
    if command.default:  # one of training's too, though none of these may lie as far out
        drawn = np.vstack([drawn, command.default])
    lows, highs = drawn.min(axis=0).tolist(), drawn.max(axis=0).tolist()
    return tuple(CommandEntry(*entry) for entry in zip(command.names, lows, highs, strict=True))


def _latency(latency: Latency) -> TrainedLatency:
    (low, high), (sooner, later) = _range(latency.seconds), _range(latency.jitter)
    return TrainedLatency(*(float(np.clip(seconds, 0.0, latency.longest)) for seconds in (low + sooner, high + later)))


def _range(distribution: Distribution) -> tuple[float, float]:
    """Of what it draws: what it says of itself, or for one of a user's own, the extremes of many draws."""
    if isinstance(distribution, Uniform | LogUniform):
        return distribution.low, distribution.high
    if isinstance(distribution, Normal):
        half = distribution.cutoff * distribution.std
        return distribution.mean - half, distribution.mean + half
    drawn = np.asarray(distribution.sample(jax.random.key(0), (_DRAWS,)))
    return float(drawn.min()), float(drawn.max())


def _golden(program: Program, recording: Recording, command: CommandTerm) -> tuple[Golden, ...]:
    """Pairs from all over the recording, its first step and so the start of an episode among them."""
    steps, robots = recording.fresh.shape
    chosen = np.unique(np.linspace(0, steps * robots - 1, _GOLDEN_PAIRS).round().astype(int))
    return tuple(_golden_pair(program, recording, command, int(i % steps), int(i // steps)) for i in chosen)


def _golden_pair(program: Program, recording: Recording, command: CommandTerm, step: int, robot: int) -> Golden:
    at = (step, robot)
    fresh = bool(recording.fresh[at])
    target, action = recording.target[at], recording.action[at]
    if not (np.isfinite(target).all() and np.isfinite(action).all()):
        raise ExportError(f"the policy's actions are no finite numbers, such as {action}: its training has diverged")
    frames = recording.frames[at]
    inputs = {name: value[at] for name, value in recording.inputs.items()}
    inputs |= {
        "frames": np.zeros_like(frames) if fresh else recording.frames[step - 1, robot],
        "begun": np.array([not fresh], np.float32),
    }
    outputs = {JOINT_TARGET: target, ACTION: action, NEXT + "frames": frames, NEXT + "begun": np.ones(1)}
    outputs[NEXT + "last_action"] = recording.followed[at]
    if command.nearest is not None:
        outputs[NEAREST_COMMAND] = np.asarray(command.nearest(jnp.asarray(inputs[COMMAND])))
    return Golden(
        {q.name: tuple(np.ravel(inputs[q.name]).tolist()) for q in (*program.inputs, *program.history)},
        {q.name: tuple(np.ravel(outputs[q.name]).tolist()) for q in program.outputs},
    )


def _version() -> str:
    try:
        return importlib.metadata.version("zerogap")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return "unknown"
