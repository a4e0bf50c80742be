"""The native engine against plain `mj_step`, and its promise that results depend on nothing but the arguments."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim.native import NativePhysics
from sim.physics import MAX_VELOCITY, Fields, PhysicsError, PhysicsState, nominal_field

# A box that falls on the ground, and an arm that swings into it; one actuator has an activation.
MODEL = mujoco.MjModel.from_xml_string(
    """
<mujoco>
  <option timestep="0.005"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <body name="box" pos="0 0 .07" simple="false">
      <freejoint/>
      <geom name="box" type="box" size=".1 .07 .03" mass=".7"/>
    </body>
    <body name="upper" pos="0 0 .5">
      <joint name="shoulder" axis="0 1 0" damping=".1" armature=".01"/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".02" mass=".3"/>
      <body name="lower" pos=".3 0 0">
        <joint name="elbow" axis="0 1 0" damping=".1" frictionloss=".02"/>
        <geom name="tip" type="capsule" fromto="0 0 0 .3 0 0" size=".02" mass=".1"/>
        <site name="tip" pos=".3 0 0"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="shoulder" joint="shoulder" kp="10" kv=".3"/>
    <general name="elbow" joint="elbow" dyntype="filter" dynprm=".03" gainprm="5" biastype="affine" biasprm="0 -5 -.1"/>
  </actuator>
  <sensor>
    <framepos objtype="site" objname="tip"/>
    <accelerometer site="tip"/>
    <actuatorfrc actuator="elbow"/>
  </sensor>
</mujoco>
"""
)
N, SUBSTEPS = 5, 4
FIELDS = ("body_mass", "body_ipos", "dof_damping", "geom_friction", "geom_size", "opt.gravity")


def varied(name: str, seed: int = 0) -> jax.Array:
    """A field that differs in every environment."""
    nominal = nominal_field(MODEL, name)
    return jnp.asarray(nominal * np.random.default_rng(seed).uniform(0.9, 1.1, (N, *nominal.shape)), jnp.float32)


def with_field(model: mujoco.MjModel, name: str, value: np.ndarray) -> None:
    nominal_field(model, name)[...] = value


def model_of(fields: Fields, env: int) -> mujoco.MjModel:
    """The environment's model, made by MuJoCo's own means."""
    model = copy.copy(MODEL)
    for name, value in fields.items():
        with_field(model, name, value[env])
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def start(seed: int = 0) -> tuple[jax.Array, jax.Array]:
    random = np.random.default_rng(seed)
    qpos = MODEL.qpos0 + np.r_[np.zeros(7), 1, 1] * random.uniform(-0.5, 0.5, (N, MODEL.nq))
    return jnp.asarray(qpos, jnp.float32), jnp.asarray(random.uniform(-1, 1, (N, MODEL.nv)), jnp.float32)


def controls(steps: int, *axes: int) -> jax.Array:
    """Random joint targets, (steps, N, *axes, nu)."""
    shape = (steps, N, *axes, MODEL.nu)
    return jnp.asarray(np.random.default_rng(7).uniform(-1, 1, shape), jnp.float32)


class Compiled:
    """An engine's functions, each compiled once."""

    def __init__(self, num_threads: int):
        physics = NativePhysics(MODEL, N, num_threads)
        self.init = jax.jit(physics.init)
        self.reset = jax.jit(physics.reset)
        self.step = jax.jit(physics.step, static_argnums=2)


@pytest.fixture(scope="module")
def physics() -> Compiled:
    return Compiled(num_threads=2)


def begin(physics: Compiled, fields: Fields, seed: int = 0) -> PhysicsState:
    state = physics.init(fields)
    return physics.reset(state, jnp.ones(N, bool), *start(seed), fields)


def run(physics: Compiled, state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
    for now in ctrl:
        state = physics.step(state, now, SUBSTEPS)
    return state


def assert_same(state: PhysicsState, other: PhysicsState, envs: object = slice(None)) -> None:
    """Equal to the last bit, in these environments."""
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a)[envs], np.asarray(b)[envs]), state, other)


def all_varied() -> dict[str, jax.Array]:
    return {name: varied(name) for name in FIELDS}


