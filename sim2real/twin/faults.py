"""A gap's faults: what a robot's messages become when something goes wrong with it, or with their way.

faults = Faults(robot, gap.fault)
for message in faults.messages(state, seconds=3.2, commanded=1.5):
    server.publish(message)
"""

from dataclasses import replace
from fnmatch import fnmatchcase

import mujoco
import numpy as np

from assets.robots.robot import Robot
from sim2real.robot_io import RobotState
from sim2real.twin.gap import Fault

_SIZES = {"jump": 1.0, "tilt": 1.2, "hot": 150.0, "rival": 1.0}


class Faults:
    def __init__(self, robot: Robot, faults: tuple[Fault, ...]):
        self._robot, self._faults = robot, faults
        self._done: set[int] = set()
        self._held: dict[int, RobotState] = {}
        self._last: RobotState | None = None
        self.active: tuple[str, ...] = ()
        """Kinds of those that touched the last messages."""

    def messages(self, state: RobotState, seconds: float, commanded: float | None) -> list[RobotState]:
        """What is sent in place of the state, `seconds` into the simulation; the first command came at `commanded`."""
        messages = [state]
        active = []
        for index, fault in enumerate(self._faults):
            if self._is_active(index, fault, seconds, commanded):
                active.append(fault.kind)
                messages = [after for message in messages for after in self._change(index, fault, message)]
            elif index in self._held:
                messages.append(self._held.pop(index))
        self.active = tuple(active)
        if "freeze" not in active:
            self._last = state
        return messages

    def _is_active(self, index: int, fault: Fault, seconds: float, commanded: float | None) -> bool:
        """A fault without a duration touches one message."""
        begin = 0.0 if fault.since == "start" else commanded
        if begin is None or seconds < begin + fault.at - 1e-9 or index in self._done:
            return False
        if fault.seconds == 0.0 or seconds >= begin + fault.at + fault.seconds:
            self._done.add(index)
        return fault.seconds == 0.0 or index not in self._done

    def _change(self, index: int, fault: Fault, state: RobotState) -> list[RobotState]:
        size = _SIZES.get(fault.kind, 0.0) if fault.size is None else fault.size
        joint = next((i for i, name in enumerate(self._robot.joints) if fnmatchcase(name, fault.joint or "*")), 0)
        match fault.kind:
            case "nan":
                return [replace(state, position=_with(state.position, joint, np.nan))]
            case "jump":
                return [replace(state, position=_with(state.position, joint, state.position[joint] + size))]
            case "hot":
                return [replace(state, temperature=_with(state.temperature, joint, size))]
            case "tilt":
                return [replace(state, quaternion=_tilted(state.quaternion, size))]
            case "rival":
                return [replace(state, rivals=state.rivals + round(size))]
            case "checksum":
                return [replace(state, intact=False)]
            case "duplicate":
                return [state, state]
            case "freeze":
                return [self._last or state]
            case "reorder" if index not in self._held:
                self._held[index] = state
                return []
            case "reorder":
                return [state, self._held.pop(index)]
            case "silence":
                return []


def _with(values: np.ndarray, index: int, value: float) -> np.ndarray:
    values = values.copy()
    values[index] = value
    return values


def _tilted(quaternion: np.ndarray, angle: float) -> np.ndarray:
    turn, tilted = np.zeros(4), np.zeros(4)
    mujoco.mju_axisAngle2Quat(turn, np.array([1.0, 0.0, 0.0]), angle)
    mujoco.mju_mulQuat(tilted, quaternion, turn)
    return tilted
