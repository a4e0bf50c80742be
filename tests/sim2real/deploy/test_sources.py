"""Commands from where people and files give them: what is understood, and what is refused in which words."""

import contextlib
import os
import pty
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.deploy.command_range import CommandRange
from sim2real.deploy.gamepad import Gamepad
from sim2real.deploy.keyboard import Keyboard
from sim2real.deploy.sources import Script, SourceError, choose_source

NAMES = ("forward velocity (m/s)", "sideways velocity (m/s)", "yaw rate (rad/s)")
LIMITS = np.array([(-1.0, 1.0), (-0.5, 0.5), (-1.0, 2.0)])
WALK = CommandRange(NAMES, LIMITS, np.zeros(3))


def as_heading(command: np.ndarray) -> np.ndarray:
    return np.array([command[0], *command[1:] / max(np.hypot(*command[1:]), 1e-6)])


REACH = CommandRange(("x (m)", "cosine", "sine"), np.array([(0.2, 0.4), (-1, 1), (-1, 1)]), np.array([0.3, 1, 0]), as_heading)


def write(folder: Path, text: str) -> Path:
    path = folder / "script.csv"
    path.write_text(text)
    return path


# A script


def test_a_row_holds_until_the_next_and_what_has_no_column_is_zero(tmp_path):
    script = Script.open(write(tmp_path, "seconds, yaw rate, forward velocity (m/s)\n1, 0.3, 0.5\n\n2.5, 0, -1\n"), WALK)
    assert script.read(0.0).tolist() == [0, 0, 0]
    assert script.read(1.0).tolist() == [0.5, 0, 0.3]
    assert script.read(2.49).tolist() == [0.5, 0, 0.3]
    assert script.read(1e6).tolist() == [-1, 0, 0]


def test_what_a_script_leaves_open_is_as_by_default(tmp_path):
    script = Script.open(write(tmp_path, "seconds, x\n1, 0.25\n"), REACH)
    assert script.read(0.0).tolist() == [0.3, 1, 0]
    assert script.read(1.0).tolist() == [0.25, 1, 0]
    with pytest.raises(SourceError, match="first row is at 1 s, expected at 0"):
        Script.open(write(tmp_path, "seconds, x\n1, 0.25\n"), replace(REACH, default=np.zeros(3)))


def test_a_script_that_asks_for_what_was_not_trained_is_told_so_once_for_each_entry(tmp_path):
    said: list[str] = []
    text = "seconds, x, cosine, sine\n0, 0.3, 0.7, 0.7\n1, 0.5, 1, 0\n2, 0.6, 3, 4\n"
    Script.open(write(tmp_path, text), REACH, said.append)
    place = f"warning: {tmp_path / 'script.csv'}, line"
    assert said == [
        f"{place} 3: the x (m) is asked to be 0.5, trained were 0.2 to 0.4: 0.4 is commanded",
        f"{place} 4: the cosine is asked to be 3, trained were -1 to 1: 0.707 is commanded",
        f"{place} 4: the sine is asked to be 4, trained were -1 to 1: 0.707 is commanded",
    ]


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "it has 0"),
        ("seconds, yaw rate\n", "it has 1"),
        ("time, yaw rate\n0, 1\n", "expected 'seconds'"),
        ("seconds, yaw rat\n0, 1\n", "did you mean 'yaw rate'"),
        ("seconds, yaw rate, yaw rate (rad/s)\n0, 1, 1\n", "twice"),
        ("seconds, yaw rate\n0, fast\n", "line 2: expected numbers"),
        ("seconds, yaw rate\n0, 1\n1, nan\n", "line 3: expected finite"),
        ("seconds, yaw rate\n0, 1\n0, 2\n", "line 3: seconds must grow"),
        ("seconds, yaw rate\n0, 1, 2\n", "line 2: 3 cells, expected 2"),
        ('seconds, yaw rate\n0, "1\n', "cannot read"),
    ],
)
def test_a_script_that_cannot_be_followed_says_where(tmp_path, text, told):
    with pytest.raises(SourceError, match=r"script\.csv") as error:
        Script.open(write(tmp_path, text), WALK)
    assert told in str(error.value)


