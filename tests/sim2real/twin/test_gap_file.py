"""A gap's file: what it tells is read as it is, and what it cannot mean is refused by name."""

import contextlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim2real.twin.gap_file
from assets.robots import GO2
from sim2real.twin.gap import Gap, GapError
from sim2real.twin.gap_file import load_gap, parse_gap
from sim2real.twin.simulated import SimulatedRobot


def example() -> str:
    """The file in the module's documentation."""
    text = sim2real.twin.gap_file.__doc__ or ""
    return "\n".join(line.removeprefix("    ") for line in text.splitlines()[4:] if line.startswith("    "))


def test_the_documented_example_has_every_section_and_fits_the_go2() -> None:
    gap = parse_gap(example())
    for field in fields(Gap):
        assert getattr(gap, field.name) != field.default
    SimulatedRobot(GO2, gap, start="standing").step(None)


def test_an_empty_file_is_the_nominal_robot(tmp_path: Path) -> None:
    path = tmp_path / "gap.toml"
    path.write_text("")
    assert load_gap(path) == Gap()


def test_of_two_patterns_the_last_that_matches_counts() -> None:
    gap = parse_gap('[motor]\nstrength = { "*" = 0.9, "FL_*" = 0.5, "FL_hip_joint" = 0.7 }')
    strength = gap.motor.strength.over(GO2.joints, 1.0)
    np.testing.assert_array_equal(strength, [0.7, 0.5, 0.5, *[0.9] * 9])


@pytest.mark.parametrize(
    "text, told",
    [
        ("[motors]", r"unknown section 'motors'; did you mean 'motor'"),
        ("[joints]\nback_lash = 0.1", r"unknown \[joints\] entry 'back_lash'; did you mean 'backlash'"),
        ("[joints]\nbacklash = 1.0", r"\[joints\] backlash is 1.0, expected a number from 0 to 0.5 \(rad\)"),
        ('[joints]\nbacklash = { "*" = -1 }', r"backlash of '\*' is -1"),
        ("[joints]\nbacklash = true", "expected a number"),
        ("[joints]\nbacklash = nan", "expected a number"),
        ("[state_messages]\nlatency = inf", "expected a number from 0 to 2"),
        ('[state_messages]\ndrop = "often"', "expected a number from 0 to 1"),
        ("[payload]\nposition = [1, 2]", r"\[payload\] position is \[1, 2\], expected 3 numbers \(m\)"),
        ("[payload]\nbody = 3", "expected a name"),
        ("payload = 3", r"\[payload\]: expected a section"),
        ('[[fault]]\nkind = "typhoon"', "expected one of nan, jump"),
        ("fault = 1", "expected a list of faults"),
        ("joints = [", "it is no TOML"),
        ("a = " + "[" * 5000, "it is no TOML"),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "gap.toml"
    path.write_text(text)
    with pytest.raises(GapError, match=told) as error:
        load_gap(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(GapError, match="cannot read"):
        load_gap(tmp_path / "none.toml")
    with pytest.raises(GapError, match="cannot read"):
        load_gap(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GapError, match="no text in UTF-8"):
        load_gap(tmp_path / "binary.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(GapError, match="more than 1 MiB"):
        load_gap(tmp_path / "large.toml")


@given(st.text(max_size=200))
def test_any_text_is_a_gap_or_refused(text: str) -> None:
    with contextlib.suppress(GapError):
        assert isinstance(parse_gap(text), Gap)
