"""Bars of progress on a terminal; elsewhere, as in the log of work in the background, a line now and then.

with Bars() as bars:
    task = bars.add_task("reading", total=1.0)
    bars.update(task, completed=0.3)
"""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

FIRST, BETWEEN = 2.0, 20.0
"""s. Elsewhere, what is done sooner is not told of; and how often the rest is."""


class Bars(Progress):
    """A `rich.progress.Progress` on stderr."""

    def __init__(self, console: Console | None = None):
        console = console or Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._next: dict[TaskID, float] = {}

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """See `rich.progress.Progress.update`."""
        super().update(task_id, **changes)
        if not self.disable:
            return
        task = self._tasks[task_id]
        spent = task.elapsed or 0.0
        due = self._next.get(task_id, FIRST)
        if spent >= due or (task.finished and FIRST < due < float("inf")):
            self._next[task_id] = float("inf") if task.finished else spent + BETWEEN
            left = task.time_remaining
            text = f"{spent:.0f} s" if task.finished or left is None else f"{left / 60:.1f} min left"
            self.console.print(f"{task.description}: {task.percentage:.0f} %, {text}", highlight=False, soft_wrap=True)
