"""A Go2 in a process of its own for the drivers' tests: the real protocol, and joints that simply go where they are told to.

with Go2Peer() as peer:
    driver = Go2Driver(peer.address)
    peer.tell(repeat_tick=True)
    peer.ask()["position"]
"""

import dataclasses
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_SECONDS = 120.0
_TICKS = 20  # a turn; many, as a busy machine gives it few turns


def free_domain() -> int:
    """A DDS domain in which nobody on this machine listens: other tests have twins too."""
    for domain in range(10 + os.getpid() % 100, 230):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    raise AssertionError("no free DDS domain")


class Go2Peer:
    """The tests' end."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address or f"lo/{free_domain()}"

    def __enter__(self) -> "Go2Peer":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sim2real.go2_peer", self.address],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == {"ready": True}
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def tell(self, **orders: Any) -> None:
        """Settings of `_Robot`, in force when this returns."""
        self._say(orders)
        self._line()

    def ask(self) -> dict[str, Any]:
        """What the peer knows of itself, with the events since the last question."""
        self._say({})
        return self._line()

    def _say(self, orders: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(orders) + "\n")
        self.process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


def until(condition: Any, seconds: float = _SECONDS) -> Any:
    """The first value of `condition()` that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    return value


@dataclasses.dataclass
class _Robot:
    """The peer's end."""

    intact: bool = True
    frozen: bool = False
    """The tick stands still."""
    back: int = 0
    """Once, a tick so many below the last."""
    rivals: int = 0
    still: float | None = None
    """Where the server's clock stands."""


def _main(address: str) -> None:
    import numpy as np

    from assets.robots.go2 import GO2
    from sim2real.robot_io import RobotState
    from sim2real.twin.go2_dds import Go2DdsServer

    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [orders.put(line) for line in sys.stdin], daemon=True).start()
    robot = _Robot()
    server = Go2DdsServer(GO2, 500.0, address, clock=lambda: time.monotonic() if robot.still is None else robot.still)
    position, tick, events, command, damped = np.array(GO2.default_pose), 1000, [], None, False
    print(json.dumps({"ready": True}), flush=True)
    while True:
        while not orders.empty():
            robot = dataclasses.replace(robot, **json.loads(orders.get()))
            gains = None if command is None else [list(command.stiffness), list(command.damping), list(command.torque)]
            target = None if command is None else list(command.position)
            told = {
                "position": list(position),
                "target": target,
                "gains": gains,
                "events": events,
                "tick": tick,
                "damped": damped,
            }
            print(json.dumps(told | {"received": server.received, "obeyed": server.obeyed}), flush=True)
            events = []
        command = server.command()
        if command is not None:
            damped |= bool((command.stiffness == 0).all() and (command.damping > 0).all())
            position = np.where(command.stiffness > 0, np.clip(command.position, position - 0.05, position + 0.05), position)
        tick += 0 if robot.frozen else _TICKS
        sent, robot.back = tick - robot.back, 0
        n = len(position)
        quantities = (position, 10 * position, 20 * position, 30.0 + np.arange(n), np.array([0.5, 0.1, -0.7, 0.5]))
        server.publish(
            RobotState(0, sent, *quantities, np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), robot.intact, robot.rivals)
        )
        events += server.events()
        time.sleep(0.002)


if __name__ == "__main__":
    _main(sys.argv[1])
