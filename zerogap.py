"""zerogap's command line: one function per verb, each a thin call into the folders below.

zerogap train go2-velocity-flat --minutes 15 --out runs/go2
zerogap eval runs/go2
zerogap play runs/go2 --video walk.mp4
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import tyro
from rich.console import Console
from rich.markup import escape

import assets.materials.commands
import assets.objects.commands
import sim2real.commands

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]
Engine = Annotated[str | None, tyro.conf.arg(metavar="native|mjx|warp")]

_console = Console(stderr=True)


def list_(json_file: Json = None) -> dict[str, Any]:
    """Show the tasks, robots and engines there are.

    Example: zerogap list

    Args:
        json_file: write the same to this file.
    """
    from envs.registry import ROBOTS, find_plugins, task_descriptions
    from sim.engine import default_engine
    from sim.physics import ENGINES

    tasks = task_descriptions()
    print("tasks:")
    for name, description in tasks.items():
        print(f"  {name:24} {description}")
    plugins = find_plugins()
    robots = [*ROBOTS, *plugins.robots]
    print(f"robots:\n  {', '.join(robots)}; any other of MuJoCo Menagerie by assets.robots.menagerie_robot")
    print(f"engines:\n  {', '.join(ENGINES)} (on this machine: {default_engine()})")
    for problem in plugins.problems:
        _console.print(f"[yellow]warning:[/] {escape(problem)}", highlight=False, soft_wrap=True)
    told = {"tasks": tasks, "robots": robots, "engines": list(ENGINES), "default_engine": default_engine()}
    return told | {"problems": list(plugins.problems)}


def doctor(json_file: Json = None) -> dict[str, Any]:
    """Examine this installation: versions, devices, engines, rendering, Menagerie, shadowed package names.

    Example: zerogap doctor

    Ends with an error where something that zerogap needs does not work.

    Args:
        json_file: write the findings to this file.
    """
    from sim.doctor import examine

    marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]--[/]  "}
    findings = []
    with _console.status("examining"):
        findings = examine()
    for finding in findings:
        _console.print(f"{marks[finding.ok]} {finding.name}: {finding.detail}", highlight=False)
        if finding.remedy and finding.ok is not True:
            _console.print(f"       {finding.remedy}", style="yellow", highlight=False)
    told = {"findings": [vars(f) for f in findings], "ok": all(f.ok is not False for f in findings)}
    if not told["ok"]:
        _write_json(json_file, told)
        raise SystemExit(1)
    return told


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
) -> dict[str, Any]:
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
    from rl.run import Run
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

    def new_run() -> Run:
        ppo = PPOConfig(**{name: value for name, value in learning.items() if value is not None})
        directory = out or Path("runs") / task.replace(":", ".")
        measured = _calibrated(calibration, spread)
        return start_run(task, directory, engine, num_envs, seed or 0, ppo, room, history, devices=shared, calibrated=measured)

    def old_run() -> Run:
        assert resume is not None
        run = Run.open(resume)
        given = {"task": task, "engine": engine, "num_envs": num_envs, "seed": seed, "out": out, "history": history}
        measured = _calibrated(calibration, spread)
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
) -> dict[str, Any]:
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


def eval_(
    run: tyro.conf.Positional[Path],
    /,
    robots: int = 512,
    seconds: float = 20.0,
    seed: int = 0,
    engine: Engine = None,
    kinds: tuple[str, ...] = (),
    levels: tuple[int, ...] = (),
    calibration: Path | None = None,
    spread: bool = False,
    json_file: Json = None,
) -> dict[str, Any]:
    """Evaluate a run's newest policy on randomised robots from seeds that training never saw.

    Example: zerogap eval runs/go2 --json evaluation.json

    Example, on some of the terrain: zerogap eval runs/rough --kinds slope_up slope_down steps --levels 3

    Args:
        run: a run's directory.
        robots: how many, each with its own draw of model, latencies, commands and pushes.
        seconds: how long each is watched.
        seed: of the evaluation.
        engine: as the run's by default.
        kinds: of terrain, for a task that has a terrain; all by default.
        levels: of its difficulty, from 0; all by default.
        calibration: a directory of `zerogap calibrate`: evaluate on the robot as it was measured; as in training by default.
        spread: draw robots from what that measurement leaves open.
        json_file: write the evaluation to this file.
    """
    places = {"kind": kinds, "level": tuple(map(str, levels))}
    told = _evaluate(run, robots, seconds, seed, engine, places, _calibrated(calibration, spread))
    _print_evaluation(told)
    return told


def play(
    run: tyro.conf.Positional[Path],
    /,
    video: Path | None = None,
    seconds: float = 20.0,
    seed: int = 1,
    width: int = 960,
    height: int = 540,
    kind: str | None = None,
    level: int | None = None,
) -> None:
    """Show a run's policy: in a viewer where there is a display, else as a video.

    Example: zerogap play runs/go2 --video walk.mp4

    Args:
        run: a run's directory.
        video: write an MP4 to this file; RUN/video.mp4 where there is no display.
        seconds: how long.
        seed: of the robot, its commands and the pushes.
        width: of the video (pixels).
        height: of the video (pixels).
        kind: of terrain, for a task that has a terrain; the first by default.
        level: of its difficulty; 0 by default.
    """
    from rl.play import record, view
    from rl.run import Run

    opened = Run.open(run)
    places = _place(kind, level)
    if video is None and _has_display():
        view(opened, seed=seed, places=places)
        return
    path = video or run / "video.mp4"
    with _progress("recording") as advance:
        record(opened, path, seconds=seconds, seed=seed, width=width, height=height, progress=advance, places=places)
    print(f"video      {path}")


def view(
    run: tyro.conf.Positional[Path],
    /,
    envs: int = 4,
    host: str = "127.0.0.1",
    port: int = 8080,
    seed: int = 1,
    engine: Engine = None,
    kind: str | None = None,
    level: int | None = None,
) -> None:
    """Show a run's policy live in a browser: robots side by side, sliders for their commands.

    Example: zerogap view runs/go2 --envs 9

    Serves the page until Ctrl-C. From another machine: ssh -L 8080:127.0.0.1:8080 MACHINE.

    Args:
        run: a run's directory.
        envs: how many robots, each with its own draw of model, latencies, commands and pushes.
        host: the address to listen at; 0.0.0.0 lets in whoever reaches this machine, and asks for no password.
        port: to listen at; 0 for one that is free.
        seed: of the robots, their commands and the pushes.
        engine: as the run's by default.
        kind: of terrain, for a task that has a terrain; the first by default.
        level: of its difficulty; 0 by default.
    """
    from rl.run import Run
    from rl.view import serve

    def say(text: str) -> None:
        _console.print(escape(text), highlight=False, soft_wrap=True)

    serve(Run.open(run), num_envs=envs, host=host, port=port, seed=seed, engine=engine, places=_place(kind, level), say=say)


def replay(file: tyro.conf.Positional[Path], /, video: Path | None = None, json_file: Json = None) -> dict[str, Any]:
    """Show what happened in an environment that diverged, from the file that training dumped.

    Example: zerogap replay runs/go2/crashes/update-120.npz

    Args:
        file: the dump.
        video: also write an MP4 to this file.
        json_file: write the story to this file.
    """
    from rl.play import record_replay
    from sim.crash import load_crash
    from sim.replay import replay_crash

    record = load_crash(file)
    trajectory = replay_crash(record)
    print(trajectory.story)
    if video is not None:
        with _progress("recording") as advance:
            record_replay(record, trajectory, video, advance)
        print(f"video      {video}")
    return {"story": trajectory.story}


def bench(name: tyro.conf.Positional[str], /, out: Path = Path("runs/bench"), json_file: Json = None) -> dict[str, Any]:
    """Run a benchmark; figures go to a JSON file and a picture.

    Example: zerogap bench throughput --json throughput.json

    Args:
        name: one of: throughput (control steps a second, engine by engine), walk (from nothing to walking, five seeds), rough
            (an hour on rough ground), parallel (what training in two processes costs), ppo (our PPO against brax's), peers (our
            tasks beside EnvPool's and MuJoCo Playground's; ZEROGAP_PEERS_PYTHON names the interpreters that have them), distill
            (teacher and student against training directly, for as long), recovery (a leg's hidden constants, twenty seeds),
            structural (gaps that no parameter explains), close_gap (what adapting a policy regains, five seeds), deploy (a
            policy on the twin, cycle by cycle).
        out: directory for JSON and pictures.
        json_file: write the figures to this file as well.
    """
    try:
        from benchmarks.registry import run_benchmark
    except ModuleNotFoundError as error:
        if error.name not in ("benchmarks", "benchmarks.registry"):
            raise
        raise SystemExit("error: the benchmarks are not part of the wheel; run `zerogap bench` in a checkout") from None
    return run_benchmark(name, out)


def demo(out: Path = Path("runs/demo"), minutes: float = 10.0, seed: int = 0, json_file: Json = None) -> dict[str, Any]:
    """Train the Go2 to walk, evaluate it and film it: what `make demo` runs.

    Example: zerogap demo --out runs/demo

    Args:
        out: the run's directory. If it holds an unfinished demo, that goes on; a finished one is evaluated and filmed anew.
        minutes: of training.
        seed: of the training.
        json_file: write the evaluation to this file.
    """
    from assets.json_file import write_json
    from rl.play import record
    from rl.run import Run
    from rl.train import start_run, train_in_all
    from sim.render import RenderError

    if not train_in_all(out, minutes, lambda: start_run("go2-velocity-flat", out, None, None, seed)):
        raise SystemExit(130)
    run = Run.open(out)
    told = _evaluate(out, 512, 20.0, 0, None)
    write_json(out / "evaluation.json", told)
    video = out / "video.mp4"
    try:
        with _progress("recording a video") as advance:
            record(run, video, seconds=15.0, seed=1, width=640, height=360, progress=advance)
    except RenderError as error:  # a finished training is worth more than its picture
        _console.print(f"[yellow]no video:[/] {error}", highlight=False)
        video = None
    print()
    for label, path in (
        ("checkpoint", run.checkpoints),
        ("curve", out / "curve.png"),
        ("evaluation", out / "evaluation.json"),
        ("video", video),
    ):
        if path is not None:
            print(f"{label:11}{path}")
    _print_evaluation(told)
    return told


# Behind the commands


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


def _calibrated(calibration: Path | None, spread: bool) -> Any:
    """A `rl.run.Calibrated`, or None where there is no calibration."""
    from envs.measured import Measured
    from rl.run import Calibrated, RunError

    if calibration is None:
        if spread:
            raise RunError("--spread draws robots from what a calibration leaves open: name one by --calibration")
        return None
    return Calibrated(Measured.load(calibration), spread)


def _train(run: Any, budget: Any, resume: bool, devices: Any) -> dict[str, Any]:
    from rl.train import train as run_training

    result = run_training(run, budget, resume=resume, devices=devices)
    if not devices.first:
        return {}
    print(f"run        {run.directory}\ncurve      {run.directory / 'curve.png'}\nevaluate   zerogap eval {run.directory}")
    if result.interrupted:
        raise SystemExit(130)
    return result.figures


def _evaluate(
    run: Path,
    robots: int,
    seconds: float,
    seed: int,
    engine: str | None,
    places: dict[str, tuple[str, ...]] | None = None,
    calibrated: Any = None,
) -> dict[str, Any]:
    import dataclasses

    from rl.evaluate import Evaluator, load_policy
    from rl.run import Run

    opened = Run.open(run)
    trained = opened.hash
    if calibrated is not None:
        opened = dataclasses.replace(opened, calibrated=calibrated)
    with _progress(f"evaluating {robots} robots") as advance:
        ppo, state = load_policy(opened, robots, engine, places=places)
        return Evaluator(ppo, seconds)(state, seed=seed, progress=advance).to_json() | {"run": trained}


def _place(kind: str | None, level: int | None) -> dict[str, tuple[str, ...]]:
    chosen = {"kind": kind, "level": level}
    return {label: (str(value),) for label, value in chosen.items() if value is not None}


def _print_evaluation(told: dict[str, Any]) -> None:
    print(f"robots     {told['robots']} for {told['seconds']:g} s each")
    print(f"falls      {told['falls']} ({told['falls'] / told['robots']:.1%})")
    causes = ", ".join(f"{cause} {count}" for cause, count in told["safety_trips"].items())
    print(f"let down   {told['tripped']} by the robot's safety filter{f': {causes}' if causes else ''}")
    for name, value in told.items():
        if name.endswith(("_error", "_at_rest")):
            print(f"{name:32}{value:.3f}")
    if "groups" in told:
        _print_groups(told["groups"])


def _print_groups(groups: list[dict[str, Any]]) -> None:
    """A row for each place of the task's curriculum."""
    from rich.table import Table

    labels = list(groups[0])[: list(groups[0]).index("robots")]
    errors = [name for name in groups[0] if name.endswith("_error")]
    table = Table(*labels, "robots", "falls", *(name.replace("_", " ") for name in errors))
    for group in sorted(groups, key=lambda group: [group[label] for label in labels]):
        falls = f"{group['falls']} ({group['falls'] / group['robots']:.0%})"
        table.add_row(*(str(group[x]) for x in labels), str(group["robots"]), falls, *(f"{group[x]:.3f}" for x in errors))
    Console().print(table)


class _progress:  # noqa: N801 - reads as a verb: with _progress("recording") as advance
    """A bar on the terminal for work whose share done is told by calling `advance(share)`."""

    def __init__(self, title: str):
        from rich.progress import Progress

        self._bar = Progress(console=_console, transient=False)
        self._title = title

    def __enter__(self) -> Callable[[float], None]:
        self._bar.start()
        task = self._bar.add_task(self._title, total=1.0)
        return lambda share: self._bar.update(task, completed=share)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _write_json(path: Path | None, value: Any) -> None:
    if path is not None and value is not None:
        from assets.json_file import write_json

        write_json(path, value)


def _compilation_cache() -> None:
    """Compiled programs are kept between runs: a second start is quick. JAX reads this when it is imported, if it is."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(root / "zerogap" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


_COMMANDS: dict[str, Callable[..., Any]] = {
    "list": list_,
    "doctor": doctor,
    "train": train,
    "distill": distill,
    "eval": eval_,
    "play": play,
    "view": view,
    "replay": replay,
    "bench": bench,
    "demo": demo,
    **sim2real.commands.COMMANDS,
    **assets.objects.commands.COMMANDS,
    **assets.materials.commands.COMMANDS,
}


_GROUPS = {
    "logs": "Read, check, list and draw recordings of robots.",
    "materials": assets.materials.commands.GROUP,
}
"""What the verbs of two words are about, by their first word."""


def _subcommands(commands: dict[str, Callable[..., Any]]) -> Any:
    """The type that tyro makes a command line of; a verb of two words, as "logs import", lies below its first one."""
    groups: dict[str, dict[str, Callable[..., Any]]] = {}
    for name, function in commands.items():
        first, _, second = name.partition(" ")
        groups.setdefault(first, {})[second] = function
    members = []
    for name, verbs in groups.items():
        if "" in verbs:
            members.append(Annotated[Any, tyro.conf.subcommand(name=name, constructor=verbs[""])])
        else:
            group = _group(_subcommands(verbs))
            members.append(Annotated[Any, tyro.conf.subcommand(name=name, constructor=group, description=_GROUPS[name])])
    return Union[tuple(members)]  # noqa: UP007 - made of as many as there are


def _group(verbs: Any) -> Callable[..., None]:
    def choose(verb: Annotated[verbs, tyro.conf.arg(name="")]) -> None:  # pyright: ignore[reportInvalidTypeForm]
        """Nothing is left to do: tyro has run the verb."""

    return choose


def main(args: list[str] | None = None) -> int:
    """The command. Returns the exit status; errors that a user can mend are told in a line, without a traceback."""
    from assets.errors import UserError

    # The matrices here are small, and its idle threads spin on cores that the physics wants. Read when SciPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _compilation_cache()
    return_values: dict[str, Any] = {}

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> None:
            return_values["value"] = function(*args, **kwargs)
            _write_json(kwargs.get("json_file"), return_values["value"])

        return call

    try:
        commands = {name: noting(function) for name, function in _COMMANDS.items()}
        tyro.cli(_subcommands(commands), prog="zerogap", description=__doc__, args=args)
    except UserError as error:
        _console.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2
    except BrokenPipeError:  # whoever read along has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
