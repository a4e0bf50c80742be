"""What every error of zerogap that a user can mend has in common."""


class UserError(Exception):
    """The message says what was expected, what was found and what to do; the command line shows it without a traceback."""