class TestAgainstMuJoCo:
    def test_states_and_readings_are_those_of_mj_step(self, physics):
        fields = all_varied()
        state, steps = begin(physics, fields), controls(30)
        data = [mujoco.MjData(model_of(fields, env)) for env in range(N)]
        for d, qpos, qvel in zip(data, *start(), strict=True):
            d.qpos, d.qvel = qpos, qvel
        for ctrl in steps:
            state = physics.step(state, ctrl, SUBSTEPS)
            for env, d in enumerate(data):
                d.ctrl = ctrl[env]
                mujoco.mj_step(d.model, d, SUBSTEPS)
                for name in ("qpos", "qvel", "act", "qacc_warmstart"):  # a state is kept in float32 between control steps
                    setattr(d, name, getattr(d, name).astype(np.float32))
                d.time = np.float32(d.time)
        assert np.ptp(state.qpos, axis=0).max() > 0.01, "the environments should differ"
        for env, d in enumerate(data):
            for name in ("qpos", "qvel", "act", "sensordata"):
                np.testing.assert_array_equal(getattr(state, name)[env], getattr(d, name).astype(np.float32), err_msg=name)

    def test_one_control_per_substep_is_what_each_substep_gets(self, physics):
        ctrl = controls(1, SUBSTEPS)[0]
        state = physics.step(begin(physics, {}), ctrl, SUBSTEPS)
        for env, (qpos, qvel) in enumerate(zip(*start(), strict=True)):
            data = mujoco.MjData(MODEL)
            data.qpos, data.qvel = qpos, qvel
            for now in ctrl[env]:
                data.ctrl = now
                mujoco.mj_step(MODEL, data)
            np.testing.assert_array_equal(state.qpos[env], data.qpos.astype(np.float32))
            np.testing.assert_array_equal(state.act[env], data.act.astype(np.float32))

    def test_readings_after_a_reset_describe_the_new_state(self, physics):
        fields = all_varied()
        state = begin(physics, fields)
        for env, (qpos, qvel) in enumerate(zip(*start(), strict=True)):
            data = mujoco.MjData(model_of(fields, env))
            data.qpos, data.qvel = qpos, qvel
            mujoco.mj_forward(data.model, data)
            np.testing.assert_array_equal(state.sensordata[env], data.sensordata.astype(np.float32))

    def test_a_replaced_velocity_counts_in_the_next_step(self, physics):
        state = begin(physics, {})
        qvel = state.qvel.at[:, 2].add(3.0)
        qpos, _ = start()
        thrown = physics.step(state.replace(qvel=qvel), controls(1)[0], SUBSTEPS)
        expected = physics.reset(state, jnp.ones(N, bool), qpos, qvel, {})
        np.testing.assert_array_equal(thrown.qpos, physics.step(expected, controls(1)[0], SUBSTEPS).qpos)
        assert (thrown.qpos[:, 2] > state.qpos[:, 2] + 0.04).all()

    @pytest.mark.parametrize("name", FIELDS)
    def test_derived_constants_follow_a_reset(self, physics, name):
        nominal = jnp.asarray(np.broadcast_to(nominal_field(MODEL, name), (N, *nominal_field(MODEL, name).shape)), jnp.float32)
        state = begin(physics, {name: nominal})
        state = physics.reset(state, jnp.arange(N) == 1, *start(), {name: varied(name)})
        state = run(physics, state, controls(10))
        for env in (0, 1):
            model = model_of(state.fields, env)
            data = mujoco.MjData(model)
            data.qpos, data.qvel = start()[0][env], start()[1][env]
            for ctrl in controls(10):
                data.ctrl = ctrl[env]
                mujoco.mj_step(model, data, SUBSTEPS)
            np.testing.assert_allclose(state.qpos[env], data.qpos, atol=2e-5)


