"""What a policy can be asked: `CommandRange`, and what it is asked instead of what it was not trained for.

commands = pilot.commands
commanded = commands.nearest(asked)
for name, text in commands.changes(asked, commanded).items():
    print(text)                           # "the yaw rate (rad/s) is asked to be 3, trained were -1 to 1: 1 is commanded"
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assets.errors import UserError

_SLACK = 0.005  # of a range, beyond its ends: no draw of training's meets them exactly
_CLOSE = 1e-6  # that rounding may make of a number


class CommandError(UserError, ValueError):
    """A command is none that a policy can be given; the message says what was expected and what was found."""


@dataclass(frozen=True, eq=False)
class CommandRange:
    names: tuple[str, ...]
    """Of the command's entries, with units."""
    limits: np.ndarray
    """The lowest and highest that training drew, (num_entries, 2)."""
    default: np.ndarray
    """What is asked where nobody asks, (num_entries,)."""
    of_kind: Callable[[np.ndarray], np.ndarray] = lambda command: command
    """The nearest command whose entries go together as training's did: a unit quaternion's, say."""

    @classmethod
    def nothing(cls) -> "CommandRange":
        """Of what takes no command."""
        return cls((), np.zeros((0, 2)), np.zeros(0))

    def nearest(self, asked: np.ndarray) -> np.ndarray:
        """What a policy is commanded that is asked so, (num_entries,): each entry within its range, then all of their kind.

        What is no number stays so. Raises CommandError where there are more or fewer entries, and what `of_kind` raises.
        """
        if np.shape(asked) != (len(self.names),):
            raise CommandError(f"a command has shape {np.shape(asked)}, expected one entry for each of {', '.join(self.names)}")
        low, high = self.limits.T
        return self.of_kind(np.where(self.is_beyond(asked), np.clip(asked, low, high), asked))

    def is_beyond(self, asked: np.ndarray) -> np.ndarray:
        """Which entries are outside what training drew, (num_entries,) bool."""
        low, high = self.limits.T
        return ~((asked >= low - self._slack) & (asked <= high + self._slack))

    def changes(self, asked: np.ndarray, commanded: np.ndarray) -> dict[str, str]:
        """In words, by the names of the entries that are commanded otherwise than asked."""
        beyond, differs = self.is_beyond(asked), np.abs(commanded - asked) > self._slack
        told = {}
        for i in np.flatnonzero(differs):
            low, high = self.limits[i]
            reason = f"trained were {low:.3g} to {high:.3g}" if beyond[i] else "which does not go with the other entries"
            name = self.names[i]
            told[name] = f"the {name} is asked to be {asked[i]:.3g}, {reason}: {commanded[i]:.3g} is commanded"
        return told

    @property
    def _slack(self) -> np.ndarray:
        return _CLOSE + _SLACK * (self.limits[:, 1] - self.limits[:, 0])
