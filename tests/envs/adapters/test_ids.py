"""Tasks by gymnasium's ids, as a user makes them."""

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import envs.adapters.ids
from envs.registry import task_descriptions
from envs.task import TaskError

TASK = "zerogap/task"


@pytest.fixture
def small(monkeypatch):
    """The name of a task that is quickly made."""
    from tests.rl import tracking

    monkeypatch.setattr(tracking, "small_task", lambda: tracking.tracking_task(action_limit=1.0), raising=False)
    return "tests.rl.tracking:small_task"


def test_every_task_has_an_id():
    assert {f"zerogap/{name}" for name in (*task_descriptions(), "task")} <= gymnasium.registry.keys()


def test_gymnasium_imports_the_module_by_itself():
    assert envs.adapters.ids.__name__ == "envs.adapters.ids"
    spec = gymnasium.spec("zerogap/go2-velocity-flat")
    assert spec.kwargs == {"task": "go2-velocity-flat"}


@pytest.mark.filterwarnings("ignore:.*infinity")
def test_a_task_made_by_its_id_passes_gymnasiums_checks(small):
    """Those of rendering and of closing too, for which gymnasium makes it anew from its id."""
    env = gymnasium.make(f"envs.adapters.ids:{TASK}", task=small, engine="native", render_mode="rgb_array", width=32, height=32)
    check_env(env.unwrapped)
    env.close()


def test_a_vector_is_made_by_the_same_id(small):
    batch = gymnasium.make_vec(TASK, num_envs=3, task=small, engine="native")
    assert batch.num_envs == 3
    assert batch.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert batch.reset(seed=0)[0].shape == (3, 3)
    batch.close()


def test_an_unknown_task_is_told():
    with pytest.raises(TaskError, match="did you mean go2-velocity-flat"):
        gymnasium.make(TASK, task="go2-velocity-flt")
