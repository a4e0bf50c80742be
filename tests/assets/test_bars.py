"""Progress where nobody looks at a terminal: lines, not too many."""

import io

from rich.console import Console

from assets.bars import BETWEEN, FIRST, Bars


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(moments: list[tuple[float, float]]) -> list[str]:
    """What is written where so much is done at those times (s), the share last."""
    out, clock = io.StringIO(), Clock()
    with Bars(Console(file=out)) as bars:
        bars.get_time = clock
        task = bars.add_task("weighing", total=1.0)
        for clock.now, share in moments:
            bars.update(task, completed=share)
    return out.getvalue().splitlines()


def test_what_is_soon_done_is_not_told_of():
    assert lines_of([(0.1, 0.5), (FIRST - 0.1, 1.0)]) == []


def test_long_work_tells_now_and_then_how_far_it_is_and_once_that_it_has_ended():
    told = lines_of([(second / 2, second / 2 / 70) for second in range(1, 140)] + [(71.0, 1.0), (72.0, 1.0)])
    assert len(told) == 2 + int((70 - FIRST) / BETWEEN)
    assert told[0].startswith("weighing: 3 %, ")
    assert told[0].endswith("min left")
    assert told[-1] == "weighing: 100 %, 71 s"
