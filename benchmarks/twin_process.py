"""A Go2's twin in a process of its own, for as long as a benchmark needs it: `TwinProcess`.

with TwinProcess("go2-dds", "lo/1") as twin:
    deploy(pilot, twin.driver(), ...)
    told = twin.end()
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rl.run import RunError
from sim2real.drivers.driver import Driver
from sim2real.drivers.registry import make_driver

DRIVERS = {"local": "twin", "go2-dds": "go2"}
"""By protocol."""
_START_SECONDS = 120.0
_END_SECONDS = 60.0


class TwinProcess:
    """`gap` is the text of a gap file. Raises RunError where the twin does not start."""

    def __init__(self, protocol: str, address: str, gap: str = ""):
        self.protocol, self.address = protocol, address
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._output, self._figures = folder / "twin.txt", folder / "twin.json"
        (folder / "gap.toml").write_text(gap)
        arguments = [
            "--protocol",
            protocol,
            "--address",
            address,
            "--gap",
            str(folder / "gap.toml"),
            "--json",
            str(self._figures),
        ]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "zerogap", "twin", "go2", *arguments], stdout=output, stderr=output
            )
        try:
            self._await_start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def driver(self) -> Driver:
        return make_driver(DRIVERS[self.protocol], {"address": self.address})

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def end(self) -> dict[str, Any]:
        """End it as Ctrl-C would; what it tells of its run."""
        self.signal(signal.SIGINT)
        self._process.wait(_END_SECONDS)
        return json.loads(self._figures.read_text())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _await_start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while " at " not in (said := self._output.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RunError(f"the twin does not start: {said[-2000:]}")
            time.sleep(0.2)