def test_a_script_that_is_not_there_or_too_large_is_told_so(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        Script.open(tmp_path / "absent.csv", WALK)
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(SourceError, match="at most"):
        Script.open(path, WALK)


@given(st.binary(max_size=300))
def test_no_file_whatsoever_ends_in_another_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "script.csv"
    path.write_bytes(content)
    with contextlib.suppress(SourceError):
        Script.open(path, WALK)


# The command line


def test_no_choice_is_zero_and_two_are_refused():
    assert choose_source(WALK, None, None, False, None).read(0.0).tolist() == [0, 0, 0]
    with pytest.raises(SourceError, match="--command and --script"):
        choose_source(WALK, "1,0,0", Path("x.csv"), False, None)


@pytest.mark.parametrize("text", ["1,0", "1,0,fast", "", "1,0,inf"])
def test_a_command_of_another_kind_is_refused_with_the_entries_names(text):
    with pytest.raises(SourceError, match=r"yaw rate \(rad/s\)"):
        choose_source(WALK, text, None, False, None)


def test_a_command_that_the_policy_was_not_trained_for_is_refused():
    with pytest.raises(SourceError, match="is 3, in --command; the policy was trained for -1 to 1"):
        choose_source(WALK, "3,0,0", None, False, None)
    with pytest.raises(SourceError, match=r"x \(m\) is 0, in --command"):
        choose_source(REACH, "0,1,0", None, False, None)
    # Of 4096 draws none is at the very end.
    assert choose_source(replace(WALK, limits=0.9998 * LIMITS), "1,0.5,0", None, False, None).read(0.0).tolist() == [1, 0.5, 0]


def test_no_choice_is_the_default_and_one_that_was_not_trained_for_is_refused():
    assert choose_source(REACH, None, None, False, None).read(0.0).tolist() == [0.3, 1, 0]
    unknown = replace(REACH, default=np.zeros(3))
    with pytest.raises(SourceError, match=r"x \(m\) is 0, the policy's default, as no command is given.*0\.2 to 0\.4"):
        choose_source(unknown, None, None, False, None)
    with pytest.raises(SourceError, match="the policy's default, with which --keyboard begins"):
        choose_source(unknown, None, None, True, None)


# The keyboard, by a real terminal


@pytest.fixture
def terminal():
    """The end that types, and the end that reads."""
    typing, reading = pty.openpty()
    yield typing, reading
    for end in (typing, reading):
        with contextlib.suppress(OSError):
            os.close(end)


def read_until(source, wanted: list[float]) -> None:
    """Keys take their way through the terminal; how long is no matter."""
    end = time.monotonic() + 60
    while source.read(0.0).tolist() != pytest.approx(wanted):
        assert time.monotonic() < end, source.read(0.0)
        time.sleep(0.01)


def test_keys_raise_and_lower_and_space_zeroes(terminal):
    typing, reading = terminal
    keyboard = Keyboard(WALK, reading)
    assert keyboard.read(0.0).tolist() == [0, 0, 0]
    os.write(typing, b"wwwsaQ")
    read_until(keyboard, [0.2, 0.05, 0.2])
    os.write(typing, b"e" * 30)
    read_until(keyboard, [0.2, 0.05, -1.2])  # a step too far
    assert WALK.nearest(keyboard.read(0.0)) == pytest.approx([0.2, 0.05, -1.0])
    os.write(typing, b"qq")
    read_until(keyboard, [0.2, 0.05, -0.8])
    os.write(typing, b" ")
    read_until(keyboard, [0, 0, 0])
    assert not keyboard.is_ended
    os.write(typing, b"wx")
    read_until(keyboard, [0.1, 0, 0])
    assert keyboard.is_ended
    keyboard.close()


def test_keys_start_from_the_default_and_space_goes_back_to_it(terminal):
    typing, reading = terminal
    keyboard = Keyboard(REACH, reading)
    assert keyboard.read(0.0).tolist() == [0.3, 1, 0]
    os.write(typing, b"we")
    read_until(keyboard, [0.34, 1, -0.1])
    os.write(typing, b"w" * 30 + b"s")
    read_until(keyboard, [0.38, 1, -0.1])
    os.write(typing, b" ")
    read_until(keyboard, [0.3, 1, 0])
    keyboard.close()


def test_arrow_keys_are_no_letters_and_escape_ends_whatever_comes_with_it(terminal):
    typing, reading = terminal
    keyboard = Keyboard(WALK, reading)
    os.write(typing, b"\x1b[A\x1b[D\x1bOB\x1b[1;5Cw")
    read_until(keyboard, [0.1, 0, 0])
    assert not keyboard.is_ended
    os.write(typing, b"w\x1b")
    read_until(keyboard, [0.2, 0, 0])
    assert keyboard.is_ended
    keyboard.close()


def test_the_terminal_is_left_as_it_was(terminal):
    import termios

    _, reading = terminal
    before = termios.tcgetattr(reading)
    keyboard = Keyboard(WALK, reading)
    assert termios.tcgetattr(reading) != before
    keyboard.close()
    assert termios.tcgetattr(reading) == before
    assert os.get_blocking(reading)


def test_a_keyboard_that_is_gone_is_an_error(terminal):
    typing, reading = terminal
    keyboard = Keyboard(WALK, reading)
    os.close(typing)
    with pytest.raises(SourceError, match="gone"):
        keyboard.read(0.0)
    keyboard.close()


def test_without_a_terminal_there_is_no_keyboard(tmp_path):
    with (tmp_path / "file").open("w+") as file, pytest.raises(SourceError, match="needs a terminal"):
        Keyboard(WALK, file.fileno())


# The gamepad, by the bytes that Linux gives


@pytest.fixture
def device(tmp_path):
    """A path to read from, and a function that gives it events as the kernel writes them."""
    path = tmp_path / "js0"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR)

    def give(*events: tuple[int, int, int]) -> None:
        for value, kind, number in events:
            os.write(keeper, struct.pack("IhBB", 1234, value, kind, number))

    yield path, give, keeper
    os.close(keeper)


