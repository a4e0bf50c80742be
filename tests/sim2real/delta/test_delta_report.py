"""A correction's page: what was learned is on it, strangers' text stays text, and it needs nothing from anywhere."""

import dataclasses
import html
import re
from pathlib import Path

import pytest
from PIL import Image

from sim2real.delta.picture import plot_delta
from sim2real.delta.report import not_corrected, render, warnings, write_report
from sim2real.page import PageError
from tests.rl.chromium import Chromium
from tests.sim2real.delta.leg import LEG
from tests.sim2real.delta.made_delta import HOSTILE, log_errors, made_delta


@pytest.fixture(scope="module")
def page() -> str:
    return render(made_delta(log_errors("fitted", False), log_errors(HOSTILE, True), shares=(1.0, 0.0, 0.5)))


def test_what_was_learned_is_in_it(page: str) -> None:
    for told in ("10.00 mrad", "<b>4.00 mrad</b>: 60 % less", "held out", "learned from", "1,234,567", "12,345,670", "cd" * 32):
        assert told in page
    assert all(joint in page for joint in LEG.joints)
    assert page.count("data:image/png;base64,") == 1


def test_what_is_not_corrected_is_told_with_its_reason(page: str) -> None:
    first, second = not_corrected(made_delta(log_errors("sweep", False), shares=(1.0, 0.0, 0.5)))
    assert f"{LEG.joints[1]} is not corrected: stretches of the logs that were held back are followed to 10.10 mrad" in first
    assert f"{LEG.joints[2]} gets 50 % of its correction" in second
    assert first in html.unescape(page)
    (faded,) = not_corrected(made_delta(log_errors("sweep", False), log_errors("other", True, (1.0, 0.4, 1.0))))
    assert faded == f"other, simulated, leaves what was learned from; of the corrections fade: {LEG.joints[1]} 60 %."
    (whole,) = not_corrected(made_delta(log_errors("sweep", False)))
    assert "Nothing: each joint gets all of its correction" in whole
    unproven = dataclasses.replace(made_delta(log_errors("sweep", False)), proofs=())
    assert "nothing proves the correction" in not_corrected(unproven)[0]


def test_what_makes_the_figures_worth_less_is_warned_of() -> None:
    known = made_delta(log_errors("sweep", False))
    assert "No recording was held out" in warnings(known)[0]
    assert "air: two clocks" in warnings(dataclasses.replace(known, limits=("air: two clocks",)))
    assert "There was no calibration" in warnings(dataclasses.replace(known, calibration_hash=None))[1]
    alike = dataclasses.replace(log_errors("b", True), excitation="sweep")
    assert "same kinds of motion" in warnings(made_delta(log_errors("sweep", False), alike))[0]
    seen = dataclasses.replace(log_errors("other", True), is_calibrated_on=True)
    assert "the calibration was fitted to it" in warnings(made_delta(log_errors("sweep", False), seen))[0]
    table = dataclasses.replace(log_errors("sweep", False), time_base="nominal")
    assert "its stamps were not recorded" in warnings(made_delta(table, log_errors("other", True)))[0]
    worse = log_errors("other", True)
    worse = dataclasses.replace(worse, joints_rad={**worse.joints_rad, "delta": (0.001, 0.001, 0.024)})
    assert warnings(made_delta(log_errors("sweep", False), worse)) == [
        f"{LEG.joints[2]} strays 100 % more with the correction than without it."
    ]
    assert warnings(made_delta(log_errors("sweep", False), log_errors("other", True))) == []


def test_strangers_text_is_escaped(page: str) -> None:
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert "{{ 7 * 6 }}" in page


def test_it_fetches_nothing(page: str) -> None:
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_a_picture_is_drawn_of_a_log_with_any_name(tmp_path: Path) -> None:
    plot_delta(made_delta(log_errors(r"a $\frac$ <b>", False)), tmp_path / "delta.png")
    with Image.open(tmp_path / "delta.png") as picture:
        assert picture.width > 1000


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PageError, match="cannot write"):
        write_report(tmp_path / "file" / "report.html", made_delta(log_errors("sweep", False)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_browser_shows_it_and_asks_nobody(page: str, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "report.html"
    write_report(path, made_delta(log_errors("fitted", False), log_errors(HOSTILE, True), shares=(1.0, 0.0, 0.5)))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with Chromium(tmp_path / "profile") as browser:
        tab = browser.open(path.as_uri())
        tab.wait_for("document.images.length === 1 && [...document.images].every(i => i.complete)")
        assert tab.evaluate("[...document.images].every(i => i.naturalWidth > 500)")
        assert HOSTILE in tab.text()
        asked = {event["request"]["url"].split(":")[0] for event in browser.events("Network.requestWillBeSent")}
        assert asked <= {"file", "data"}
        (tmp_path / "page.png").write_bytes(tab.screenshot())
