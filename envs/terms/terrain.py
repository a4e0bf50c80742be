"""Terms of walking over a `Terrain`: the tile an environment lives on, how it moves by success, and what the critic sees.

    curriculum = TerrainCurriculum(terrain)
    curriculum.held({"level": ("3",)})                   # evaluation: every kind at level 3, whatever happens

Levels move as in Rudin et al. 2022 (arXiv:2109.11978, section 4.2), but by the distance covered in the direction commanded,
which a robot that was told to turn is not blamed for. Needs the memories of this file.
"""

import difflib
import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from assets.terrains import Terrain, TerrainError
from assets.terrains.terrain import TILE_SIZE
from envs.curriculum import Progress
from envs.task import MemoryTerm
from envs.view import View

_START = 0.15
"""Half the width of the square on the platform where robots start (m)."""
_BORDER = 0.45
"""A base this near to the edge of its tile has feet that could meet the next one (m)."""
_FAR_ENOUGH = 0.8
"""Share of the commanded distance that earns a level."""
_TOO_LITTLE = 0.5
"""Share below which a level is lost."""


@dataclass(frozen=True)
class HeldTiles:
    """Environments shared evenly among tiles, (level, kind), where they stay."""

    terrain: Terrain
    tiles: tuple[tuple[int, int], ...]

    def first(self, index: jax.Array) -> Progress:
        level, kind = jnp.array(self.tiles, jnp.int32)[index % len(self.tiles)]
        return {"level": level, "kind": kind}

    def judge(self, progress: Progress, view: View, failed: jax.Array) -> Progress:
        return progress

    def begin(self, key: jax.Array, progress: Progress, qpos: jax.Array) -> tuple[Progress, jax.Array]:
        """The robot as it was drawn, somewhere on the tile's platform."""
        origin = jnp.asarray(self.terrain.origins, jnp.float32)[progress["level"], progress["kind"]]
        offset = jax.random.uniform(key, (2,), minval=-_START, maxval=_START)
        return progress, qpos.at[:3].add(origin.at[:2].add(offset))

    def figures(self, progress: Progress) -> dict[str, jax.Array]:
        return {}

    def labels(self, progress: dict[str, np.ndarray]) -> dict[str, str | int]:
        return {"kind": self.terrain.kinds[int(progress["kind"])], "level": int(progress["level"])}

    def held(self, places: dict[str, tuple[str, ...]]) -> "HeldTiles":
        return held_tiles(self.terrain, places)


def held_tiles(terrain: Terrain, places: dict[str, tuple[str, ...]]) -> HeldTiles:
    """All tiles, or those of the kinds and levels named: {"kind": ("steps",), "level": ("2", "3")}. Raises TerrainError."""
    choices = {"level": tuple(str(level) for level in range(terrain.num_levels)), "kind": terrain.kinds}
    for label, values in places.items():
        if label not in choices:
            raise TerrainError(f"a tile has no {label!r}; it has: {', '.join(choices)}")
        for value in values:
            if value not in choices[label]:
                near = difflib.get_close_matches(value, choices[label], n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise TerrainError(f"the terrain has no {label} {value!r}: {hint}there are: {', '.join(choices[label])}")
    levels, kinds = (places.get(label) or every for label, every in choices.items())
    pairs = itertools.product((int(level) for level in levels), (terrain.kinds.index(kind) for kind in kinds))
    return HeldTiles(terrain, tuple(pairs))


@dataclass(frozen=True)
class TerrainCurriculum:
    """Environments shared evenly among the kinds, each starting at level 0 and moving by its own success."""

    terrain: Terrain
    episode_seconds: float
    """The task's."""

    def first(self, index: jax.Array) -> Progress:
        return self.held({"level": ("0",)}).first(index)

    def judge(self, progress: Progress, view: View, failed: jax.Array) -> Progress:
        """A level up for a robot that came off the platform and covered what it was to cover, one down for one that covered
        less than half. A robot that fell was to go on until its time was up."""
        missed = jnp.linalg.norm(view.command[:2]) * (self.episode_seconds - view.time)
        asked = view.memory["commanded_distance"] + failed * missed
        covered = view.memory["covered_distance"]
        up = ~failed & (covered >= _FAR_ENOUGH * asked) & (view.memory["farthest"] > 2 * self.terrain.platform)
        down = covered < _TOO_LITTLE * asked
        return progress | {"level": jnp.maximum(progress["level"] + up.astype(jnp.int32) - down.astype(jnp.int32), 0)}

    def begin(self, key: jax.Array, progress: Progress, qpos: jax.Array) -> tuple[Progress, jax.Array]:
        """Beyond the last level a random one: so that what was learned first is not forgotten."""
        key_level, key_place = jax.random.split(key)
        levels = self.terrain.num_levels
        anywhere = jax.random.randint(key_level, (), 0, levels)
        level = jnp.where(progress["level"] >= levels, anywhere, progress["level"])
        return self.held({}).begin(key_place, progress | {"level": level}, qpos)

    def figures(self, progress: Progress) -> dict[str, jax.Array]:
        """Mean level, of all and by kind."""
        level = progress["level"].astype(jnp.float32)
        figures = {"level": level.mean()}
        for i, kind in enumerate(self.terrain.kinds):
            of_kind = progress["kind"] == i
            figures[f"level/{kind}"] = jnp.sum(level * of_kind) / jnp.maximum(of_kind.sum(), 1)
        return figures

    def labels(self, progress: dict[str, np.ndarray]) -> dict[str, str | int]:
        return self.held({}).labels(progress)

    def held(self, places: dict[str, tuple[str, ...]]) -> HeldTiles:
        return held_tiles(self.terrain, places)


# Memory: what the curriculum judges by


def update_commanded_distance(view: View) -> jax.Array:
    """How far the commands have asked to go (m)."""
    return view.memory["commanded_distance"] + view.dt * jnp.linalg.norm(view.command[:2])


def update_covered_distance(view: View) -> jax.Array:
    """How far the base has come in the directions commanded (m)."""
    speed = jnp.linalg.norm(view.command[:2])
    along = jnp.dot(view.base_linear_velocity[:2], view.command[:2]) / jnp.maximum(speed, 1e-6)
    return view.memory["covered_distance"] + view.dt * along


def distance_from_middle(view: View) -> jax.Array:
    """Of the base from the middle of the tile that it is on, the larger of x and y (m)."""
    assert view.layout.terrain is not None
    corner = jnp.asarray(view.layout.terrain.corner, jnp.float32)
    return jnp.abs((view.qpos[:2] - corner) % TILE_SIZE - TILE_SIZE / 2).max()


def update_farthest(view: View) -> jax.Array:
    return jnp.maximum(view.memory["farthest"], distance_from_middle(view))


MEMORIES = (
    MemoryTerm("commanded_distance", lambda layout: jnp.zeros(()), update_commanded_distance),
    MemoryTerm("covered_distance", lambda layout: jnp.zeros(()), update_covered_distance),
    MemoryTerm("farthest", lambda layout: jnp.zeros(()), update_farthest),
)


# Truncations


def leaves_tile(view: View) -> jax.Array:
    """The robot is about to step on another tile."""
    return distance_from_middle(view) > TILE_SIZE / 2 - _BORDER


# The critic's


def ground_around_feet(view: View) -> jax.Array:
    """Height of the ground around each foot relative to the foot's centre, (feet * 9) m."""
    return (view.ground_around_feet - view.foot_position[:, 2:]).ravel()
