"""Every task under an id of gymnasium's, registered when this module is imported; gymnasium imports it where an id names it:

    gymnasium.make("envs.adapters.ids:zerogap/go2-velocity-flat", render_mode="rgb_array")
    gymnasium.make_vec("envs.adapters.ids:zerogap/go2-velocity-flat", num_envs=64, engine="native")
    gymnasium.make("envs.adapters.ids:zerogap/task", task="my_arm:track")       # any name that `zerogap train` takes

Once it is imported, "zerogap/go2-velocity-flat" alone will do. `zerogap list` names the tasks. Since 1.0 gymnasium has no
entry point by which an installed distribution could register its environments unasked.
"""

import gymnasium

from envs.adapters.gymnasium_env import GymnasiumEnv
from envs.adapters.gymnasium_vector import GymnasiumVectorEnv
from envs.registry import make_env, make_task, task_descriptions


class TaskEnv(GymnasiumEnv):
    """`GymnasiumEnv` of a task by its name, on an engine (by default this machine's best)."""

    def __init__(
        self, task: str, engine: str | None = None, render_mode: str | None = None, width: int = 480, height: int = 480
    ):
        super().__init__(make_env(make_task(task), 1, engine), render_mode, width, height)


class TaskVectorEnv(GymnasiumVectorEnv):
    """`GymnasiumVectorEnv` of a task by its name, on an engine (by default this machine's best)."""

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        engine: str | None = None,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ):
        super().__init__(make_env(make_task(task), num_envs, engine), render_mode, width, height)


def _register(name: str, **settings: str) -> None:
    gymnasium.register(
        f"zerogap/{name}",
        entry_point="envs.adapters.ids:TaskEnv",
        vector_entry_point="envs.adapters.ids:TaskVectorEnv",
        kwargs=settings,
    )


_register("task")
for _name in task_descriptions():
    _register(_name, task=_name)
