"""The term that gives each environment an object of its own.

    shelf = Shelf.of_primitives([mug, hammer, banana])      # assets.objects; attached to the scene
    Randomization(model=(AnyObject(shelf), Mass(Uniform(0.8, 1.2), "object")))

Terms after it vary what was drawn. An object about which a range is believed, such as a mass predicted with its uncertainty,
may stand on the shelf many times over, each as one draw of what is believed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from assets.objects.errors import ObjectError
from sim.randomization.term import Draw, RandomizationError, Values

if TYPE_CHECKING:  # whoever has a shelf has loaded what reads meshes
    from assets.objects.shelf import Shelf


@dataclass(frozen=True)
class AnyObject:
    """Draws, at each episode, which object of a shelf is in the scene, all equally likely.

    A shelf of hulls is for the native engine: others raise PhysicsError, as they compile in which mesh a geom has.
    """

    shelf: "Shelf"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        geoms, body, table = self._placed(model)

        def draw(key: jax.Array, values: Values) -> Values:
            index = jax.random.randint(key, (), 0, len(self.shelf.objects))
            rows = {name: jnp.asarray(row)[index] for name, row in table.items()}
            return {name: values[name].at[body if name.startswith("body_") else geoms].set(row) for name, row in rows.items()}

        return self.shelf.field_names, draw

    def index_of(self, model: mujoco.MjModel, fields: Values) -> jax.Array:
        """Which object each environment has, (num_envs,), by its fields (num_envs, ...): its number on the shelf.

        Where several on the shelf differ in nothing but mass or friction, the first of them is told.
        """
        geoms, _, table = self._placed(model)
        found, known = fields["geom_pos"][:, geoms], jnp.asarray(table["geom_pos"])
        return jnp.abs(found[:, None] - known).sum(axis=(2, 3)).argmin(axis=1)

    def _placed(self, model: mujoco.MjModel) -> tuple[np.ndarray, int, dict[str, np.ndarray]]:
        """Ids of the shelf's geoms and of its body, and its table, with the meshes as the model counts them."""
        try:
            geoms = self.shelf.geom_ids(model)
        except ObjectError as error:
            raise RandomizationError(f"AnyObject: {error}") from error
        table = dict(self.shelf.table)
        if "geom_dataid" in table:
            table["geom_dataid"] = self.shelf.mesh_ids(model)[table["geom_dataid"].astype(int)].astype(np.float32)
        return geoms, int(model.body(self.shelf.name).id), table
