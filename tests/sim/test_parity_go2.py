"""The Go2 of the walking tasks on every engine, against `mj_step` in float64: the same targets for 20 control steps (0.4 s)."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.scene import compile_for_physics, scene_spec
from assets.terrains import rough_terrain
from assets.terrains.terrain import FIELDS
from sim.engine import make_physics
from sim.physics import ENGINES, Fields, Physics, PhysicsState
from tests.assets.terrains.tile_model import robot_on, set_tile
from tests.processes import python

NUM_STEPS, NUM_SUBSTEPS, NUM_ENVS = 20, 4, 2


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


def simulate(physics: Physics, fields: Fields, qpos: np.ndarray, ctrl: np.ndarray) -> tuple[list, PhysicsState]:
    """qpos, qvel and sensordata after each control step from rest at qpos, and the last state."""
    state = physics.init(fields)
    at_rest = jnp.zeros_like(state.qvel)
    state = physics.reset(state, jnp.ones(len(qpos), bool), jnp.asarray(qpos, jnp.float32), at_rest, fields)
    step = jax.jit(lambda state, ctrl: physics.step(state, ctrl, NUM_SUBSTEPS))
    found = []
    for target in ctrl:
        state = step(state, jnp.asarray(target))
        found.append((np.asarray(state.qpos), np.asarray(state.qvel), np.asarray(state.sensordata)))
    return found, state


def compare(model: mujoco.MjModel, qpos: np.ndarray, ctrl: np.ndarray, found: list, apart: float = 1.0) -> None:
    """What one environment did with what the C engine does in float64; `apart` times the usual bounds."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    for target, (position, velocity, readings) in zip(ctrl, found, strict=True):
        data.ctrl[:] = target
        mujoco.mj_step(model, data, NUM_SUBSTEPS)
        np.testing.assert_allclose(position, data.qpos, atol=5e-6 * apart, rtol=0)
        np.testing.assert_allclose(velocity, data.qvel, atol=2e-4 * apart, rtol=0)
        np.testing.assert_allclose(readings, data.sensordata, atol=5e-3 * apart, rtol=1e-3 * apart)


def check(engine: str) -> None:
    """The Go2 on flat ground on an engine, against the C engine."""
    model = compile_for_physics(scene_spec(GO2))
    qpos = np.tile(start(model), (NUM_ENVS, 1))
    found, _ = simulate(make_physics(model, NUM_ENVS, engine), {}, qpos, targets())
    for env in range(NUM_ENVS):
        compare(model, qpos[env], targets()[:, env], [[array[env] for array in moment] for moment in found])
    assert np.abs(found[-1][0] - start(model)).max() > 0.05, "the robot hardly moved"


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "mjx"])
def test_a_go2_moves_as_in_the_c_engine(engine):
    check(engine)


def test_a_go2_moves_as_in_the_c_engine_on_mjx():
    """In a process of its own, compiled as users have it: without XLA's optimisations sums round more, by how much being the
    processor's affair."""
    python("import os; os.environ['XLA_FLAGS'] = ''; from tests.sim.test_parity_go2 import check; check('mjx')")


TERRAIN = rough_terrain()
LEVEL = 3


@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=[pytest.mark.long("its boxes compile for a minute")] if e != "native" else []) for e in ENGINES],
)
def test_on_every_kind_of_ground_too_and_stands_there(quick_to_compile, engine):
    """Standing across an edge of each kind where it has one near, the terrain's boxes set as each environment's own fields."""
    kinds = range(len(TERRAIN.kinds))
    model = robot_on(GO2, TERRAIN)
    fields = [TERRAIN.fields(model, LEVEL, kind) for kind in kinds]
    fields = {name: jnp.asarray(np.stack([f[name] for f in fields]), jnp.float32) for name in FIELDS}
    qpos = np.tile(start(model), (len(kinds), 1))
    qpos[:, 0] += 0.45  # the front feet are off the platform, the rear feet are on it
    front = np.array([[TERRAIN.height(LEVEL, kind, [0.65, y]) for y in (-0.14, 0.14)] for kind in kinds])
    qpos[:, 2] += np.maximum(front.max(axis=1), 0.0) + 0.01
    physics = make_physics(model, len(kinds), engine)
    moves = np.repeat(targets()[:, :1], len(kinds), axis=1)
    stands = np.tile(np.array(GO2.default_pose, np.float32), (40, len(kinds), 1))
    found, state = simulate(physics, fields, qpos, np.concatenate([moves, stands]))
    for kind in kinds:
        own = set_tile(robot_on(GO2, TERRAIN), TERRAIN, LEVEL, kind)
        # A leg over the edge of a gap, where MJX-JAX's contact of a capsule and a box is a little another.
        apart = 10.0 if engine == "mjx" and TERRAIN.kinds[kind] == "gaps" else 1.0
        compare(own, qpos[kind], moves[:, kind], [[array[kind] for array in moment] for moment in found[:NUM_STEPS]], apart)
    physics.check_overflow(state)
    for kind, at in enumerate(found[-1][0]):
        ground = np.nanmin(TERRAIN.height(LEVEL, kind, at[:2] + np.array([[x, y] for x in (-0.2, 0.2) for y in (-0.14, 0.14)])))
        assert at[2] > ground + 0.15, f"on {TERRAIN.kinds[kind]} it has sunk"
