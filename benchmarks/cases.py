"""On which engines, and with how many environments, trainings and their speed are measured here: `cases()`.

results = {str(case): measure(case) for case in cases()}      # "native-512"; with an accelerator "warp-8192" and others
"""

from dataclasses import dataclass

from rl.train import DEFAULT_NUM_ENVS
from sim.engine import default_engine

_SIZES = (8192, 4096)  # with an accelerator; what its users train with


@dataclass(frozen=True)
class Case:
    engine: str
    num_envs: int

    def __str__(self) -> str:
        return f"{self.engine}-{self.num_envs}"


def cases(engine: str | None = None) -> tuple[Case, ...]:
    """By this machine's best engine, or as if that were `engine`: on the CPU's own one case; on `warp` it and `mjx`, on another
    accelerator than NVIDIA's `mjx` alone, each at 8,192 and at 4,096 environments. The first is the one to quote."""
    engine = engine or default_engine()
    if engine == "native":
        return (Case(engine, DEFAULT_NUM_ENVS[engine]),)
    return tuple(Case(each, size) for each in dict.fromkeys((engine, "mjx")) for size in _SIZES)
