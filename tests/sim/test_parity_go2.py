"""The Go2 of the walking task on every engine, against `mj_step` in float64: the same targets for 20 control steps (0.4 s)."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.scene import compile_for_physics, scene_spec
from sim.engine import make_physics
from sim.physics import ENGINES

NUM_STEPS, NUM_SUBSTEPS, NUM_ENVS = 20, 4, 2


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return compile_for_physics(scene_spec(GO2))


def start(model: mujoco.MjModel) -> np.ndarray:
    """Standing, (nq,)."""
    qpos = model.qpos0.copy()
    qpos[2] = GO2.standing_height
    for joint, angle in zip(GO2.joints, GO2.default_pose, strict=True):
        qpos[model.joint(joint).qposadr] = angle
    return qpos.astype(np.float32)


def targets() -> np.ndarray:
    """(NUM_STEPS, NUM_ENVS, nu), rad."""
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, (NUM_STEPS, NUM_ENVS, GO2.num_joints))
    return (np.array(GO2.default_pose) + spread).astype(np.float32)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_go2_moves_as_in_the_c_engine(quick_to_compile, model, engine):
    physics = make_physics(model, NUM_ENVS, engine)
    state = physics.init({}).replace(qpos=jnp.tile(start(model), (NUM_ENVS, 1)))
    step = jax.jit(lambda state, ctrl: physics.step(state, ctrl, NUM_SUBSTEPS))
    found = []
    for ctrl in targets():
        state = step(state, ctrl)
        found.append((np.asarray(state.qpos), np.asarray(state.qvel), np.asarray(state.sensordata)))
    for env in range(NUM_ENVS):
        data = mujoco.MjData(model)
        data.qpos[:] = start(model)
        for ctrl, (qpos, qvel, readings) in zip(targets()[:, env], found, strict=True):
            data.ctrl[:] = ctrl
            mujoco.mj_step(model, data, NUM_SUBSTEPS)
            np.testing.assert_allclose(qpos[env], data.qpos, atol=5e-6, rtol=0)
            np.testing.assert_allclose(qvel[env], data.qvel, atol=2e-4, rtol=0)
            np.testing.assert_allclose(readings[env], data.sensordata, atol=5e-3, rtol=1e-3)
    assert np.abs(found[-1][0] - start(model)).max() > 0.05, "the robot hardly moved"
