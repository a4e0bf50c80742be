"""What goes wrong with materials."""

from assets.errors import UserError


class MaterialError(UserError, ValueError):
    """Materials can't be told, read or used; the message names what was expected and found, and what to do."""


EXISTS = "give another name, or delete it first"
"""What to do where a file is there already."""
