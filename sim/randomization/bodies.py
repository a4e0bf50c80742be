"""Terms for the inertia of bodies. Whatever they draw, the result is the inertia of some real distribution of mass.

MuJoCo keeps a body's inertia as principal moments (`body_inertia`) in the frame (`body_ipos`, `body_iquat`). The second moments
of the mass along the principal axes are S_i = (I_1 + I_2 + I_3) / 2 - I_i; a body is physical if and only if they are not
negative (Traversaro et al. 2016, "Identification of fully physical consistent inertial parameters", eq. 13).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import mujoco

from sim.randomization.distribution import Distribution
from sim.randomization.term import Draw, RandomizationError, Values, match


@dataclass(frozen=True)
class Mass:
    """Scales the mass of bodies, and their inertia with it: the same shape of another density. One draw per body."""

    distribution: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = match(model, "body", self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            scale = jnp.maximum(self.distribution.sample(key, ids.shape), 1e-3)
            return {
                "body_mass": values["body_mass"].at[ids].multiply(scale),
                "body_inertia": values["body_inertia"].at[ids].multiply(scale[:, None]),
            }

        return ("body_mass", "body_inertia"), draw


@dataclass(frozen=True)
class CenterOfMass:
    """Shifts the centre of mass of bodies in the body's frame, one draw per body and axis (m)."""

    distribution: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = match(model, "body", self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            return {"body_ipos": values["body_ipos"].at[ids].add(self.distribution.sample(key, (len(ids), 3)))}

        return ("body_ipos",), draw


@dataclass(frozen=True)
class Inertia:
    """Scales the second moments of bodies along each principal axis, at equal mass: the mass lies closer or further out."""

    distribution: Distribution
    pattern: str = "*"

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = match(model, "body", self.pattern, self)

        def draw(key: jax.Array, values: Values) -> Values:
            moments = values["body_inertia"][ids]
            second = moments.sum(-1, keepdims=True) / 2 - moments
            second = jnp.maximum(second, 0.0) * jnp.maximum(self.distribution.sample(key, second.shape), 1e-3)
            return {"body_inertia": values["body_inertia"].at[ids].set(second.sum(-1, keepdims=True) - second)}

        return ("body_inertia",), draw


@dataclass(frozen=True)
class Payload:
    """Fixes a solid box to a body: mass (kg), and centre in the body's frame (m; one draw per axis around `position`)."""

    body: str
    mass: Distribution
    position: tuple[float, float, float]
    spread: Distribution
    size: tuple[float, float, float] = (0.1, 0.1, 0.05)
    """Full edge lengths of the box (m)."""

    def bind(self, model: mujoco.MjModel) -> tuple[tuple[str, ...], Draw]:
        ids = match(model, "body", self.body, self)
        if len(ids) > 1:
            raise RandomizationError(f"{self}: a payload sits on one body, but {self.body!r} matches {len(ids)}")
        body = int(ids[0])

        def draw(key: jax.Array, values: Values) -> Values:
            key_mass, key_position = jax.random.split(key)
            added = jnp.maximum(self.mass.sample(key_mass, ()), 0.0)
            position = jnp.array(self.position) + self.spread.sample(key_position, (3,))
            return with_box(values, body, added, position, self.size)

        return ("body_mass", "body_ipos", "body_inertia", "body_iquat"), draw


def with_box(values: Values, body: int, added: jax.Array, position: jax.Array, size: tuple[float, float, float]) -> Values:
    """The fields of a body to which a solid box of mass `added` (kg) is fixed, its centre at `position` in the body's frame
    (m), its edges of these lengths (m) along the frame's axes."""
    square = jnp.square(jnp.array(size))
    box = (square.sum() - square) / 12  # moments of a unit mass
    mass, center = values["body_mass"][body], values["body_ipos"][body]
    total = mass + added
    new_center = (mass * center + added * position) / total
    axes = _rotation(values["body_iquat"][body])
    tensor = axes @ jnp.diag(values["body_inertia"][body]) @ axes.T
    tensor += _point_inertia(mass, center - new_center) + jnp.diag(box) * added
    tensor += _point_inertia(added, position - new_center)
    moments, axes = jnp.linalg.eigh(tensor)
    axes = axes.at[:, 0].multiply(jnp.sign(jnp.linalg.det(axes)))
    return {
        "body_mass": values["body_mass"].at[body].set(total),
        "body_ipos": values["body_ipos"].at[body].set(new_center),
        "body_inertia": values["body_inertia"].at[body].set(moments),
        "body_iquat": values["body_iquat"].at[body].set(_quaternion(axes)),
    }


def _point_inertia(mass: jax.Array, offset: jax.Array) -> jax.Array:
    """Parallel-axis term (Steiner), (3, 3)."""
    return mass * (jnp.dot(offset, offset) * jnp.eye(3) - jnp.outer(offset, offset))


def _rotation(quat: jax.Array) -> jax.Array:
    w, x, y, z = quat / jnp.linalg.norm(quat)
    return jnp.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(r: jax.Array) -> jax.Array:
    """(w, x, y, z) of a rotation matrix, by the largest of the four components (Shepperd 1978): exact for every rotation."""
    t = jnp.array(
        [
            [1 + r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[1, 0] + r[0, 1], 1 - r[0, 0] + r[1, 1] - r[2, 2], r[2, 1] + r[1, 2]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2]],
        ]
    )
    row = t[jnp.argmax(jnp.diagonal(t))]
    return row / jnp.linalg.norm(row)
