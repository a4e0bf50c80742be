"""How difficult an environment's next episode is, by how it fared in its last ones.

    task = dataclasses.replace(task, curriculum=...)          # such as envs.terms.terrain.TerrainCurriculum
    state.curriculum                                          # of every environment, kept in EnvState

A curriculum is pure functions of one environment, which the environment vectorises. At the end of an episode `judge` moves its
progress; `begin` makes of what was drawn for the next what the progress asks for: another place, command, mass, whatever an
episode starts from.
"""

from typing import Protocol

import jax
import numpy as np

from envs.start import Progress, Start
from envs.view import Layout, View


class Curriculum(Protocol):
    def first(self, index: jax.Array) -> Progress:
        """Of the environment with that index, before its first episode."""
        ...

    def judge(self, progress: Progress, view: View, failed: jax.Array) -> Progress:
        """After an episode whose last moment `view` shows, the memories of its last step included."""
        ...

    def begin(self, key: jax.Array, start: Start, layout: Layout) -> Start:
        """The start of an episode, from what was drawn without regard to the curriculum; `start.curriculum` is `judge`'s. May
        set model fields that the randomisation leaves alone, but always the same ones."""
        ...

    def figures(self, progress: Progress) -> dict[str, jax.Array]:
        """Scalars that tell how far all environments are, from the progress of the batch; for curves and logs."""
        ...

    def labels(self, progress: dict[str, np.ndarray]) -> dict[str, str | int]:
        """What an evaluation calls the environment's place."""
        ...

    def held(self, places: dict[str, tuple[str, ...]]) -> "Curriculum | None":
        """The same places, or those that have one of the given values for each label named, evenly shared and moved by no
        outcome: for evaluation; None where that is what the task draws by itself. Raises ValueError where there is no such
        label or value."""
        ...
