# MuJoCo's bindings are compiled and come without stubs: a type checker knows none of their names.
# Here they all are, of any type.
# A submodule imported by its full path (`import mujoco.mjx.warp`) is still read from the package.
from typing import Any

def __getattr__(name: str) -> Any: ...
