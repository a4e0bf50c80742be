"""The runtime's side of its log: `Recorder`, which hands over what happens and never waits.

    with Recorder(Path("walk.mcap"), header) as recorder:
        recorder.event("info", "phase", "STAND", time.monotonic_ns())

Frames go through a pipe to the process that writes the file (`sim2real.deploy.log_writer`), which takes what is in the pipe
to the file should this process die. The pipe holds a megabyte, more than half a second of a Go2; only where the writer falls
farther behind do frames queue here. Where it has died, as with a full disk, the rest of the log is lost: `problem` tells so.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from assets.errors import UserError
from sim2real.deploy.records import Kind, frame

_START_SECONDS = 60.0
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # of Linux's fcntl
_QUEUE_FRAMES = 100_000


class RecorderError(UserError, RuntimeError):
    """A log cannot be written; the message names the file, and what to do."""


class Recorder:
    """Writes a log to a file that must not exist. Raises RecorderError where that cannot be done."""

    def __init__(self, path: Path, header: dict[str, Any]):
        self.path = path
        self.problem: str | None = None
        """Why the log is not complete."""
        self._queue: deque[bytes] = deque()
        if path.exists():
            raise RecorderError(f"{path} exists already: choose another file with --log")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecorderError(f"cannot make {path.parent}: {error.strerror}; choose another file with --log") from error
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sim2real.deploy.log_writer", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipe = self._process.stdin.fileno()
        _enlarge(self._pipe)
        epoch_ns = time.time_ns() - time.monotonic_ns()
        first = frame(Kind.HEADER, json.dumps(header | {"epoch_ns": epoch_ns}).encode())
        with contextlib.suppress(OSError):  # it has ended already, and says so, or why
            self._process.stdin.write(first)
            self._process.stdin.flush()
        told = f"its writer did not start within {_START_SECONDS:g} s"
        if select.select([self._process.stdout], [], [], _START_SECONDS)[0]:
            told = self._process.stdout.readline().decode().strip()
        if told != "ready":
            self._process.kill()
            self._process.wait()
            raise RecorderError(f"cannot write {path}: {told or 'its writer ended'}; choose another file with --log")
        os.set_blocking(self._pipe, False)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cycle(self, record: bytes) -> None:
        """Of `records.cycle_dtype`."""
        self._put(Kind.CYCLE, record)

    def decision(self, record: bytes) -> None:
        """Of `records.decision_dtype`."""
        self._put(Kind.DECISION, record)

    def event(self, level: str, kind: str, text: str, stamp_ns: int) -> None:
        """`level` is info, warning or error."""
        self._put(Kind.EVENT, json.dumps({"stamp_ns": stamp_ns, "level": level, "kind": kind, "text": text}).encode())

    @property
    def num_queued(self) -> int:
        """Frames that would be lost with this process."""
        return len(self._queue)

    def close(self) -> None:
        """Wait until all is written. Calls after the first do nothing."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdin.closed or stdout is None:
            return
        try:
            os.set_blocking(self._pipe, True)
            self._flush()
            stdin.close()
        except OSError as error:
            self._lost(error.strerror)
        told = stdout.read().decode().strip()
        stdout.close()
        if self._process.wait() != 0:
            self._lost(told)

    def _put(self, kind: Kind, content: bytes) -> None:
        if self.problem is None:
            self._queue.append(frame(kind, content))
            self._flush()

    def _flush(self) -> None:
        """As much as the pipe takes."""
        try:
            while self._queue:
                first = self._queue[0]
                written = os.write(self._pipe, first)
                if written == len(first):
                    self._queue.popleft()
                else:
                    self._queue[0] = first[written:]
        except BlockingIOError:
            if len(self._queue) > _QUEUE_FRAMES:
                self._lost("its writer cannot keep up")
        except OSError as error:
            self._lost(error.strerror)

    def _lost(self, reason: str | None) -> None:
        self.problem = self.problem or f"{self.path} is not complete: {reason or 'its writer ended'}"
        self._queue.clear()


def _enlarge(pipe: int) -> None:
    """More room where the system has it; what does not fit is queued."""
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)
        except OSError:
            return
