"""Tasks and robots from outside: found by module and by entry point, and told of clearly where they cannot be used."""

import itertools
import sys
from collections.abc import Callable

import pytest

from assets.robots import GO2, RobotError
from envs.plugins import find_task
from envs.registry import find_plugins, make_robot, make_task, task_descriptions
from envs.task import Task, TaskError
from envs.velocity import velocity_flat
from tests.envs.walker import ROBOT

GOOD = """
import dataclasses
from assets.robots import GO2
from assets.terrains import Box, Terrain
from tests.envs.walker import walker_task as build

walk = build(name="walk", description="walk about")
SPOT = dataclasses.replace(GO2, name="spot")
GROUND = Terrain.of({"even": lambda level: (Box((-4.0, 4.0), (-4.0, 4.0), 0.0),)}, 1, 0.5)
number = 3

def made():
    return walk

def for_robot(robot):
    return walk

def broken():
    return [][1]

class Shelf:
    task = walk
"""

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def module(tmp_path, monkeypatch) -> Callable[..., str]:
    """`module(text)` writes a module into the working directory and gives its name, new each time."""
    monkeypatch.chdir(tmp_path)

    def write(text: str = GOOD) -> str:
        name = f"plugged_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


@pytest.fixture
def install(tmp_path, monkeypatch) -> Callable[..., None]:
    """`install(name, tasks={...}, robots={...})` makes a distribution of that name with these entry points."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, tasks: dict[str, str] | None = None, robots: dict[str, str] | None = None) -> None:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        sections = (("zerogap.tasks", tasks or {}), ("zerogap.robots", robots or {}))
        lines = [line for group, points in sections for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return make


def fails(name: str, *expected: str) -> None:
    with pytest.raises(TaskError) as raised:
        make_task(name)
    for text in expected:
        assert text in str(raised.value)


# By module


@pytest.mark.parametrize("attribute", ["walk", "made", "Shelf.task"])
def test_a_task_is_found_in_the_working_directory(module, attribute):
    assert make_task(f"{module()}:{attribute}").name == "walk"


def test_the_working_directory_hides_nothing_that_is_installed(module, tmp_path):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").write_text("raise RuntimeError")
    make_task(f"{module()}:walk")
    assert sys.path[-1] == str(tmp_path)


def test_a_robot_of_a_module_gets_every_kind_of_task(module):
    task = make_task(f"{module()}:SPOT-velocity-flat")
    assert task.name == "spot-velocity-flat"
    assert task.robot.joints == GO2.joints


def test_an_unknown_module_is_told_with_the_nearest_and_where_it_was_looked_for(module, tmp_path):
    name = module()
    fails(f"{name.replace('plugged', 'plugde')}:walk", "no module 'plugde_", f"did you mean {name}", str(tmp_path))
    fails("nothing.like.it:walk", "no module 'nothing'", "PYTHONPATH")


@pytest.mark.parametrize("path", ["arms/two.py", "./arms/two", "arms.two.py", "..arms.two", "arms\\two.py"])
def test_a_path_is_told_with_the_module_that_it_names(path):
    fails(f"{path}:walk", "names no module", "such as arms.two:walk")


def test_an_unknown_attribute_is_told_with_the_nearest(module, tmp_path):
    name = module()
    fails(f"{name}:wlak", name, str(tmp_path), "no 'wlak'", "did you mean walk")
    fails(f"{name}:zzz", "there are: GO2, walk, SPOT, made, for_robot, broken")
    fails(f"{name}:Shelf.tsk", "no 'Shelf.tsk'")


def test_an_object_of_the_wrong_type_is_told_with_the_remedy(module):
    name = module()
    fails(f"{name}:number", f"{name}:number is a int", "expected a Task")
    fails(f"{name}:SPOT", "is a Robot", f"{name}:SPOT-velocity-flat")
    fails(f"{name}:GROUND", "is a Terrain", "part of a task, as in velocity_rough(robot, terrain)")
    fails(f"{name}:for_robot", "function of (robot)", "without arguments")
    fails(f"{name}:walk-velocity-flat", "is a Task", "expected a Robot")
    fails(f"{name}:Shelf", "is a type")
    fails(f"{name}:SPOT-velocity-flt", "unknown kind of task 'velocity-flt'", "did you mean velocity-flat")
    fails(f"{name}:", "module:attribute")
    fails(":walk", "module:attribute")


def test_what_fails_is_told_with_its_place(module):
    name = module()
    fails(f"{name}:broken", "IndexError", f"{name}.py, line 19")
    name = module("x = 1\nraise ValueError('no arm today')")
    fails(f"{name}:walk", "fails on import", "ValueError: no arm today", f"{name}.py, line 2")
    name = module("import not_there_at_all")
    fails(f"{name}:walk", "fails on import", "not_there_at_all", f"{name}.py, line 1")
    name = module("def f(:")
    fails(f"{name}:walk", "fails on import", "SyntaxError", f"{name}.py, line 1")
    name = module("raise SystemExit(3)")
    fails(f"{name}:walk", "fails on import", "SystemExit")


def test_a_robot_that_does_not_suit_is_told():
    with pytest.raises(ValueError, match="quadruped"):
        make_task("tests.envs.walker:ROBOT-velocity-flat")
    assert ROBOT.name == "walker"


# By entry point


def test_entry_points_are_listed_and_made(module, install):
    name = module()
    install("alpha", {"stroll": f"{name}:walk"}, {"spot": f"{name}:SPOT"})
    found = find_plugins()
    walks = {f"spot-{kind}": make_task(f"go2-{kind}").description for kind in ("velocity-flat", "velocity-rough")}
    assert found.tasks == {"stroll": "walk about", **walks}
    assert found.robots == ("spot",)
    assert not found.problems
    assert {"stroll", "spot-velocity-flat", "go2-velocity-flat"} <= task_descriptions().keys()
    assert make_task("stroll").name == "walk"
    assert make_task("spot-velocity-flat").robot.name == "spot"
    fails("strol", "did you mean stroll")


def test_a_robot_is_listed_for_the_kinds_that_suit_it(install):
    install("alpha", robots={"walker": "tests.envs.walker:ROBOT"})
    found = find_plugins()
    assert found.robots == ("walker",)
    assert found.tasks == {}
    assert not found.problems


def test_one_that_fails_is_named_and_the_others_still_list(module, install):
    good, bad = module(), module("raise ValueError('no arm today')")
    install("alpha", {"stroll": f"{good}:walk", "count": f"{good}:number"})
    install("broken-one", {"wave": f"{bad}:wave"}, {"rover": f"{bad}:ROVER"})
    found = find_plugins()
    assert list(found.tasks) == ["stroll"]
    told = "\n".join(found.problems)
    assert "the task 'wave' of the distribution broken-one" in told
    assert "the robot 'rover' of the distribution broken-one" in told
    assert "ValueError: no arm today" in told
    assert "the task 'count' of the distribution alpha" in told
    assert "expected a Task" in told
    fails("wave", "of the distribution broken-one", "ValueError: no arm today")
    assert make_task("stroll").name == "walk"


def test_two_of_the_same_name_are_told_apart(module, install):
    name = module()
    install("alpha", {"stroll": f"{name}:walk"})
    install("beta", {"stroll": f"{name}:made"})
    fails("stroll", "alpha", "beta", f"{name}:walk", f"{name}:made", "module:attribute")
    assert find_plugins().tasks == {}
    assert len(find_plugins().problems) == 1


def test_our_own_are_not_replaced(module, install):
    name = module()
    install("alpha", {"go2-velocity-flat": f"{name}:walk"}, {"go2": f"{name}:SPOT"})
    assert make_task("go2-velocity-flat").robot is GO2
    assert len(find_plugins().problems) == 2
    assert all("hidden by zerogap's own" in problem for problem in find_plugins().problems)
    assert task_descriptions()["go2-velocity-flat"] == make_task("go2-velocity-flat").description


def test_a_name_that_no_command_could_take_is_told(module, install):
    install("alpha", {"a walk": f"{module()}:walk"})
    assert "expected a name of letters" in find_plugins().problems[0]


def test_what_nobody_brings_is_none():
    assert find_task("no-such-task", {}) is None


def test_the_list_warns_of_what_cannot_be_used(module, install, capsys, tmp_path):
    import json

    import zerogap

    name = module("raise ValueError('no [arm] today')")
    install("broken-one", {"wave": f"{name}:wave"})
    assert zerogap.main(["list", "--json", str(tmp_path / "list.json")]) == 0
    told = capsys.readouterr()
    assert "go2-velocity-flat" in told.out
    assert "no [arm] today" in told.err
    assert "broken-one" in json.loads((tmp_path / "list.json").read_text())["problems"][0]
    assert isinstance(make_task("go2-velocity-flat"), Task)


def test_a_robot_is_found_by_its_name_its_module_and_its_entry_point(module, install):
    name = module()
    install("my-robots", robots={"hound": f"{name}:SPOT"})
    assert make_robot("go2") is GO2
    assert make_robot(f"{name}:SPOT").name == "spot"
    assert make_robot("hound").name == "spot"
    with pytest.raises(RobotError, match="unknown robot 'go3': did you mean go2"):
        make_robot("go3")
    with pytest.raises(TaskError, match="expected a Robot"):
        make_robot(f"{name}:number")


WRONG = """
import dataclasses
from assets.robots import GO2

def no_model():
    raise ValueError("where is the mesh?")

LIMPS = dataclasses.replace(GO2, name="limps", feet=("FL", "FR", "RL", "RQ"))
BARE = dataclasses.replace(GO2, name="bare", spec=no_model)
"""


@pytest.mark.parametrize("name, told", [("LIMPS", "has no geom 'RQ'"), ("BARE", "where is the mesh?")])
def test_a_robot_that_does_not_fit_its_model_is_told_and_breaks_no_list(module, install, name, told):
    plugged = module(WRONG)
    with pytest.raises(TaskError, match=told.replace("?", "\\?")):
        find_task(f"{plugged}:{name}-velocity-flat", {"velocity-flat": velocity_flat})
    install("broken", robots={"broken": f"{plugged}:{name}"})
    found = find_plugins()
    assert found.robots == ()
    assert told in found.problems[0]