AXIS, BUTTON, INITIAL = 2, 1, 0x80


def test_sticks_command_the_whole_range_and_rest_in_a_dead_zone(device):
    path, give, _ = device
    gamepad = Gamepad(WALK, path)
    assert gamepad.read(0.0).tolist() == [0, 0, 0]
    give((-32767, AXIS, 1), (32767, AXIS, 0), (-32767, AXIS, 3))
    assert gamepad.read(0.0) == pytest.approx([1.0, -0.5, 2.0])
    give((3000, AXIS, 1), (0, AXIS, 0), (0, AXIS, 3))
    assert gamepad.read(0.0) == pytest.approx([0, 0, 0])
    give((16384, AXIS, 1))
    assert gamepad.read(0.0)[0] == pytest.approx(-0.4445, abs=1e-3)
    gamepad.close()


def test_sticks_at_rest_are_the_default(device):
    path, give, _ = device
    gamepad = Gamepad(REACH, path)
    assert gamepad.read(0.0).tolist() == [0.3, 1, 0]
    give((-32767, AXIS, 1), (32767, AXIS, 0))
    assert gamepad.read(0.0) == pytest.approx([0.4, -1, 0])
    give((1, BUTTON, 0))
    assert gamepad.read(0.0).tolist() == [0.3, 1, 0]
    gamepad.close()


def test_what_the_kernel_tells_at_the_start_is_no_press(device):
    path, give, _ = device
    gamepad = Gamepad(WALK, path)
    give((1, BUTTON | INITIAL, 3), (-32767, AXIS | INITIAL, 1))
    assert gamepad.read(0.0)[0] == pytest.approx(1.0)
    assert not gamepad.is_ended
    give((1, BUTTON, 0))
    assert gamepad.read(0.0).tolist() == [0, 0, 0]
    assert not gamepad.is_ended
    give((1, BUTTON, 1))
    gamepad.read(0.0)
    assert gamepad.is_ended
    gamepad.close()


def test_half_an_event_waits_for_its_other_half(device):
    path, _, keeper = device
    gamepad = Gamepad(WALK, path)
    event = struct.pack("IhBB", 0, -32767, AXIS, 1)
    os.write(keeper, event[:5])
    assert gamepad.read(0.0).tolist() == [0, 0, 0]
    os.write(keeper, event[5:])
    assert gamepad.read(0.0)[0] == pytest.approx(1.0)
    gamepad.close()


def test_a_gamepad_that_is_unplugged_is_an_error(tmp_path):
    path = tmp_path / "js1"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR)
    gamepad = Gamepad(WALK, path)
    os.close(keeper)
    with pytest.raises(SourceError, match="gone"):
        gamepad.read(0.0)
    gamepad.close()


def test_a_gamepad_that_is_not_there_says_which_are(tmp_path):
    (tmp_path / "js3").touch()
    with pytest.raises(SourceError, match="js3"):
        Gamepad(WALK, tmp_path / "js0")
