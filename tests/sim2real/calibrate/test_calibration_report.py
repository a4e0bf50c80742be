"""A calibration's page: what was found is on it, strangers' text stays text, and it needs nothing from anywhere."""

import re
from pathlib import Path

import pytest

from sim2real.calibrate.report import render, write_report
from tests.rl.chromium import Chromium
from tests.sim2real.calibrate.leg import LEG, made_up
from tests.sim2real.calibrate.made_calibration import HOSTILE, calibration, named


@pytest.fixture(scope="module")
def page() -> str:
    logs = [named(made_up(), "fitted"), named(made_up(900), HOSTILE)]
    return render(calibration(*logs), LEG, logs)


def test_what_was_found_is_in_it(page: str):
    for told in ("delay all", "0.012", "identified", "weak, at a bound", "-0.950", "75 %", "held out", "fitted to"):
        assert told in page
    assert page.count("data:image/png;base64,") == 3  # errors, the worst window and the median one
    assert "The worst window" in page
    assert "The median window" in page


def test_strangers_text_is_escaped(page: str):
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4


def test_it_fetches_nothing(page: str):
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_without_the_logs_it_still_tells_the_figures():
    page = render(calibration(made_up(), made_up(900)), LEG, [])
    assert page.count("data:image/png;base64,") == 1
    assert "0.0100 rad" in page


def test_a_browser_shows_its_pictures_and_asks_nobody(page: str, tmp_path: Path):
    logs = [named(made_up(), "fitted"), named(made_up(900), HOSTILE)]
    path = tmp_path / "runs" / "report.html"
    write_report(path, calibration(*logs), LEG, logs)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with Chromium(tmp_path / "profile") as browser:
        tab = browser.open(path.as_uri())
        tab.wait_for("document.images.length === 3 && [...document.images].every(i => i.complete)")
        assert tab.evaluate("[...document.images].every(i => i.naturalWidth > 500)")
        assert HOSTILE in tab.text()
        asked = {event["request"]["url"].split(":")[0] for event in browser.events("Network.requestWillBeSent")}
        assert asked <= {"file", "data"}
        (tmp_path / "page.png").write_bytes(tab.screenshot())
