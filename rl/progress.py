"""How a training goes: on the terminal, as TensorBoard events and as JSON lines, from the same figures."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from tensorboardX import SummaryWriter

# Shown on the terminal, with what they are called there.
_SHOWN = {
    "episode_reward_rate": "reward per second",
    "metric/planar_velocity_error": "planar velocity error (m/s)",
    "metric/yaw_rate_error": "yaw rate error (rad/s)",
    "metric/settled_position_error": "position error (m)",
    "metric/settled_orientation_error": "orientation error (rad)",
    "episode_seconds": "mean time to failure (s)",
    "curriculum/level": "level",
    "imitation_error": "imitation error",
    "teacher_share": "teacher's share",
    "failed/diverged": "diverged",
    "std": "exploration std",
    "kl": "KL",
    "learning_rate": "learning rate",
}


class TrainingProgress:
    """Shows and records figures. Use as a context; `report` every few updates."""

    def __init__(self, title: str, directory: Path, total: float, start: float = 0.0, console: Console | None = None):
        """`total` is what `report`'s `done` counts up to: control steps, or seconds."""
        self._console = console or Console(stderr=True)
        self._jsonl = (directory / "progress.jsonl").open("a")
        self._events = SummaryWriter(str(directory), flush_secs=30)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(title, total=total)
        self._bar.update(self._task, completed=start)
        self._title, self._total = title, total
        self._live = Live(self._bar, console=self._console, refresh_per_second=2) if self._console.is_terminal else None
        self._told = -math.inf
        self._began = time.monotonic()
        self._first = start

    def __enter__(self) -> "TrainingProgress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        self._jsonl.close()
        self._events.close()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def report(self, done: float, steps: int, figures: Mapping[str, float]) -> None:
        self._bar.update(self._task, completed=min(done, self._total))
        finite = {k: float(v) for k, v in figures.items() if math.isfinite(float(v))}
        self._jsonl.write(json.dumps({"steps": steps, **finite}) + "\n")
        self._jsonl.flush()
        for name, value in finite.items():
            self._events.add_scalar(name, value, steps)
        if self._live:
            self._live.update(Group(self._bar, self._table(steps, finite)))
        elif time.monotonic() - self._told > 15:
            self._told = time.monotonic()
            self.say(self._line(done, steps, finite))

    def _table(self, steps: int, figures: Mapping[str, float]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row("control steps", f"{steps:,}")
        table.add_row("steps a second", f"{figures.get('steps_per_second', 0):,.0f}")
        for name, label in _SHOWN.items():
            if name in figures:
                table.add_row(label, f"{figures[name]:.4g}")
        return table

    def _line(self, done: float, steps: int, figures: Mapping[str, float]) -> str:
        spent = time.monotonic() - self._began
        share = (done - self._first) / max(self._total - self._first, 1e-9)
        left = spent * (1 - share) / share if share > 0 else math.inf
        left_text = f"{left / 60:.1f} min left" if math.isfinite(left) else "time left unknown"
        parts = [f"{label} {figures[name]:.3g}" for name, label in _SHOWN.items() if name in figures]
        rate = f"{figures.get('steps_per_second', 0):,.0f} steps/s"
        return f"{self._title}: {done / self._total:4.0%}, {left_text}, {steps:,} steps, {rate}, " + ", ".join(parts[:5])


class Silence:
    """In the place of a TrainingProgress, in a process whose training another one tells of."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_: object) -> None: ...

    def say(self, text: str) -> None: ...

    def report(self, done: float, steps: int, figures: Mapping[str, float]) -> None: ...
