"""`zerogap train | distill`: policies that learn.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]
Engine = Annotated[str | None, tyro.conf.arg(metavar="native|mjx|warp")]


def train(
    task: tyro.conf.Positional[str],
    /,
    engine: Engine = None,
    num_envs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    devices: int | None = None,
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT")] = None,
    processes: int | None = None,
    process_id: int | None = None,
    history: int | None = None,
    actor_observation: Literal["policy", "critic"] | None = None,
    symmetry: bool | None = None,
    contacts_per_env: int | None = None,
    constraints_per_env: int | None = None,
    calibration: Path | None = None,
    spread: bool = False,
    json_file: Json = None,
) -> dict[str, Any] | None:
    """Train a policy by PPO, or continue a training.

    Example: zerogap train go2-velocity-flat --minutes 15 --out runs/go2

    Example, to go on: zerogap train go2-velocity-flat --resume runs/go2 --minutes 5

    Example, on two machines: zerogap train go2-velocity-flat --coordinator 10.0.0.1:7654 --processes 2 --process-id 0, and the
    same with --process-id 1 on the other.

    Example of a teacher for `zerogap distill`: zerogap train go2-velocity-flat --actor-observation critic --out runs/teacher

    Example with a robot that `zerogap calibrate` measured: zerogap train go2-velocity-flat --calibration runs/calibration

    Ctrl-C saves a checkpoint and ends; --resume goes on as if it had never stopped.

    Args:
        task: one of `zerogap list`, or module:attribute for one of your own, such as my_arm:track.
        engine: native (CPU), mjx or warp; the machine's best by default.
        num_envs: parallel environments; by default 512 on a CPU, 4,096 (mjx) or 8,192 (warp) on a GPU.
        steps: train for this many control steps (of all environments together).
        minutes: train for this long, compilation not counted. 15 where neither is given.
        seed: of everything random; 0 by default. The same seed gives the same run on the native engine.
        out: the run's directory, which must be new or empty; runs/TASK by default.
        resume: a run's directory: continue it, with the task, engine and sizes it was started with.
        devices: share the environments among this many devices of this machine; by default all of its GPUs. A CPU counts as
            one, or as many as asked for.
        coordinator: where the processes of one training meet: an address of the machine of process 0, and a free port there.
        processes: how many they are. They share the environments, and process 0 writes the run.
        process_id: which of them this is, from 0.
        history: how many of its latest observations the policy sees; what the task says by default.
        actor_observation: what the policy sees: policy, the robot's own sensors, by default; or critic, whatever the simulation
            knows, which makes a teacher, of use in simulation only.
        symmetry: draw the policy to left-right symmetry, where the robot has a mirror; by default it is.
        contacts_per_env: room for contacts on the warp engine, which names the number to set where its estimate is too small.
        constraints_per_env: room for constraint rows, likewise.
        calibration: a directory of `zerogap calibrate`: train on the robot as it was measured.
        spread: draw robots from what that measurement leaves open, one for each episode.
        json_file: write the last figures to this file.
    """
    from rl.ppo import PPOConfig
    from rl.run import Run, calibrated_by
    from rl.train import Budget, share_run, start_run
    from sim.devices import Devices, join_processes, split_cpu
    from sim.engine import Room

    room = Room(contacts_per_env, constraints_per_env)
    learning = {"actor_observation": actor_observation, "symmetry": symmetry}
    budget = Budget(steps, minutes if minutes is not None or steps is not None else 15.0)
    if devices is not None:
        split_cpu(devices)
    if (coordinator, processes, process_id) != (None, None, None):
        join_processes(coordinator, processes, process_id)
    shared = Devices.all(devices)
    # Where the run lies is the first process's affair: all else must be the same in all.
    same = {"task": task, "engine": engine, "num_envs": num_envs, "steps": steps, "minutes": minutes, "seed": seed}
    same |= {"history": history, "resume": resume is not None, "calibration": calibration is not None, "spread": spread}
    shared.expect_same(same | learning | vars(room) | {"processes": processes})

    def new_run() -> Run:
        ppo = PPOConfig(**{name: value for name, value in learning.items() if value is not None})
        directory = out or Path("runs") / task.replace(":", ".")
        measured = calibrated_by(calibration, spread)
        return start_run(task, directory, engine, num_envs, seed or 0, ppo, room, history, devices=shared, calibrated=measured)

    def old_run() -> Run:
        assert resume is not None
        run = Run.open(resume)
        given = {"task": task, "engine": engine, "num_envs": num_envs, "seed": seed, "out": out, "history": history}
        measured = calibrated_by(calibration, spread)
        _expect_as_started(run, given | learning | vars(room) | {"calibrated": measured})
        return run

    run = share_run(new_run if resume is None else old_run, resume or out or Path("runs"), shared)
    return _train(run, budget, resume is not None, shared)


def distill(
    teacher: tyro.conf.Positional[Path],
    /,
    task: str | None = None,
    history: int | None = None,
    engine: Engine = None,
    num_envs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    contacts_per_env: int | None = None,
    constraints_per_env: int | None = None,
    json_file: Json = None,
) -> dict[str, Any] | None:
    """Distill a teacher into a policy that sees the robot's own sensors and their history, by DAgger.

    Example: zerogap distill runs/teacher --minutes 10 --out runs/student

    Example, to go on: zerogap distill runs/teacher --resume runs/student --minutes 5

    The teacher is a run of `zerogap train TASK --actor-observation critic`. The student's run is one like any other for
    `zerogap eval` and `zerogap play`. Ctrl-C saves a checkpoint and ends; --resume goes on as if it had never stopped.

    Args:
        teacher: the teacher's run directory, of which the newest policy is learned from.
        task: the student's, of the same robot and the same critic's observation; the teacher's by default.
        history: how many of its latest observations the student sees; 5 by default, or what the task says if that is more.
        engine: native (CPU), mjx or warp; the machine's best by default.
        num_envs: parallel environments; by default 512 on a CPU, 4,096 (mjx) or 8,192 (warp) on a GPU.
        steps: distill for this many control steps (of all environments together).
        minutes: distill for this long, compilation not counted. 10 where neither is given.
        seed: of everything random; 0 by default. The same seed gives the same student on the native engine.
        out: the student's run directory, which must be new or empty; runs/TEACHER-student by default.
        resume: a student's run directory: continue it, with the teacher, engine and sizes it was started with.
        contacts_per_env: room for contacts on the warp engine, which names the number to set where its estimate is too small.
        constraints_per_env: room for constraint rows, likewise.
        json_file: write the last figures to this file.
    """
    from rl.run import Run
    from rl.train import Budget, start_distillation
    from sim.devices import Devices
    from sim.engine import Room

    room = Room(contacts_per_env, constraints_per_env)
    budget = Budget(steps, minutes if minutes is not None or steps is not None else 10.0)
    if resume is None:
        directory = out or Path("runs") / f"{teacher.resolve().name}-student"
        run = start_distillation(
            Run.open(teacher), directory, engine, num_envs, seed or 0, task=task, history=history, room=room
        )
    else:
        run = Run.open(resume)
        given = {"teacher": str(teacher), "task": task, "engine": engine, "num_envs": num_envs, "seed": seed, "out": out}
        _expect_as_started(run, given | {"history": history} | vars(room))
    return _train(run, budget, resume is not None, Devices())


def _expect_as_started(run: Any, given: dict[str, Any]) -> None:
    """Raise RunError where a run that is to go on is another command's, or was started otherwise than is `given` now."""
    from rl.run import RunError

    if ("teacher" in given) != (run.distillation is not None):
        raise RunError(f"{run.directory} was started by another command; continue it with: {run.resume_command}")
    started = {**vars(run), **vars(run.ppo), **vars(run.room), **vars(run.distillation or run), "out": run.directory}
    for name, value in given.items():
        stored = started[name]
        if value is not None and value != stored:
            told = f"another {name}" if name == "calibrated" else f"{name} {stored!r}, not {value!r}"
            raise RunError(f"{run.directory} was started with {told}: leave it out, or start a new run")


def _train(run: Any, budget: Any, resume: bool, devices: Any) -> dict[str, Any] | None:
    """The figures; None in all processes but the first, so that they write no file over the first one's."""
    from rl.train import train as run_training

    result = run_training(run, budget, resume=resume, devices=devices)
    if devices.first:
        print(f"run        {run.directory}\ncurve      {run.directory / 'curve.png'}\nevaluate   zerogap eval {run.directory}")
    if result.interrupted:
        raise SystemExit(130)
    return result.figures if devices.first else None


COMMANDS: dict[str, Callable[..., Any]] = {"train": train, "distill": distill}
