import pytest

from envs.registry import KINDS, ROBOTS, make_task, task_descriptions
from envs.task import TaskError


def test_kinds_name_robots_that_there_are():
    assert {robot for kind in KINDS.values() for robot in kind.robots} == set(ROBOTS)


@pytest.mark.parametrize("name", ["go2-velocity-flat", "so101-reach"])
def test_a_task_bears_the_name_that_it_is_asked_for_by(name):
    task = make_task(name)
    assert task.name == name
    assert task.description == task_descriptions()[name]


def test_tasks_need_no_model_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    for name in task_descriptions():
        make_task(name).robot.spec()


@pytest.mark.parametrize("name", ["go2-reach", "so101-velocity-flat", "reach", "so101"])
def test_a_kind_that_does_not_fit_the_robot_is_no_task(name):
    with pytest.raises(TaskError, match=f"unknown task '{name}'.*so101-reach"):
        make_task(name)
