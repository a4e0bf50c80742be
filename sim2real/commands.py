"""The verbs of the command line that concern real robots: each a thin call into a folder beside this file.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from typing import Any

COMMANDS: dict[str, Callable[..., Any]] = {}
