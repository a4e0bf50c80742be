"""A twin of the SO-101 in a process of its own, with the servos of `sim2real.twin.so101_serial` on a pseudo-terminal.

Told so by a line on its standard input, it damages its answers, has hot motors or a broken encoder, or is well again.
"""

import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""s, for a machine that has much else to do."""


class TwinProcess:
    """Starts it; a context manager, at whose end it is gone."""

    def __init__(self, port: Path):
        self.port = str(port)
        self._process = subprocess.Popen(
            [sys.executable, __file__, self.port],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        assert ready, "the twin did not start"
        assert self._process.stdout.readline().strip() == self.port

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "TwinProcess":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


def _main(port: str) -> None:
    import numpy as np

    from assets.robots.so101 import SO101
    from sim2real.twin.simulated import SimulatedRobot
    from sim2real.twin.so101_serial import So101SerialServer

    rate = 100.0
    robot = SimulatedRobot(SO101, rate=rate, physics_step=0.001, start="standing")
    server = So101SerialServer(SO101, rate, port)
    print(server.address, flush=True)
    fault, due = "well", time.monotonic()
    while True:
        if select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            fault = line.strip()
        state = robot.step(server.command())
        if fault == "damaged":
            state = replace(state, intact=False)
        elif fault == "hot":
            state = replace(state, temperature=np.full(6, 90.0))
        elif fault == "blind":
            state = replace(state, position=np.where(np.arange(6) == 2, np.nan, state.position))
        server.publish(state)
        due = max(due + robot.period, time.monotonic() - 1.0)  # no catching up after a stop
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    _main(sys.argv[1])
