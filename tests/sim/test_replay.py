"""A replay sees what the native engine saw, and tells what went wrong first."""

import dataclasses

import numpy as np

from sim.replay import replay_crash
from tests.sim.hopper import NUM_SUBSTEPS, PUSH_STEP, Crash


def test_it_sees_what_the_native_engine_saw_to_the_last_bit(crash: Crash, sound: Crash) -> None:
    for run in (crash, sound):
        qpos = replay_crash(run.record).qpos[NUM_SUBSTEPS::NUM_SUBSTEPS].astype(np.float32)
        # An exploded state is the replay's last; the engine may have gone on within the control step.
        whole = len(qpos) if run is sound else len(run.after) - 1
        assert whole > PUSH_STEP
        np.testing.assert_array_equal(qpos[:whole], run.after[:whole])


def test_it_tells_what_exploded_when_and_what_is_unusual_about_the_robot(crash: Crash) -> None:
    trajectory = replay_crash(crash.record)
    assert trajectory.bad is not None
    assert trajectory.bad.step == len(crash.after) - 1
    assert trajectory.bad.what.startswith(("the velocity of joint", "the acceleration of joint"))
    assert len(trajectory.qpos) == len(trajectory.seconds) == trajectory.bad.step * NUM_SUBSTEPS + trajectory.bad.substep + 2
    assert trajectory.seconds[-1] == trajectory.bad.seconds
    for told in (
        "hopper-land, environment 1 of the native engine, update 7",
        f"control step {trajectory.bad.step}, physics step {trajectory.bad.substep}",
        trajectory.bad.what,
        "fastest joint knee",
        "dof_damping[6] (joint knee) -3, nominal 0.1",
    ):
        assert told in trajectory.story


def test_a_push_between_two_steps_is_seen(sound: Crash) -> None:
    trajectory = replay_crash(sound.record)
    assert trajectory.bad is None
    assert "it stays sound throughout" in trajectory.story
    assert f"0.5 m/s of joint root (along y) before control step {PUSH_STEP}" in trajectory.story


def test_a_control_that_is_no_number_is_told_as_the_cause(sound: Crash) -> None:
    ctrl = sound.record.ctrl.copy()
    ctrl[2, 1] = np.nan
    trajectory = replay_crash(dataclasses.replace(sound.record, ctrl=ctrl))
    assert trajectory.bad is not None
    assert (trajectory.bad.step, trajectory.bad.substep) == (2, 1)
    assert trajectory.bad.what == "the control of actuator knee is nan"


def test_a_field_that_is_no_number_is_told_as_the_cause(sound: Crash) -> None:
    damping = sound.record.fields["dof_damping"].copy()
    damping[6] = np.nan
    trajectory = replay_crash(dataclasses.replace(sound.record, fields={"dof_damping": damping}))
    assert trajectory.bad is not None
    assert (trajectory.bad.step, trajectory.bad.substep) == (0, 0)
    assert "dof_damping[6] (joint knee) nan" in trajectory.story


def test_a_held_control_is_held(sound: Crash) -> None:
    held = sound.record.ctrl[:, :1]
    repeated = np.repeat(held, NUM_SUBSTEPS, axis=1)
    first, second = (replay_crash(dataclasses.replace(sound.record, ctrl=ctrl)).qpos for ctrl in (held, repeated))
    np.testing.assert_array_equal(first, second)


def test_where_another_engine_diverged_and_this_does_not_the_engine_is_suspected(sound: Crash) -> None:
    assert "the fault is likely the warp engine's" in replay_crash(dataclasses.replace(sound.record, engine="warp")).story
