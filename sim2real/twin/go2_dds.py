"""The Go2's side of Unitree's DDS interface: `Go2DdsServer`, a `TwinServer` that is as strict as the robot, or more so.

    server = Go2DdsServer(GO2, rate=500.0, address="lo/1")
    server.publish(simulated.step(server.command()))

It starts with the sport mode in charge (`go2_sport`): low-level commands are refused until that is released. After that it
obeys commands that `go2_commands` finds nothing wrong with, at most 1000 a second, and goes limp 40 ms after the last. States
carry a tick and a checksum; rivals that they tell of are there as publishers; what the simulation does not have, such as the
battery and the feet's force, is zero.
"""

import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from assets.robots.robot import Robot
from sim2real.drivers.unitree.crc import seal
from sim2real.drivers.unitree.dds import Address, Network, Outbox
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import COMMAND_TOPIC, HEAD, LOW_LEVEL, SERVO_MODE, STATE_TOPIC, LowCmd_, LowState_
from sim2real.robot_io import RobotCommand, RobotState
from sim2real.twin.go2_commands import CommandReader
from sim2real.twin.go2_sport import SportMode

COMMAND_SECONDS = 0.04
"""How long a command holds: Unitree asks for one every 1 to 10 ms."""
_MOST_PER_SECOND = 1000.0
_BURST = 100.0  # commands that may come at once, after the network or this process has paused


class Go2DdsServer:
    """One Go2 at an address (see `unitree.dds.Address`). Raises DriverError where it cannot join the network."""

    def __init__(self, robot: Robot, rate: float = 500.0, address: str = "lo/1", clock: Callable[[], float] = time.monotonic):
        self.address = address
        self.received = 0
        """Commands that came, whatever became of them."""
        self.obeyed = 0
        """Of these, how many were valid and came when they were wanted."""
        self._clock = clock
        self._motors = np.array([motor.index for motor in robot.motors])
        self._signs = np.array([float(motor.sign) for motor in robot.motors])
        self._reader = CommandReader(robot)
        self._layout = Layout(LowState_)
        self._message = self._empty_state()
        self._network = Network(Address.parse(address))
        self._sport = SportMode(robot, self._network)
        self._publishers = self._network.others(COMMAND_TOPIC)
        self._commanders = 0
        self._inbox = self._network.subscribe(COMMAND_TOPIC, LowCmd_)
        self._outbox = self._network.publish(STATE_TOPIC, LowState_)
        self._rivals: list[Outbox] = []
        self._state: RobotState | None = None
        self._command: RobotCommand | None = None
        self._due = 0.0
        self._allowance, self._allowed_at = _BURST, clock()
        self._told: Counter[str] = Counter()

    def command(self) -> RobotCommand | None:
        self._sport.poll()
        self._count_commanders()
        now = self._clock()
        self._allowance = min(_BURST, self._allowance + (now - self._allowed_at) * _MOST_PER_SECOND)
        self._allowed_at = now
        for cdr in self._inbox.take():
            self._receive(cdr, now)
        if self._sport.mode:
            self._command = None
            return None if self._state is None else self._sport.command(self._state)
        if self._command is not None and now > self._due:
            self._told[f"no command for {1e3 * COMMAND_SECONDS:g} ms: the motors are limp"] += 1
            self._command = None
        return self._command

    def publish(self, state: RobotState) -> None:
        self._state = state
        message = self._message
        motors, imu = message["motor_state"], message["imu_state"]
        motors["q"][self._motors] = state.position * self._signs
        motors["dq"][self._motors] = state.velocity * self._signs
        motors["tau_est"][self._motors] = state.torque * self._signs
        motors["temperature"][self._motors] = np.clip(np.nan_to_num(state.temperature), 0, 255)
        imu["quaternion"] = state.quaternion
        imu["gyroscope"] = state.angular_velocity
        imu["accelerometer"] = state.acceleration
        imu["rpy"] = _roll_pitch_yaw(state.quaternion)
        message["tick"] = state.sequence % (1 << 32)
        sealed = seal(message.tobytes())
        if not state.intact:
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        self._outbox.send(self._layout.to_cdr(sealed))
        self._show_rivals(state.rivals)

    def events(self) -> list[str]:
        told = [f"{text} ({count} times)" if count > 1 else text for text, count in self._told.items()]
        self._told.clear()
        return told

    def close(self) -> None:
        self._rivals.clear()
        self._network.close()

    def _receive(self, cdr: bytes, now: float) -> None:
        self.received += 1
        if self._allowance < 1.0:
            self._told[f"refused a command: more than {_MOST_PER_SECOND:g} a second"] += 1
            return
        self._allowance -= 1.0
        if self._sport.mode:
            self._told[f"refused a command: mode {self._sport.mode!r} has the motors; release it first"] += 1
            return
        read = self._reader.read(cdr, self.obeyed)
        if isinstance(read, str):
            self._told[f"refused a command: {read}"] += 1
            return
        self.obeyed += 1
        self._command, self._due = read, now + COMMAND_SECONDS

    def _count_commanders(self) -> None:
        commanders = self._publishers.count()
        if commanders > max(1, self._commanders):
            self._told[f"{commanders} publishers of {COMMAND_TOPIC}: the newest command counts, whoever sent it"] += 1
        self._commanders = commanders

    def _show_rivals(self, count: int) -> None:
        """A state cannot tell of rivals here: there must be some. Silent ones do."""
        del self._rivals[count:]
        while len(self._rivals) < count:
            self._rivals.append(self._network.publish(COMMAND_TOPIC, LowCmd_))

    def _empty_state(self) -> np.ndarray:
        message = self._layout.new()
        message["head"] = HEAD
        message["level_flag"] = LOW_LEVEL
        message["motor_state"]["mode"][self._motors] = SERVO_MODE
        return message


def _roll_pitch_yaw(quaternion: np.ndarray) -> tuple[float, float, float]:
    """Angles (rad) of the rotations about x, then y, then z of the world that turn it so."""
    w, x, y, z = quaternion
    roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    return roll, pitch, np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
