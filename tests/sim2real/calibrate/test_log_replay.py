"""Logs replayed: what mj_step alone gives, delays that are continuous, and steps of second order."""

import itertools
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.robots import GO2, SO101
from assets.robots.robot import Robot
from assets.scene import compile_for_physics, scene_spec
from sim2real.calibrate.parameters import build_model, parameters
from sim2real.calibrate.replay import NOMINAL, Replay, _held_mean, suspended_spec
from sim2real.calibrate.windows import Windows, cut
from sim2real.logs.robot_log import Stream
from tests.sim2real.calibrate.leg import LEG, made_up

STEP = 2e-5


def stepped(
    seconds: float, delay: float = 0.0, timestep: float = STEP, frictionloss: float | None = None
) -> tuple[np.ndarray, Windows]:
    """The leg by MuJoCo's own explicit steps, so small that they hardly err, from rest in the default pose, and a window of the
    commands that it followed: positions (samples, joints) every 2 ms."""
    model = compile_for_physics(scene_spec(LEG, lambda spec: None, timestep))
    if frictionloss is not None:
        model.dof_frictionloss[:] = frictionloss
    data = mujoco.MjData(model)
    data.qpos[:] = LEG.default_pose
    log = made_up(samples=round(500 * seconds) + 50)
    times = log["target"].seconds
    target = log["target"].values + 0.1 * np.sin(50 * times)[:, None] * np.array([1.0, 0.7, -1.0])
    each, found = round(0.002 / timestep), []
    for i in range(round(seconds / timestep) + 1):
        if i % each == 0:
            found.append(data.qpos.copy())
        data.ctrl[:] = target[max(0, np.searchsorted(times, i * timestep - delay + 1e-9, side="right") - 1)]
        mujoco.mj_step(model, data)
    window = replace(
        cut(log, 0.25).take(np.array([0])),
        start=np.zeros(1),
        initial_position=np.array([LEG.default_pose]),
        initial_velocity=np.zeros((1, 3)),
        time=0.002 * np.arange(len(found))[None],
        position=np.stack(found)[None],
        target=target,
    )
    return np.stack(found), window


def error(window: Windows, timestep: float, delay: float = 0.0) -> float:
    signals = replace(NOMINAL, delay=np.array([delay]))
    errors = Replay(LEG, window, timestep).errors(suspended_spec(LEG, timestep).compile(), signals)
    return float(np.sqrt(np.nanmean(errors**2)))


def test_a_replay_is_what_mujoco_gives_in_far_finer_steps():
    found, window = stepped(0.3, delay=0.007)
    assert np.ptp(found, axis=0).min() > 0.05
    plain = np.sqrt(np.mean((stepped(0.3, delay=0.007, timestep=0.001)[0] - found) ** 2))
    assert error(window, 0.001, 0.007) < 1e-4
    assert error(window, 0.001, 0.007) < 0.1 * plain  # MuJoCo's own steps of that size


def test_dry_friction_acts_on_the_velocity_of_a_steps_middle():
    """So much of it that joints stick and slip: on the velocity of a step's beginning it is wrong by over twice as much."""
    _, window = stepped(0.3, frictionloss=1.0)
    model = suspended_spec(LEG, 0.002).compile()
    model.dof_frictionloss[:] = 1.0
    errors = Replay(LEG, window, 0.002).errors(model)
    assert np.sqrt(np.nanmean(errors**2)) < 8e-5


def test_the_wrong_delay_is_seen():
    _, window = stepped(0.3, delay=0.0073)
    assert error(window, 0.001, 0.0073) < 0.1 * error(window, 0.001, 0.0103)


