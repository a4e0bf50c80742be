"""Terms for the shape of geoms."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco

from sim.randomization.distribution import Distribution
from sim.randomization.term import Draw, RandomizationError, Values, match

_SIZED = {
    mujoco.mjtGeom.mjGEOM_SPHERE,
    mujoco.mjtGeom.mjGEOM_CAPSULE,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
    mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    mujoco.mjtGeom.mjGEOM_BOX,
}


@dataclass(frozen=True)
class GeomSize:
    """Scales the size of primitive geoms, and the bounds by which the broad phase finds them. One draw per geom."""

    distribution: Distribution
    pattern: str

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = match(model, "geom", self.pattern, self)
        for i in ids:
            kind = mujoco.mjtGeom(model.geom_type[i])
            if kind not in _SIZED:
                raise RandomizationError(f"{self}: geom {model.geom(i).name!r} is a {kind.name}; only primitives can be scaled")

        def draw(key: jax.Array, values: Values) -> Values:
            scale = jnp.maximum(self.distribution.sample(key, ids.shape), 1e-3)
            # Bounds of a primitive are proportional to its size.
            return {
                "geom_size": values["geom_size"].at[ids].multiply(scale[:, None]),
                "geom_rbound": values["geom_rbound"].at[ids].multiply(scale),
                "geom_aabb": values["geom_aabb"].at[ids].multiply(scale[:, None]),
            }

        return ("geom_size", "geom_rbound", "geom_aabb"), draw
