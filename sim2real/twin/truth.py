"""What really happened in a twin, period by period, as a file: what its messages, late and noisy, only hint at.

    with TruthLog(Path("truth.npz"), simulated, seed=0) as log:
        log.add(simulated, command)

The file is a NumPy archive of plain arrays, one row a period: "time" (s, simulated), "stamp_ns" (this machine's monotonic
clock, as in drivers' states), "sequence" (of the state), "qpos", "qvel" (of the twin's model), "torque" (N m, as the motors
really exert it, policy order), "command" (its sequence, -1 where there is none), "target" (rad, NaN where there is none); and
"about", a JSON text: robot, joints, gap, seed, period, physics step, falls.
"""

import json
import time
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sim2real.robot_io import RobotCommand
from sim2real.twin.server import TwinError
from sim2real.twin.simulated import SimulatedRobot

_ROWS = 1000  # kept in memory until they are written


class TruthLog:
    """Rows go to a file beside `path` as they come; the archive is there, whole, once the log is closed. Raises TwinError."""

    def __init__(self, path: Path, simulated: SimulatedRobot, seed: int):
        model, n = simulated.model, simulated.robot.num_joints
        sizes = {
            "time": 1,
            "stamp_ns": 1,
            "sequence": 1,
            "qpos": model.nq,
            "qvel": model.nv,
            "torque": n,
            "command": 1,
            "target": n,
        }
        self._columns: dict[str, slice] = {}
        start = 0
        for name, size in sizes.items():
            self._columns[name] = slice(start, start + size)
            start += size
        self._path, self._simulated, self._seed = Path(path), simulated, seed
        self._rows = np.empty((_ROWS, start))
        self._count = 0
        self._part = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex[:8]}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("w+b")
        except OSError as error:
            raise TwinError(f"cannot write {path}: {error.strerror or error}") from error

    def __enter__(self) -> "TruthLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def add(self, simulated: SimulatedRobot, command: RobotCommand | None) -> None:
        row, data = self._rows[self._count % _ROWS], simulated.data
        number = -1 if command is None else command.sequence
        target = np.full(simulated.robot.num_joints, np.nan) if command is None else command.position
        head = [simulated.time, time.monotonic_ns(), simulated.sequence]
        np.concatenate([head, data.qpos, data.qvel, simulated.torque, [number], target], out=row)
        self._count += 1
        if self._count % _ROWS == 0:
            self._write(_ROWS)

    def close(self) -> None:
        """Write the archive, whole or not at all; may be called twice."""
        if self._file.closed:
            return
        archive = self._part.with_suffix(".npz")
        try:
            self._write(self._count % _ROWS)
            self._file.close()
            rows = np.fromfile(self._part).reshape(self._count, -1)
            columns = {name: rows[:, where] for name, where in self._columns.items()}
            whole = {name: columns.pop(name)[:, 0].astype(np.int64) for name in ("stamp_ns", "sequence", "command")}
            about = np.array(json.dumps(self._about()))
            with archive.open("wb") as file:
                np.savez(file, allow_pickle=False, **columns | {"time": columns["time"][:, 0]} | whole, about=about)
            archive.replace(self._path)
        except OSError as error:
            raise TwinError(f"cannot write {self._path}: {error.strerror or error}") from error
        finally:
            self._file.close()
            for left in (self._part, archive):
                with suppress(OSError):
                    left.unlink()

    def _write(self, rows: int) -> None:
        try:
            self._file.write(self._rows[:rows].tobytes())
        except OSError as error:
            raise TwinError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _about(self) -> dict[str, Any]:
        simulated = self._simulated
        return {
            "robot": simulated.robot.name,
            "joints": simulated.robot.joints,
            "gap": asdict(simulated.gap),
            "seed": self._seed,
            "period": simulated.period,
            "physics_step": simulated.model.opt.timestep,
            "falls": simulated.falls,
        }
