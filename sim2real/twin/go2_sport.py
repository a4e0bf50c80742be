"""What has the motors of a Go2 when it is switched on: `SportMode`, as far as one who wants to take them over must know it.

It holds a robot that stands, lets it sink when it is asked to lie down, and lets go when it is released; low-level commands
are obeyed from then on. It answers Unitree's `motion_switcher` and `sport` services, of which it knows what takes part in this.
"""

import json
from dataclasses import replace

import numpy as np

from assets.robots.robot import Robot
from sim2real.drivers.unitree.dds import Network
from sim2real.drivers.unitree.motion_switcher import CHECK_MODE, RELEASE_MODE, SELECT_MODE, SPORT, STAND_DOWN, SWITCHER
from sim2real.drivers.unitree.rpc import BAD_PARAMETER, NOT_IMPLEMENTED, ServiceHost
from sim2real.robot_io import RobotCommand, RobotState

_NAME = "normal"
_STANDING = 0.3  # rad, by which no joint of a robot that stands is off its default pose
_STIFFNESS, _DAMPING = 60.0, 5.0  # those of Unitree's stand example


class SportMode:
    """The program's side of the services, and its commands to the motors."""

    def __init__(self, robot: Robot, network: Network):
        self.mode = _NAME
        """Empty when released."""
        self._pose = np.array(robot.default_pose)
        self._lies = False
        self._held: RobotCommand | None = None
        self._services = (ServiceHost(network, SWITCHER, self._switch), ServiceHost(network, SPORT, self._sport))

    def poll(self) -> None:
        for service in self._services:
            service.poll()

    def command(self, state: RobotState) -> RobotCommand | None:
        """Of a program that has the motors; None for a robot that lies already when it is switched on."""
        if self._held is None and np.abs(state.position - self._pose).max() < _STANDING:
            zero = np.zeros(len(self._pose))
            self._held = RobotCommand(0, state.position, zero, zero, zero + _STIFFNESS, zero + _DAMPING)
        if self._held is not None and self._lies:
            return replace(self._held, stiffness=np.zeros(len(self._pose)))
        return self._held

    def _switch(self, api_id: int, parameter: str) -> tuple[int, str]:
        if api_id == CHECK_MODE:
            return 0, json.dumps({"form": "0", "name": self.mode})
        if api_id == SELECT_MODE:
            if _name_in(parameter) != _NAME:
                return BAD_PARAMETER, ""
            self.mode, self._lies, self._held = _NAME, False, None
            return 0, ""
        if api_id == RELEASE_MODE:
            self.mode = ""
            return 0, ""
        return NOT_IMPLEMENTED, ""

    def _sport(self, api_id: int, parameter: str) -> tuple[int, str]:
        if api_id != STAND_DOWN:
            return NOT_IMPLEMENTED, ""
        self._lies = True
        return 0, ""


def _name_in(parameter: str) -> object:
    try:
        told = json.loads(parameter)
    except (ValueError, RecursionError):
        return None
    return told.get("name") if isinstance(told, dict) else None