@settings(max_examples=40, deadline=None)
@given(
    delay=st.lists(st.floats(-0.004, 0.2), min_size=2, max_size=2),
    gaps=st.lists(st.floats(1e-3, 0.05), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_the_mean_of_what_is_held_agrees_with_adding_it_up(delay: list[float], gaps: list[float], seed: int):
    time = np.cumsum([0.1, *gaps])
    values = np.random.default_rng(seed).normal(size=(len(time), 2))
    grid = np.linspace(0.0, 0.6, 7)[None]
    found = _held_mean(time, values, grid, np.array(delay))
    fine = np.linspace(0.0, 0.6, 60001)
    middle = 0.5 * (fine[1:] + fine[:-1])
    for j in range(2):
        index = np.clip(np.searchsorted(time, middle - delay[j], side="right") - 1, 0, None)
        brute = values[index, j].reshape(6, -1).mean(axis=1)
        np.testing.assert_allclose(found[0, :, j], brute, atol=2e-3)


def test_predictions_are_a_smooth_function_of_the_delay():
    _, window = stepped(0.2)
    model, replay = suspended_spec(LEG, 0.001).compile(), Replay(LEG, window)
    at = [replay.positions(model, replace(NOMINAL, delay=np.array([0.005 + 1e-4 * i]))) for i in range(12)]
    steps = np.array([np.abs(b - a).max() for a, b in itertools.pairwise(at)])
    assert steps.min() > 0.0
    assert steps.max() < 3 * steps.min()


def test_an_encoder_that_is_off_shows_in_what_is_read_and_not_in_how_the_robot_moves():
    """The controller goes by the reading: targets, readings and starts are all off alike, gravity apart."""
    _, window = stepped(0.2)
    model = suspended_spec(LEG, 0.001)
    model.option.gravity = [0.0, 0.0, 0.0]
    replay, offset = Replay(LEG, window), np.array([0.02, -0.01, 0.03])
    told = replay.positions(model.compile(), replace(NOMINAL, offset=offset))
    plain = replay.positions(model.compile())
    assert np.abs(told - plain).max() < 2e-3  # the inertia of another pose
    np.testing.assert_allclose(told[:, 0], plain[:, 0], atol=1e-12)


def test_a_tilted_base_is_gravity_from_elsewhere():
    _, window = stepped(0.2)
    spec = suspended_spec(LEG, 0.001)
    replay = Replay(LEG, window)
    tilted = replay.positions(spec.compile(), replace(NOMINAL, tilt=np.array([0.0, 0.3])))
    spec.option.gravity = [9.81 * np.sin(0.3), 0.0, -9.81 * np.cos(0.3)]
    np.testing.assert_allclose(tilted, replay.positions(spec.compile()), atol=1e-9)
    assert np.abs(tilted - replay.positions(suspended_spec(LEG, 0.001).compile())).max() > 1e-3


def test_gains_of_a_window_are_its_own():
    _, window = stepped(0.2)
    both = replace(
        window,
        **{
            name: np.repeat(getattr(window, name), 2, axis=0)
            for name in ("start", "initial_position", "initial_velocity", "time", "position", "damping")
        },
        stiffness=np.stack([window.stiffness[0], 2 * window.stiffness[0]]),
    )
    model = suspended_spec(LEG, 0.001).compile()
    found = Replay(LEG, both).positions(model)
    np.testing.assert_allclose(found[:1], Replay(LEG, window).positions(model), atol=1e-12)
    assert np.abs(found[1] - found[0]).max() > 1e-3


def test_a_velocity_that_is_asked_for_acts_through_the_damping():
    """As the torque does that it stands for, sent in its place."""
    stamps = made_up()["target"].stamps[::3]
    speed = np.cos(2e-8 * np.pi * stamps)[:, None] * np.array([3.0, -2.0, 1.0])
    asked = cut(made_up(target_velocity=Stream(stamps, speed)), 0.25)
    pushed = cut(made_up(feedforward=Stream(stamps, np.array(LEG.damping) * speed)), 0.25)
    model = suspended_spec(LEG, 0.001).compile()
    late = replace(NOMINAL, delay=np.array([0.0053]), strength=np.array([0.8]))
    found = Replay(LEG, asked).positions(model, late)
    np.testing.assert_allclose(found, Replay(LEG, pushed).positions(model, late), atol=1e-12)
    assert np.abs(found - Replay(LEG, cut(made_up(), 0.25)).positions(model, late)).max() > 0.01


def test_what_a_robot_carried_is_in_its_model():
    log = made_up()
    loaded = replace(log, info=replace(log.info, payload=0.3))
    spec = suspended_spec(LEG, 0.001)
    known = Replay(LEG, cut(loaded, 0.25)).positions(spec.compile())
    plain = Replay(LEG, cut(log, 0.25))
    fitted = plain.positions(build_model(spec, parameters(LEG, spec, ("payload",)), [0.3]))
    np.testing.assert_allclose(known, fitted, atol=1e-7)
    assert np.abs(known - plain.positions(spec.compile())).max() > 5e-3


@pytest.mark.parametrize("robot", [GO2, SO101], ids=lambda robot: robot.name)
def test_a_suspended_robot_holds_its_base_and_touches_nothing(robot: Robot):
    model = suspended_spec(robot, 0.001).compile()
    assert model.nv == robot.num_joints
    data = mujoco.MjData(model)
    for _ in range(200):
        mujoco.mj_step(model, data)
    assert data.ncon == 0
