"""Who has the motors: `MotionSwitcher` asks the robot which of its own programs moves it and makes that let go.

    switcher = MotionSwitcher(network)
    while switcher.mode():                      # "normal", "ai", ...; "" where low-level commands are obeyed
        switcher.stand_down()
        ...                                     # until the robot rests
        switcher.release()

Services and numbers of their requests are those of unitree_sdk2_python (`comm/motion_switcher`, `go2/sport`), and so is the
order: a robot whose program is released while it stands falls.
"""

import json

from sim2real.drivers.driver import DriverError
from sim2real.drivers.unitree.dds import Network
from sim2real.drivers.unitree.rpc import Service

SWITCHER = "motion_switcher"
CHECK_MODE = 1001
SELECT_MODE = 1002
RELEASE_MODE = 1003
SPORT = "sport"
STAND_DOWN = 1005


class MotionSwitcher:
    """A client of the services that decide over the motors."""

    def __init__(self, network: Network):
        self._switcher = Service(network, SWITCHER)
        self._sport = Service(network, SPORT)

    def mode(self) -> str:
        """Name of the program that moves the robot, empty where none does."""
        data = self._switcher.call(CHECK_MODE)
        try:
            name = json.loads(data)["name"]
        except (ValueError, KeyError, TypeError):
            name = None
        if not isinstance(name, str):
            raise DriverError(f'the motion switcher answered {data[:80]!r}; expected JSON with a "name"')
        return name

    def stand_down(self) -> None:
        """Ask the program to lay the robot down; it answers before that is done."""
        self._sport.call(STAND_DOWN)

    def release(self) -> None:
        """Make the program let go of the motors."""
        self._switcher.call(RELEASE_MODE)
