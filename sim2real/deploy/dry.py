"""A driver that only listens, for a dry run."""

from dataclasses import replace

from sim2real.drivers.driver import Driver, Listener
from sim2real.robot_io import RobotCommand, RobotState


class ListenOnly:
    """Another `Driver`, connected already, to which nothing is sent. Whoever commands the robot meanwhile is no rival."""

    def __init__(self, driver: Driver):
        self._driver = driver
        self.robot, self.rate = driver.robot, driver.rate
        if isinstance(driver, Listener):
            self.listen = driver.listen

    def connect(self) -> None:
        self._driver.connect()

    def acquire(self) -> None:
        pass

    def read(self) -> RobotState:
        state = self._driver.read()
        return replace(state, rivals=0) if state.rivals else state

    def write(self, command: RobotCommand) -> None:
        pass

    def damp(self) -> None:
        pass

    def close(self) -> None:
        self._driver.close()
