"""A twin to look at afterwards, as a video: a watcher of a `TwinLoop`.

tape = VideoTape(simulated)
TwinLoop(simulated, server, watchers=(tape,)).run(stop)
tape.record(Path("walk.mp4"))
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sim.render import make_renderer, write_video
from sim2real.robot_io import RobotCommand
from sim2real.twin.simulated import SimulatedRobot

_PICTURES = 25.0  # a second of simulated time
_PAUSE = 1.0  # s, that are kept of the time in which nobody commands

Progress = Callable[[float], None]


class VideoTape:
    """Keeps where the robot was, for a video: of each time in which nobody commands it, a second."""

    def __init__(self, simulated: SimulatedRobot):
        self._every = max(1, round(1.0 / _PICTURES / simulated.period))
        self._period = simulated.period
        self._spec = simulated.spec
        self._idle = 0
        self.qpos: list[np.ndarray] = []

    def add(self, simulated: SimulatedRobot, command: RobotCommand | None) -> None:
        self._idle = 0 if command is not None else self._idle + 1
        if simulated.sequence % self._every == 0 and self._idle * self._period <= _PAUSE:
            self.qpos.append(simulated.qpos)

    def record(self, path: Path, width: int = 640, height: int = 360, progress: Progress | None = None) -> None:
        """Write the video. Raises RenderError."""
        with make_renderer(self._spec.compile(), width, height) as renderer:
            frames = (renderer.frame(qpos) for qpos in self.qpos)
            write_video(path, frames, 1.0 / (self._every * self._period), len(self.qpos), progress)