class TestResultsDependOnTheArgumentsAlone:
    def test_threads_do_not_matter(self):
        ends = []
        for threads in (1, 2, 3):
            physics = Compiled(threads)
            ends.append(run(physics, begin(physics, all_varied()), controls(10)))
        assert_same(ends[0], ends[1])
        assert_same(ends[0], ends[2])

    def test_the_past_of_the_engine_does_not_matter(self, physics):
        # Each case on an engine of its own, then all of them in a jumble on one.
        sets: list[Callable[[], Fields]] = [
            dict,
            all_varied,
            lambda: {name: varied(name, seed=3) for name in FIELDS},
            lambda: {"body_mass": varied("body_mass", seed=4)},
            lambda: {"geom_size": varied("geom_size", seed=5), "geom_rbound": varied("geom_rbound", seed=5)},
            # the model's own values, but for their rounding to float32
            lambda: {"body_mass": jnp.asarray(np.tile(MODEL.body_mass, (N, 1)), jnp.float32)},
        ]

        def simulate(physics: Compiled, case: int) -> PhysicsState:
            return run(physics, begin(physics, sets[case](), seed=case), controls(10))

        alone = [simulate(Compiled(1), case) for case in range(len(sets))]
        for case in np.random.default_rng(0).integers(0, len(sets), 15):
            assert_same(simulate(physics, case), alone[case])

    def test_a_step_repeated_after_another_gives_the_same(self, physics):
        a, b = begin(physics, all_varied()), begin(physics, {}, seed=1)
        ctrl = controls(1)[0]
        first = physics.step(a, ctrl, SUBSTEPS)
        physics.step(b, 2 * ctrl, SUBSTEPS)
        assert_same(first, physics.step(a, ctrl, SUBSTEPS))

    def test_callers_in_several_threads_do_not_disturb_each_other(self, physics):
        states = [begin(physics, {name: varied(name, seed) for name in FIELDS}, seed) for seed in range(4)]
        ctrl = controls(1)[0]
        expected = [physics.step(state, ctrl, 20) for state in states]
        order = [i % 4 for i in range(40)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda i: physics.step(states[i], ctrl, 20), order))
        for i, state in zip(order, found, strict=True):
            assert_same(state, expected[i])

    def test_a_compiled_loop_gives_what_single_steps_give(self, physics):
        @jax.jit
        def loop(state: PhysicsState, ctrl: jax.Array) -> PhysicsState:
            return jax.lax.scan(lambda s, c: (physics.step(s, c, SUBSTEPS), None), state, ctrl)[0]

        state = begin(physics, all_varied())
        assert_same(loop(state, controls(10)), run(physics, state, controls(10)))


class TestEnvironmentsAreIndependent:
    def test_a_reset_leaves_the_others_untouched(self, physics):
        before = run(physics, begin(physics, all_varied()), controls(5))
        mask = jnp.arange(N) == 2
        new = {name: varied(name, seed=9) for name in FIELDS}
        after = physics.reset(before, mask, *start(seed=9), new)
        assert_same(after, before, np.asarray(~mask))
        np.testing.assert_array_equal(after.qpos[2], start(seed=9)[0][2])
        np.testing.assert_array_equal(after.act[2], 0)
        for name in FIELDS:
            np.testing.assert_array_equal(after.fields[name][2], new[name][2])
        # nor does it show later
        assert_same(run(physics, after, controls(5)), run(physics, before, controls(5)), np.asarray(~mask))

    @pytest.mark.parametrize("per_substep", [False, True])
    @pytest.mark.parametrize("fault", ["control", "velocity", "position", "fast"])
    def test_only_the_one_that_explodes_is_marked(self, physics, fault, per_substep):
        healthy = run(physics, begin(physics, all_varied()), controls(3))
        ctrl = controls(1, SUBSTEPS)[0] if per_substep else controls(1)[0]
        state, bad_ctrl = healthy, ctrl
        if fault == "control":
            bad_ctrl = ctrl.at[1].set(jnp.nan)
        elif fault == "velocity":
            state = healthy.replace(qvel=healthy.qvel.at[1, 3].set(1e12))
        elif fault == "position":
            state = healthy.replace(qpos=healthy.qpos.at[1, 0].set(jnp.inf))
        else:  # absurd, though MuJoCo does not mind
            state = healthy.replace(qvel=healthy.qvel.at[1, 0].set(2 * MAX_VELOCITY))
        after = physics.step(state, bad_ctrl, SUBSTEPS)
        np.testing.assert_array_equal(after.diverged, np.arange(N) == 1)
        assert_same(after, physics.step(healthy, ctrl, SUBSTEPS), np.arange(N) != 1)

    def test_an_exploded_one_can_start_anew(self, physics):
        state = begin(physics, {})
        broken = physics.step(state.replace(qvel=state.qvel.at[1].set(jnp.nan)), controls(1)[0], SUBSTEPS)
        again = physics.reset(broken, broken.diverged, *start(), {})
        assert not again.diverged.any()
        assert_same(run(physics, again, controls(5)), run(physics, state, controls(5)), 1)


