"""The error that corrections raise, and whoever learns them."""

from assets.errors import UserError


class DeltaError(UserError, ValueError):
    """A correction cannot be learned, read or applied; the message names what was expected, what was found and what to do."""
