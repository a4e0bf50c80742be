"""The Unitree Go2 over its low-level DDS interface: `Go2Driver`, a `Driver`.

    driver = Go2Driver("enp3s0")                # the wire to the robot; "lo/1" is a twin on this machine
    driver.connect()
    driver.acquire()                            # lays the robot down and releases its sport mode
    driver.write(command)
    driver.read()

Commands go to `rt/lowcmd` and states come from `rt/lowstate`, 500 a second; joints are mapped to motors by the robot's
description. Constants and the way to take command are those of Unitree's example (unitree_sdk2_python, go2_stand_example.py).
Not yet tried on hardware.
"""

import time
from collections import deque
from dataclasses import replace

import numpy as np

from assets.robots.go2 import GO2
from sim2real.drivers.driver import DriverError
from sim2real.drivers.unitree.crc import is_intact, seal
from sim2real.drivers.unitree.dds import Address, Inbox, Network, Outbox, Publishers
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import (
    COMMAND_TOPIC,
    HEAD,
    LOW_LEVEL,
    POSITION_OFF,
    SERVO_MODE,
    STATE_TOPIC,
    VELOCITY_OFF,
    LowCmd_,
    LowState_,
)
from sim2real.drivers.unitree.motion_switcher import MotionSwitcher
from sim2real.robot_io import RobotCommand, RobotState

_PATIENCE = 10.0  # s, for a robot that is slow to appear or to listen
_DISCOVERY = 1.0  # s, within which every publisher on the network has told of itself
_REST_SECONDS, _REST_TICKS, _REST_ANGLE = 0.5, 500, 0.02  # a robot rests whose joints move less (rad) for so long
_SLOWEST_SECONDS, _SLOWEST_TICKS = 30.0, 15000  # in which it lies down
_DAMPING = 3.0  # N m s/rad, of the motors that let the robot sink: what Unitree's own controllers use
_TICKS = 1 << 32


