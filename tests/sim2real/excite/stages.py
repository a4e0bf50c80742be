"""The built-in robots' models for rehearsals, made once for all tests of a process; and motions designed in them."""

from functools import cache
from typing import Any

from assets.robots.built_in import ROBOTS
from sim2real.excite.design import Design, Wish, design
from sim2real.excite.rehearsal import Stage

RATES = {"go2": 100.0, "so101": 50.0, "panda": 200.0}
"""Hz, low for speed."""


@cache
def stage(robot: str) -> Stage:
    return Stage(ROBOTS[robot]())


def made(robot: str, **wish: Any) -> Design:
    given: dict[str, Any] = {"seconds": 10.0, "rate": RATES[robot]} | wish
    return design(stage(robot).robot, Wish(**given), stage(robot))
