import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs.recorder import Recorder
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
    return recorder.write(before, ctrl, jnp.full(N, step, jnp.int32)).keep_first(after)


@pytest.mark.parametrize("steps", [1, 3, 4, 9])
def test_the_last_steps_before_a_divergence_are_kept_in_order(steps):
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step in range(steps):
        diverged = (1, 2) if step == steps - 1 else ()
        recorder = record(recorder, physics(step), physics(step + 1, diverged), jnp.int32(step))
    recorded = list(range(max(0, steps - LENGTH), steps))
    blank = LENGTH - len(recorded)
    kept = recorder.kept
    assert recorder.kept_env == 1
    assert kept.episode_step.tolist() == [-1] * blank + recorded
    assert kept.qpos[blank:, 0].tolist() == [10 + step for step in recorded]
    assert kept.qvel[blank:, 0].tolist() == [-10 - step for step in recorded]
    assert kept.ctrl[blank:, 0, 0].tolist() == [100 * (10 + step) for step in recorded]
    assert recorder.kept_fields["body_mass"].tolist() == [1.5]


def test_only_the_first_divergence_is_kept():
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step, diverged in enumerate([(), (2,), (), (0,)]):
        recorder = record(recorder, physics(step), physics(step + 1, diverged), jnp.int32(step))
    assert recorder.kept_env == 2
    np.testing.assert_array_equal(recorder.kept.qpos[-2:, 0], [20, 21])


def test_nothing_is_kept_while_nothing_diverges():
    recorder = Recorder.of(physics(0), (1, 1), LENGTH)
    for step in range(6):
        recorder = record(recorder, physics(step), physics(step + 1), jnp.int32(step))
    assert recorder.kept_env == -1
    assert not recorder.kept.qpos.any()
