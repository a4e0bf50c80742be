"""The C engine's search trees over the geoms of a body, made anew where geoms are not where the compiler saw them.

    bvh_aabb = refit_trees(model, {"geom_pos": ..., "geom_aabb": ..., "body_ipos": ...})     # (rows, nbvhstatic, 6)

MuJoCo searches bodies of many geoms by a tree of boxes that it makes as it compiles and never changes: with other sizes or
places of geoms it would miss contacts. The shape of the tree stays, its boxes are fitted to the geoms.
"""

from collections.abc import Mapping

import mujoco
import numpy as np

REFITTED_BY = frozenset({"geom_pos", "geom_quat", "geom_aabb", "body_ipos", "body_iquat"})
"""Model fields that the trees depend on: bounds of geoms, and the inertial frames of bodies, in which the boxes are given."""


def refit_trees(model: mujoco.MjModel, fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """`bvh_aabb` of environments that differ in the fields of `REFITTED_BY` that are given, each (rows, *shape in MjModel).

    Boxes are (center, half size), in m, as MuJoCo has them: (rows, nbvhstatic, 6). Those of meshes are the compiler's.
    """
    rows = len(next(iter(fields.values())))

    def of(name: str, ids: np.ndarray) -> np.ndarray:
        values = fields[name] if name in fields else getattr(model, name)[None]
        return np.broadcast_to(values, (rows, *values.shape[1:]))[:, ids].astype(float)

    boxes = np.array(np.broadcast_to(model.bvh_aabb, (rows, model.nbvhstatic, 6)))
    if not model.body_bvhnum.any():
        return boxes
    nodes = np.concatenate([np.arange(a, a + n) for a, n in zip(model.body_bvhadr, model.body_bvhnum, strict=True) if n])
    roots = np.concatenate([np.full(n, a) for a, n in zip(model.body_bvhadr, model.body_bvhnum, strict=True) if n])
    leaves = nodes[model.bvh_nodeid[nodes] >= 0]
    geoms = model.bvh_nodeid[leaves]
    bodies = model.geom_bodyid[geoms]
    inertial, turn = _rotation(of("body_iquat", bodies)), _rotation(of("geom_quat", geoms))
    center, half = np.split(of("geom_aabb", geoms), 2, axis=-1)
    middle = of("geom_pos", geoms) + np.einsum("rgij,rgj->rgi", turn, center) - of("body_ipos", bodies)
    boxes[:, leaves, :3] = np.einsum("rgji,rgj->rgi", inertial, middle)
    boxes[:, leaves, 3:] = np.einsum("rgij,rgj->rgi", np.abs(np.einsum("rgki,rgkj->rgij", inertial, turn)), half)
    for depth in range(model.bvh_depth[nodes].max() - 1, -1, -1):
        inner = (model.bvh_depth[nodes] == depth) & (model.bvh_nodeid[nodes] < 0)
        children = boxes[:, roots[inner][:, None] + model.bvh_child[nodes[inner]]]
        low = (children[..., :3] - children[..., 3:]).min(axis=2)
        high = (children[..., :3] + children[..., 3:]).max(axis=2)
        boxes[:, nodes[inner]] = np.concatenate([low + high, high - low], axis=-1) / 2
    return boxes


def _rotation(quat: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) of quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))
