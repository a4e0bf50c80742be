"""A curriculum of goals for what is to be brought somewhere: near where it lies at first, then as far as the task draws them.

    Task(..., curriculum=GoalCurriculum(arrived=0.03))

Goals are on the way to those that the task draws. A policy that knows nothing yet moves an object away from a far goal as often
as nearer; with a near one, a nudge in about the right direction arrives.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from envs.start import Progress, Start
from envs.task import TaskError
from envs.view import Layout, View, in_base


@dataclass(frozen=True)
class GoalCurriculum:
    """Each environment starts at level 0 and moves by its own success."""

    arrived: float
    """An object that ends an episode as near to its goal as that (m) takes its environment a level up; one that ends farther
    from it than it began, or is lost, a level down."""
    levels: int = 8
    nearest: float = 0.3
    """Share of the way to the goal that is asked for at level 0; all of it at the last."""

    def first(self, index: jax.Array) -> Progress:
        return {"level": jnp.int32(0), "asked": jnp.float32(0)}

    def judge(self, progress: Progress, view: View, failed: jax.Array) -> Progress:
        left = jnp.linalg.norm(view.command - view.tracked_position[:2])
        up = ~failed & (left < self.arrived)
        down = failed | (left > progress["asked"])
        level = progress["level"] + up.astype(jnp.int32) - down.astype(jnp.int32)
        return progress | {"level": jnp.clip(level, 0, self.levels - 1)}

    def begin(self, key: jax.Array, start: Start, layout: Layout) -> Start:
        place = in_base(layout, start.qpos[layout.tracked])[:2]
        share = self.nearest + (1 - self.nearest) * start.curriculum["level"] / (self.levels - 1)
        way = share * (start.command - place)
        progress = start.curriculum | {"asked": jnp.linalg.norm(way)}
        return start.replace(command=place + way, curriculum=progress)

    def figures(self, progress: Progress) -> dict[str, jax.Array]:
        return {"level": progress["level"].astype(jnp.float32).mean()}

    def labels(self, progress: dict[str, np.ndarray]) -> dict[str, str | int]:
        return {}

    def held(self, places: dict[str, tuple[str, ...]]) -> None:
        """Goals as the task draws them. Raises TaskError where a label is named: there is none."""
        if named := [label for label, values in places.items() if values]:
            raise TaskError(f"goals have no {' or '.join(named)} to choose: leave it out")