class Go2Driver:
    """One Go2. The address is a network interface and, after a slash, a DDS domain; see `unitree.dds.Address`."""

    def __init__(self, address: str = "lo/1"):
        self.robot = GO2
        self.rate = 500.0
        self.address = Address.parse(address)
        self._motors = np.array([motor.index for motor in GO2.motors])
        self._signs = np.array([float(motor.sign) for motor in GO2.motors])
        self._states, self._commands = Layout(LowState_), Layout(LowCmd_)
        self._command = self._quiet_command()
        self._network: Network | None = None
        self._connected = 0.0
        self._inbox: Inbox | None = None
        self._arrived: deque[tuple[int, bytes]] = deque()
        self._others: Publishers | None = None
        self._outbox: Outbox | None = None
        self._state: RobotState | None = None
        self._fault: RobotState | None = None
        self._sequence: int | None = None

    def connect(self) -> None:
        """Join the network and wait for an intact state, 10 s at most."""
        self.close()
        self._network = Network(self.address)
        self._connected = time.monotonic()
        self._others = self._network.others(COMMAND_TOPIC)
        self._inbox = self._network.subscribe(STATE_TOPIC, LowState_)
        deadline = time.monotonic() + _PATIENCE
        while (state := self._newest()) is None or not state.intact:
            if time.monotonic() > deadline:
                self.close()
                raise DriverError(self._silence(state))
            time.sleep(0.005)

    def acquire(self) -> None:
        """Release what moves the robot, laying it down first, and become the only publisher of commands."""
        network, others = self._joined()
        released = self._release(MotionSwitcher(network))
        time.sleep(max(0.0, self._connected + _DISCOVERY - time.monotonic()))
        self._refuse_rivals(others, _PATIENCE if released else 0.0)  # what was released may be slow to go
        self._outbox = network.publish(COMMAND_TOPIC, LowCmd_)
        deadline = time.monotonic() + _PATIENCE
        while not self._outbox.has_subscriber():
            if time.monotonic() > deadline:
                self._outbox = None
                raise DriverError(f"nobody listens to {COMMAND_TOPIC} at {self.address}: is the robot's software up?")
            time.sleep(0.005)
        time.sleep(_DISCOVERY)  # the robot hears us now; and one that was started at the same moment sees us, as we see it
        try:
            self._refuse_rivals(others, 0.0)
        except DriverError:
            self._outbox = None
            raise

    def listen(self) -> None:
        if self._inbox is not None:
            self._arrived.extend((time.monotonic_ns(), cdr) for cdr in self._inbox.take())

    def read(self) -> RobotState:
        state = self._newest()
        if state is None:
            raise DriverError("the Go2's driver is not connected: call connect() first")
        return state

    def write(self, command: RobotCommand) -> None:
        """Raises DriverError, and sends nothing, where a number is not finite."""
        if self._outbox is None:
            raise DriverError("the Go2's driver has not taken command: call acquire() first")
        values = np.stack([command.position, command.velocity, command.torque, command.stiffness, command.damping])
        if not np.isfinite(values).all():
            raise DriverError(f"command {command.sequence} holds a number that is not finite; nothing was sent")
        values[:3] *= self._signs
        motors = self._command["motor_cmd"]
        for field, value in zip(("q", "dq", "tau", "kp", "kd"), values, strict=True):
            motors[field][self._motors] = value
        self._send(self._command)

    def damp(self) -> RobotCommand | None:
        """Without having taken command there is nothing to let sink: nothing is sent."""
        if self._outbox is None:
            return None
        command = self._quiet_command()
        command["motor_cmd"]["kd"][self._motors] = _DAMPING
        command["motor_cmd"]["dq"][self._motors] = 0.0
        self._send(command)
        zero = np.zeros(self.robot.num_joints)
        return RobotCommand(0, zero, zero, zero, zero, zero + _DAMPING)

    def close(self) -> None:
        self._outbox = self._inbox = self._others = None
        self._state = self._fault = self._sequence = None
        self._arrived.clear()
        if self._network is not None:
            self._network.close()
            self._network = None

    def _joined(self) -> tuple[Network, Publishers]:
        if self._network is None or self._others is None:
            raise DriverError("the Go2's driver is not connected: call connect() first")
        return self._network, self._others

    def _newest(self) -> RobotState | None:
        """The newest state, or the first of those that have come which is at fault. What is amiss must not be passed over, and
        neither must the good one before it, without which nobody could tell."""
        if self._inbox is None or self._others is None:
            return None
        rivals = self._others.count()
        if self._fault is not None:
            self._state, self._fault = replace(self._fault, rivals=rivals), None
            return self._state
        before, taken = self._state, 0
        self.listen()
        while self._arrived:
            stamp_ns, cdr = self._arrived.popleft()
            if len(cdr) != self._states.cdr_size:
                continue  # a message of another kind under this name
            last = self._sequence
            state = self._decode(self._states.from_cdr(cdr), stamp_ns, rivals)
            is_at_fault = not state.intact or (last is not None and state.sequence <= last)
            if is_at_fault:  # what came after it is not looked at
                state = replace(state, overtaken=len(self._arrived))
                self._arrived.clear()
                if taken:
                    self._fault = state
                    break
            else:
                state = replace(state, overtaken=taken)
            self._state = state
            taken += 1
        if self._state is before and before is not None and before.rivals != rivals:
            self._state = replace(before, rivals=rivals)
        return self._state

    def _decode(self, struct: bytes, stamp_ns: int, rivals: int) -> RobotState:
        message = self._states.record(struct)
        motors, imu = message["motor_state"], message["imu_state"]
        intact = is_intact(struct)
        sequence = self._count_on(int(message["tick"]))
        if intact:
            self._sequence = sequence
        return RobotState(
            stamp_ns=stamp_ns,
            sequence=sequence,
            position=motors["q"][self._motors] * self._signs,
            velocity=motors["dq"][self._motors] * self._signs,
            torque=motors["tau_est"][self._motors] * self._signs,
            temperature=motors["temperature"][self._motors].astype(float),
            quaternion=imu["quaternion"].astype(float),
            angular_velocity=imu["gyroscope"].astype(float),
            acceleration=imu["accelerometer"].astype(float),
            intact=intact,
            rivals=rivals,
        )

    def _count_on(self, tick: int) -> int:
        """The robot's tick, counted on from the last intact message where its 32 bits wrap."""
        if self._sequence is None:
            return tick
        ahead = (tick - self._sequence) % _TICKS
        return self._sequence + (ahead if ahead < _TICKS // 2 else ahead - _TICKS)

    def _quiet_command(self) -> np.ndarray:
        """A command in which no motor has a target or gains."""
        command = self._commands.new()
        command["head"] = HEAD
        command["level_flag"] = LOW_LEVEL
        command["motor_cmd"]["mode"] = SERVO_MODE
        command["motor_cmd"]["q"] = POSITION_OFF
        command["motor_cmd"]["dq"] = VELOCITY_OFF
        return command

    def _send(self, command: np.ndarray) -> None:
        if self._outbox is not None:
            self._outbox.send(self._commands.to_cdr(seal(command.tobytes())))

    def _release(self, switcher: MotionSwitcher) -> bool:
        """Whether something had to be released."""
        deadline = time.monotonic() + 2 * _SLOWEST_SECONDS
        released = False
        while mode := switcher.mode():
            if time.monotonic() > deadline:
                raise DriverError(f"the robot's mode {mode!r} was released, yet comes back: end it in the vendor's app")
            switcher.stand_down()
            self._wait_for_rest()
            switcher.release()
            released = True
        return released

    def _wait_for_rest(self) -> None:
        """By the clock and by the robot's ticks: a robot that is late with its states has not come to rest."""
        began = start = state = self.read()
        while not _apart(start, state, _REST_SECONDS, _REST_TICKS):
            if _apart(began, state, _SLOWEST_SECONDS, _SLOWEST_TICKS):
                raise DriverError("the robot was told to lie down, yet does not come to rest: its mode was not released")
            if time.monotonic_ns() - state.stamp_ns > 1e9 * _PATIENCE:
                raise DriverError(f"the robot was told to lie down, and sent no state for {_PATIENCE:g} s since")
            time.sleep(0.01)
            state = self.read()
            if np.abs(state.position - start.position).max() > _REST_ANGLE:
                start = state

    def _refuse_rivals(self, others: Publishers, patience: float) -> None:
        deadline = time.monotonic() + patience
        while rivals := others.count():
            if time.monotonic() >= deadline:
                raise DriverError(
                    f"{rivals} other publisher{'s' if rivals > 1 else ''} of {COMMAND_TOPIC} at {self.address}: two commanders"
                    " break a robot. End the other program; one that was killed is forgotten after 10 s"
                )
            time.sleep(0.01)

    def _silence(self, state: RobotState | None) -> str:
        if state is not None:
            return f"every state from {self.address} has a wrong checksum: is it a Go2, and its software current?"
        return (
            f"no state on {STATE_TOPIC} at {self.address} within {_PATIENCE:g} s: is the robot on and on that interface "
            "(`ip addr` must show 192.168.123.x), or the twin started with --protocol go2-dds?"
        )


def _apart(first: RobotState, second: RobotState, seconds: float, ticks: int) -> bool:
    return second.stamp_ns - first.stamp_ns >= 1e9 * seconds and second.sequence - first.sequence >= ticks
