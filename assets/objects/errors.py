"""What goes wrong with objects."""

from assets.errors import UserError


class ObjectError(UserError, ValueError):
    """A mesh can't become an object; the message names the file, what was expected and found, and what to do."""
