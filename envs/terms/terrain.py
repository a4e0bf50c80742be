"""Terms of walking over a `Terrain`: the tile an environment lives on, how it moves by success, and what the critic sees.

    curriculum = TerrainCurriculum(terrain)
    curriculum.held({"level": ("3",)})                   # evaluation: every kind at level 3, whatever happens

Levels move as in Rudin et al. 2022 (arXiv:2109.11978, section 4.2), but by the distance covered in the direction commanded,
which a robot that was told to turn is not blamed for. Needs the memories of this file.
"""

import difflib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from assets.robots.robot import Robot
from assets.terrains import Terrain, TerrainError
from assets.terrains.terrain import TILE_SIZE
from envs.start import Progress, Start
from envs.task import MemoryTerm
from envs.terms import locomotion, mirrors
from envs.view import Layout, View
from sim.physics import nominal_field

_START = 0.15
"""Half the width of the square on the platform where robots start (m)."""
_BORDER = 0.45
"""A base this near to the edge of its tile has feet that could step beyond it (m)."""
_FAR_ENOUGH = 0.75
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

    def begin(self, key: jax.Array, start: Start, layout: Layout) -> Start:
        """The robot somewhere on the platform, and its tile under it."""
        at = (start.curriculum["level"], start.curriculum["kind"])
        fields = dict(start.fields)
        for name, table in self.terrain.table.items():
            value = fields.get(name, jnp.asarray(nominal_field(layout.model, name), jnp.float32))
            fields[name] = value.at[layout.ground].set(jnp.asarray(table)[at])
        offset = jax.random.uniform(key, (2,), minval=-_START, maxval=_START)
        return start.replace(fields=fields, qpos=start.qpos.at[:2].add(offset))

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

    def begin(self, key: jax.Array, start: Start, layout: Layout) -> Start:
        """Beyond the last level a random one: so that what was learned first is not forgotten."""
        key_level, key_place = jax.random.split(key)
        level, levels = start.curriculum["level"], self.terrain.num_levels
        level = jnp.where(level >= levels, jax.random.randint(key_level, (), 0, levels), level)
        start = start.replace(curriculum=start.curriculum | {"level": level})
        return self.held({}).begin(key_place, start, layout)

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
    return view.memory["covered_distance"] + view.dt * locomotion.speed_along_command(view)


def distance_from_middle(view: View) -> jax.Array:
    """Of the base from the middle of its tile, the larger of x and y (m)."""
    return jnp.abs(view.qpos[:2]).max()


def update_farthest(view: View) -> jax.Array:
    return jnp.maximum(view.memory["farthest"], distance_from_middle(view))


MEMORIES = (
    MemoryTerm("commanded_distance", lambda layout: jnp.zeros(()), update_commanded_distance),
    MemoryTerm("covered_distance", lambda layout: jnp.zeros(()), update_covered_distance),
    MemoryTerm("farthest", lambda layout: jnp.zeros(()), update_farthest),
)


# Truncations


def leaves_tile(view: View) -> jax.Array:
    """The robot is about to step off its tile."""
    return distance_from_middle(view) > TILE_SIZE / 2 - _BORDER


# What the critic sees, and what is measured


def ground_around_feet(view: View) -> jax.Array:
    """Height of the ground around each foot relative to the foot's centre, (feet * 9) m."""
    return (view.ground_around_feet - view.foot_position[:, 2:]).ravel()


def mirror_ground_around_feet(value: jax.Array, robot: Robot) -> jax.Array:
    """The same of the robot's mirror image, for `CriticTerm.mirror`: the feet swap sides, and so do the points of each."""
    return mirrors.feet(value.reshape(-1, 3, 3)[:, :, ::-1], robot).ravel()


def off_platform(terrain: Terrain) -> Callable[[View], jax.Array]:
    """1 where the base has left the flat platform of its tile."""
    return lambda view: (distance_from_middle(view) > terrain.platform).astype(jnp.float32)
