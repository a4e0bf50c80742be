"""A twin to look at live, on a web page: a watcher of a `TwinLoop`.

    with LiveView(simulated, host="127.0.0.1", port=8080) as view:
        print(view.address)
        TwinLoop(simulated, server, watchers=(view,)).run(stop)

The page is in a process of its own: a robot's period leaves no time for it.
"""

import contextlib
import multiprocessing
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

import mujoco
import numpy as np

from rl.page import PageError, Picture, address, open_server, table
from sim2real.robot_io import RobotCommand
from sim2real.twin.simulated import SimulatedRobot

_VIEWS = 30.0  # a second of simulated time
_START_SECONDS = 120.0
_HEAD = struct.Struct("<d16s")


class LiveView:
    """The robot's page. Use as a context; raises PageError where it cannot be served."""

    def __init__(self, simulated: SimulatedRobot, host: str = "127.0.0.1", port: int = 8080):
        self._every = max(1, round(1.0 / _VIEWS / simulated.period))
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads
        self._pipe, theirs = context.Pipe()
        robot = simulated.robot
        shown = _Shown(f"{robot.name} twin", _Root(robot.base))
        self._process = context.Process(target=_serve, args=(theirs, shown, simulated.spec.compile(), host, port), daemon=True)
        self._process.start()
        theirs.close()
        self._pending = False
        try:
            if not self._pipe.poll(_START_SECONDS):
                raise PageError(f"the page did not start in {_START_SECONDS:g} s")
            kind, _, told = self._pipe.recv_bytes().decode().partition(" ")
            if kind != "at":
                raise PageError(told)
        except EOFError:
            self.close()
            raise PageError("the page's process ended before it served the page") from None
        except PageError:
            self.close()
            raise
        self.address = told
        self.add(simulated, None)

    def __enter__(self) -> "LiveView":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def add(self, simulated: SimulatedRobot, command: RobotCommand | None) -> None:
        """Show the robot where it is, unless the page has not shown yet what came before."""
        if simulated.sequence % self._every:
            return
        with contextlib.suppress(OSError, EOFError):  # the page is gone; the robot goes on
            while self._pipe.poll():
                self._pipe.recv_bytes()
                self._pending = False
            if not self._pending:
                self._pipe.send_bytes(_HEAD.pack(simulated.time, simulated.posture.encode()) + simulated.qpos.tobytes())
                self._pending = True

    def close(self) -> None:
        self._pipe.close()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@dataclass(frozen=True)
class _Root:
    base: str


@dataclass(frozen=True)
class _Shown:
    """What `rl.stage.Stage` wants of a task, in a form that goes to another process."""

    name: str
    robot: _Root
    show: None = None


def _serve(pipe: Connection, shown: _Shown, model: mujoco.MjModel, host: str, port: int) -> None:
    """The page's process: shows the newest positions that come, until none come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; the twin closes the pipe when it ends
    try:
        with open_server(host, port) as server:
            picture = Picture(server, shown, model, 1)
            server.gui.configure_theme(show_share_button=False, show_logo=False)
            server.gui.set_panel_label(shown.name)
            figures = server.gui.add_markdown("")
            pipe.send_bytes(f"at {address(server)}".encode())
            for seconds, posture, qpos in _arriving(pipe):
                picture.show(qpos[None], np.zeros((1, 0)))
                figures.content = table({"simulated": f"{seconds:.1f} s", "posture": posture})
    except PageError as error:
        pipe.send_bytes(f"error: {error}".encode())


def _arriving(pipe: Connection) -> Iterator[tuple[float, str, np.ndarray]]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            content = pipe.recv_bytes()
            seconds, posture = _HEAD.unpack_from(content)
            yield seconds, posture.rstrip(b"\0").decode(), np.frombuffer(content, offset=_HEAD.size)
            pipe.send_bytes(b"shown")
