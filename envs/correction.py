"""A correction of the simulation: what is added to joint targets so that a simulated robot moves as the real one would.

    task = dataclasses.replace(task, correction=model, correction_scale=Uniform(0.5, 1.0))

It belongs to the simulated robot, as its friction does: it sits between the targets that the policy asks for and the motors,
the policy is not told of it, and an exported policy does not hold it.
"""

from typing import Any, Protocol

import jax

from envs.view import Layout


class Correction(Protocol):
    def initial(self, layout: Layout) -> Any:
        """A pytree of what is remembered, of one robot with no past. Raises where the robot is another one."""
        ...

    def apply(
        self, memory: Any, target: jax.Array, position: jax.Array, velocity: jax.Array, scale: jax.Array
    ) -> tuple[jax.Array, Any]:
        """The corrected targets and what is remembered from now on, of one robot, once each control step.

        target: (num_joints,) rad, as asked for; position, velocity: (num_joints,) rad as encoders read it, and rad/s, when it
        was asked for; scale: (), how much of the correction there is to be.
        """
        ...
