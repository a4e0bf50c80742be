"""What has the motors of a Go2 when it is switched on: `SportMode`, as far as one who wants to take them over must know it.

It stands the robot up and holds it there, lays it down when asked to, and lets go when it is released; low-level commands are
obeyed from then on. It answers Unitree's `motion_switcher` and `sport` services, of which it knows what takes part in this.
"""

import json

import numpy as np

from assets.robots.robot import Robot
from sim2real.drivers.unitree.dds import Network
from sim2real.drivers.unitree.motion_switcher import CHECK_MODE, RELEASE_MODE, SELECT_MODE, SPORT, STAND_DOWN, SWITCHER
from sim2real.drivers.unitree.rpc import BAD_PARAMETER, NOT_IMPLEMENTED, ServiceHost
from sim2real.robot_io import RobotCommand, RobotState

_NAME = "normal"
_LYING = {"hip": 0.0, "thigh": 1.36, "calf": -2.65}  # rad; this pose and the gains are those of Unitree's stand example
_STIFFNESS, _DAMPING = 60.0, 5.0
_SECONDS = 1.5  # from one pose to the other


class SportMode:
    """The program's side of the services, and its commands to the motors. `period` (s) is that of `command`."""

    def __init__(self, robot: Robot, network: Network, period: float):
        self.mode = _NAME
        """Empty when released."""
        self._standing = np.array(robot.default_pose)
        self._lying = np.array([_LYING[name.split("_")[1]] for name in robot.joints])
        self._goal = self._standing
        self._start: np.ndarray | None = None
        self._progress = 0.0
        self._step = period / _SECONDS
        self._sequence = 0
        self._services = (ServiceHost(network, SWITCHER, self._switch), ServiceHost(network, SPORT, self._sport))

    def poll(self) -> None:
        for service in self._services:
            service.poll()

    def command(self, state: RobotState) -> RobotCommand:
        """Of a program that has the motors: smoothly from where the joints were to where it wants them."""
        if self._start is None:
            self._start, self._progress = state.position.copy(), 0.0
        self._progress = min(self._progress + self._step, 1.0)
        share = self._progress**2 * (3.0 - 2.0 * self._progress)
        zero = np.zeros(len(self._goal))
        self._sequence += 1
        position = self._start + share * (self._goal - self._start)
        return RobotCommand(self._sequence, position, zero, zero, zero + _STIFFNESS, zero + _DAMPING)

    def _move_to(self, goal: np.ndarray) -> None:
        if goal is not self._goal:
            self._goal, self._start = goal, None

    def _switch(self, api_id: int, parameter: str) -> tuple[int, str]:
        if api_id == CHECK_MODE:
            return 0, json.dumps({"form": "0", "name": self.mode})
        if api_id == SELECT_MODE:
            if _name_in(parameter) != _NAME:
                return BAD_PARAMETER, ""
            self.mode, self._goal, self._start = _NAME, self._standing, None
            return 0, ""
        if api_id == RELEASE_MODE:
            self.mode = ""
            return 0, ""
        return NOT_IMPLEMENTED, ""

    def _sport(self, api_id: int, parameter: str) -> tuple[int, str]:
        if api_id != STAND_DOWN:
            return NOT_IMPLEMENTED, ""
        self._move_to(self._lying)
        return 0, ""


def _name_in(parameter: str) -> object:
    try:
        told = json.loads(parameter)
    except (ValueError, RecursionError):
        return None
    return told.get("name") if isinstance(told, dict) else None
