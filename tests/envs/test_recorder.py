import jax
import jax.numpy as jnp
import pytest

from envs.recorder import Recorder
from sim.devices import Devices
from sim.physics import PhysicsState

LENGTH, N = 4, 3


def physics(step: int, diverged: tuple[int, ...] = ()) -> PhysicsState:
    """A state in which environment i stands at 10 * i + step."""
    place = jnp.arange(N)[:, None] * 10.0 + step
    return PhysicsState(
        qpos=place,
        qvel=-place,
        act=jnp.zeros((N, 0)),
        sensordata=jnp.zeros((N, 0)),
        fields={"body_mass": jnp.arange(N)[:, None] + 0.5},
        diverged=jnp.isin(jnp.arange(N), jnp.array(diverged, int)),
        engine=(),
    )


@jax.jit
def record(recorder: Recorder, before: PhysicsState, after: PhysicsState, step: jax.Array) -> Recorder:
    ctrl = before.qpos * 100
    return recorder.write(before, ctrl, jnp.full(N, step, jnp.int32)).keep(after, Devices())


@pytest.mark.parametrize("steps", [1, 3, 4, 9])
def test_the_last_steps_before_a_divergence_are_kept_in_order(steps):
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step in range(steps):
        diverged = (1, 2) if step == steps - 1 else ()
        recorder = record(recorder, physics(step), physics(step + 1, diverged), jnp.int32(step))
    recorded = list(range(max(0, steps - LENGTH), steps))
    assert recorder.diverged.tolist() == [1, 2]
    for env in (1, 2):
        tape = recorder.recording(env)
        assert tape.episode_step.tolist() == recorded
        assert tape.qpos[:, 0].tolist() == [10 * env + step for step in recorded]
        assert tape.qvel[:, 0].tolist() == [-10 * env - step for step in recorded]
        assert tape.ctrl[:, 0, 0].tolist() == [100 * (10 * env + step) for step in recorded]
        assert tape.fields["body_mass"].tolist() == [env + 0.5]


def test_a_recording_stays_as_it_was_at_the_first_divergence_while_others_go_on():
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step, diverged in enumerate([(), (2,), (), (0, 2), ()]):
        heavier = physics(step + 1, diverged)
        heavier = heavier.replace(fields={"body_mass": heavier.fields["body_mass"] + 100 * step})
        recorder = record(recorder, physics(step), heavier, jnp.int32(step))
    assert recorder.diverged.tolist() == [0, 2]
    first = recorder.recording(2)
    assert first.qpos[:, 0].tolist() == [20, 21]
    assert first.fields["body_mass"].tolist() == [102.5]
    later = recorder.recording(0)
    assert later.qpos[:, 0].tolist() == [0, 1, 2, 3]
    assert later.fields["body_mass"].tolist() == [300.5]
    assert recorder.tape.qpos[:, 1, 0].tolist() == [14, 11, 12, 13]


def test_what_came_before_the_episode_is_left_out():
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step, episode_step in enumerate([41, 42, 0, 1]):
        diverged = (1,) if step == 3 else ()
        recorder = record(recorder, physics(step), physics(step + 1, diverged), jnp.int32(episode_step))
    tape = recorder.recording(1)
    assert tape.episode_step.tolist() == [0, 1]
    assert tape.qpos[:, 0].tolist() == [12, 13]


def test_nothing_is_kept_while_nothing_diverges():
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step in range(6):
        recorder = record(recorder, physics(step), physics(step + 1), jnp.int32(step))
    assert not len(recorder.diverged)
    assert not recorder.fields["body_mass"].any()
