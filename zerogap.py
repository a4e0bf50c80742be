"""zerogap's command line: one function per verb, each a thin call into the folders below.

zerogap train go2-velocity-flat --minutes 15 --out runs/go2
zerogap eval runs/go2
zerogap play runs/go2 --video walk.mp4
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union

import tyro
from rich.console import Console
from rich.markup import escape

import assets.materials.commands
import assets.objects.commands
import rl.learning_commands
import rl.showing_commands
import sim2real.commands

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]

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


def bench(name: tyro.conf.Positional[str], /, out: Path = Path("runs/bench"), json_file: Json = None) -> dict[str, Any]:
    """Run a benchmark; figures go to a JSON file and a picture.

    Example: zerogap bench throughput --json throughput.json

    Args:
        name: one of: throughput (control steps a second, engine by engine), walk (from nothing to walking, five seeds), rough
            (an hour on rough ground), parallel (what training in two processes costs), ppo (our PPO against brax's), peers (our
            tasks beside EnvPool's and MuJoCo Playground's; ZEROGAP_PEERS_PYTHON names the interpreters that have them), distill
            (teacher and student against training directly, for as long), recovery (a leg's hidden constants, twenty seeds),
            structural (gaps that no parameter explains), close_gap (what adapting a policy regains, five seeds), materials
            (what objects are made of, three seeds), push (pushing objects that were never weighed, five seeds), deploy (a
            policy on the twin, cycle by cycle, and everything that may go wrong).
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


# Behind the commands


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
    **rl.learning_commands.COMMANDS,
    **rl.showing_commands.COMMANDS,
    "bench": bench,
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
    except KeyboardInterrupt:  # of a verb that has nothing to save; what was half-written is gone
        _console.print("interrupted")
        return 130
    except BrokenPipeError:  # whoever read along has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
