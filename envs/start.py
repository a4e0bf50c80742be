"""What an episode starts from."""

from typing import Any

import jax
from flax import struct

Progress = dict[str, jax.Array]
"""How far one environment is in its task's curriculum, by the curriculum's own names; empty without one."""


class Start(struct.PyTreeNode):
    """The start of one environment's episode."""

    qpos: jax.Array
    qvel: jax.Array
    fields: dict[str, jax.Array]
    command: jax.Array
    reference: Any
    """What the task's `CommandTerm.reference` gives for the command."""
    command_left: jax.Array
    push_left: jax.Array
    episode: dict[str, jax.Array]
    curriculum: Progress