def test_what_explodes_leaves_no_message_behind(physics, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    state = begin(physics, {})
    state = physics.step(state.replace(qvel=jnp.full_like(state.qvel, 1e12)), controls(1)[0], SUBSTEPS)
    assert state.diverged.all()
    assert not list(tmp_path.iterdir())
    assert not capfd.readouterr().err
    # MuJoCo speaks again afterwards
    assert mujoco.MjLogConfig.get().logto_file
    assert mujoco.MjLogConfig.get().logto_console


@pytest.mark.parametrize("memory", ["12K", "2K"])
@pytest.mark.parametrize("axes", [(), (SUBSTEPS,)])
def test_contacts_that_do_not_fit_into_the_engines_memory_are_an_error(memory, axes):
    boxes = "".join(f'<body pos="0 {i} .02"><freejoint/><geom type="box" size=".1 .1 .03"/></body>' for i in range(3))
    floor = '<geom type="plane" size="0 0 1"/>'
    xml = f'<mujoco><size memory="{memory}"/><worldbody>{floor}{boxes}</worldbody></mujoco>'
    physics = NativePhysics(mujoco.MjModel.from_xml_string(xml), 2)
    with pytest.raises(Exception, match=r"in 2 of 2 environments .* raise MjSpec\.memory"):
        jax.block_until_ready(physics.step(physics.init({}), jnp.zeros((2, *axes, 0)), SUBSTEPS))


class TestWrongArguments:
    def test_controls_of_another_shape(self, physics):
        state = physics.init({})
        with pytest.raises(PhysicsError, match=r"ctrl has shape \(5, 3\), expected \(5, 2\), or \(5, 4, 2\)"):
            physics.step(state, jnp.zeros((N, 3)), SUBSTEPS)
        with pytest.raises(PhysicsError, match=r"ctrl has shape \(5, 3, 2\)"):
            physics.step(state, jnp.zeros((N, 3, MODEL.nu)), SUBSTEPS)

    def test_a_field_of_another_shape(self, physics):
        with pytest.raises(PhysicsError, match=r"'body_mass' has shape \(4,\), expected \(5, 4\)"):
            physics.init({"body_mass": jnp.ones(4)})
        state = physics.init({"body_mass": varied("body_mass")})
        with pytest.raises(PhysicsError, match=r"'body_mass' has shape \(4,\), expected \(5, 4\)"):
            physics.reset(state, jnp.ones(N, bool), *start(), {"body_mass": jnp.ones(4)})

    def test_other_fields_than_those_of_init(self, physics):
        state = physics.init({"body_mass": varied("body_mass")})
        with pytest.raises(PhysicsError, match=r"\['dof_damping'\], expected those of init: \['body_mass'\]"):
            physics.reset(state, jnp.ones(N, bool), *start(), {"dof_damping": varied("dof_damping")})

    @pytest.mark.parametrize("name", ["body_masses", "qpos", "opt.gravityy", "nq"])
    def test_a_name_that_is_no_model_field(self, physics, name):
        with pytest.raises(PhysicsError, match=f"no model field '{name}'"):
            physics.init({name: jnp.zeros((N, 1))})

    def test_a_field_that_contradicts_how_the_model_was_compiled(self):
        # MuJoCo keeps no off-diagonal inertia for a body whose centre of mass is its origin
        xml = '<mujoco><worldbody><body name="ball"><freejoint/><geom size=".1"/></body></worldbody></mujoco>'
        physics = NativePhysics(mujoco.MjModel.from_xml_string(xml), 2)
        fields = {"body_ipos": jnp.zeros((2, 2, 3)).at[1, 1, 0].set(0.01)}
        for _ in range(2):  # not only the first time
            with pytest.raises(Exception, match=r"body_ipos.*compile it with simple = False"):
                jax.block_until_ready(physics.step(physics.init(fields), jnp.zeros((2, 0)), 1))
