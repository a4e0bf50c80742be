"""Motions as files: what is written is read again to the last bit, and what is no motion is told by line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from assets.errors import UserError
from assets.robots import GO2, SO101
from assets.robots.built_in import ROBOTS
from assets.robots.robot import Robot, RobotError
from sim2real.excite.motion import Motion, MotionError, Segment
from sim2real.excite.motion_file import load_motion, save_motion


def make_robot(name: str) -> Robot:
    if name not in ROBOTS:
        raise RobotError(f"unknown robot {name!r}")
    return ROBOTS[name]()


HAND = """# robot = "so101"
# rate = 50.0
seconds, gripper, wrist_roll
0, 0, 0
0.02, 0.01, 0
0.04, 0.02, 0.001
"""


def write(path: Path, text: str) -> Path:
    (path / "m.csv").write_text(text)
    return path / "m.csv"


@settings(max_examples=30)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(2, 12), st.just(6)), elements=st.floats(-3, 3)),
    st.floats(1.0, 1000.0),
    st.text(max_size=30),
)
def test_what_is_written_is_read_again_to_the_last_bit(tmp_path_factory, targets, rate, text):
    motion = Motion(
        "so101", SO101.joints, rate, targets, SO101.stiffness, (0.1,) * 6, "wave", 7, text, (Segment("a b", 0.0, 0.5),)
    )
    path = tmp_path_factory.mktemp("motion") / "m.csv"
    save_motion(motion, path)
    again = load_motion(path, make_robot)
    assert again.targets.tobytes() == motion.targets.tobytes()
    assert again.content_hash == motion.content_hash
    for name in ("robot", "joints", "rate", "stiffness", "damping", "kind", "seed", "description", "segments"):
        assert getattr(again, name) == getattr(motion, name)
    with pytest.raises(MotionError, match="already"):
        save_motion(motion, path)


def test_a_motion_by_hand_leaves_out_what_the_robot_knows(tmp_path):
    motion = load_motion(write(tmp_path, HAND), make_robot)
    assert motion.kind == "custom"
    assert motion.stiffness == SO101.stiffness
    assert motion.targets[:, 5].tolist() == [0.0, 0.01, 0.02]
    assert motion.targets[2, 4] == 0.001
    assert (motion.targets[:, :4] == 0.0).all()


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("0.02, 0.01, 0", "0.03, 0.01, 0", "line 5: seconds is 0.03, expected 0.02"),
        ("0.02, 0.01, 0", "0.02, 0.01", "line 5: 2 cells, expected 3"),
        ("0.02, 0.01, 0", "0.02, x, 0", "line 5: expected numbers"),
        ("0.02, 0.01, 0", "0.02, nan, 0", "gripper in step 1 is nan"),
        ("gripper,", "griper,", "did you mean 'gripper'"),
        ("wrist_roll", "gripper", "more than once"),
        ('"so101"', '"spot"', "spot"),
        ("# rate = 50.0\n", "", "does not tell its rate"),
        ("# rate = 50.0", "# rate = -50.0", "rate"),
        ("# rate = 50.0", '# rate = "fast"', "rate is 'fast'"),
        ("# rate = 50.0", "# rate = 50.0\n# gains = 3", "unknown entry 'gains'"),
        ("# rate = 50.0", "# rate = 50.0\n# stiffness = [1, 2]", "6 numbers"),
        ("# rate = 50.0", "# rate = 50.0\n# damping = [1, 2, 3, 4, 5, -1]", "none below zero"),
        ("# rate = 50.0", "# rate = 50.0\n# segments = [1]", "segment 1"),
        ("# rate = 50.0", "# rate = = 50.0", "no motion"),
        ("seconds,", "time,", "expected 'seconds'"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_name(tmp_path, old, new, told):
    assert old in HAND
    path = write(tmp_path, HAND.replace(old, new))
    with pytest.raises(UserError, match=told.replace("[", r"\[")):
        load_motion(path, make_robot)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_motion_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("motion") / "m.csv"
    path.write_bytes(content)
    with pytest.raises(MotionError):
        load_motion(path, make_robot)


def test_a_missing_file_and_an_empty_one_are_told(tmp_path):
    with pytest.raises(MotionError, match="zerogap excite"):
        load_motion(tmp_path / "no.csv", make_robot)
    with pytest.raises(MotionError, match="lines"):
        load_motion(write(tmp_path, ""), make_robot)


def test_targets_of_another_shape_are_refused():
    with pytest.raises(MotionError, match="shape"):
        Motion("go2", GO2.joints, 50.0, np.zeros((5, 6)), GO2.stiffness, GO2.damping)
