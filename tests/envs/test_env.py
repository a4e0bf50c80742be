"""Episodes, latencies, pushes, noise and errors of an environment, on a small walker.

Two environments are compiled: one shows single mechanisms without any noise, one randomises everything.
"""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from envs.env import Env, EnvState
from sim.randomization import (
    CenterOfMass,
    JointOffset,
    Latency,
    Mass,
    MotorStrength,
    Push,
    Randomization,
    SensorBias,
    SensorNoise,
    Uniform,
    friction,
)
from sim.randomization.actuators import joint_offset
from tests.envs.walker import DT, NUM_ENVS, ROBOT, STOP, SUBSTEPS, make_env, policy_terms, walker_task

LATE = Latency(Uniform(0.0, 0.0), longest=0.05)  # the tests set the delays that they want
PLAIN = walker_task(
    randomization=Randomization(
        action_latency=LATE, observation_latency=LATE, push=Push(Uniform(0.05, 0.05), linear=0.5, angular=0.3)
    ),
    episode_seconds=0.2,
)
RANDOM = walker_task(
    randomization=Randomization(
        model=(
            Mass(Uniform(0.8, 1.2)),
            CenterOfMass(Uniform(-0.01, 0.01), "trunk"),
            friction(Uniform(0.4, 1.2), "*_foot"),
            MotorStrength(Uniform(0.9, 1.1)),
            JointOffset(Uniform(-0.05, 0.05)),
        ),
        action_latency=Latency(Uniform(0.005, 0.02), Uniform(-0.002, 0.002), longest=0.025),
        observation_latency=Latency(Uniform(0.0, 0.02), Uniform(-0.002, 0.002), longest=0.025),
        noise=SensorNoise(joint_position=0.01, joint_velocity=0.2, angular_velocity=0.1, orientation=0.03),
        bias=SensorBias(angular_velocity=0.05, orientation=0.02),
        push=Push(Uniform(0.1, 0.3), linear=0.5, angular=0.3),
    ),
    observation_history=2,
)


class Compiled:
    """An environment's functions, each compiled once."""

    def __init__(self, env: Env):
        self.env = env
        self.reset: Callable[[jax.Array], EnvState] = jax.jit(env.reset)
        self.step: Callable[[EnvState, jax.Array], EnvState] = jax.jit(env.step)

    def run(self, seed: int, actions: np.ndarray) -> list[EnvState]:
        """The state at the start and after each of the actions (steps, num_envs, num_actions)."""
        states = [self.reset(jax.random.key(seed))]
        for action in actions:
            states.append(self.step(states[-1], jnp.asarray(action, jnp.float32)))
        return states


@pytest.fixture(scope="module")
def plain() -> Compiled:
    return Compiled(make_env(PLAIN))


@pytest.fixture(scope="module")
def random() -> Compiled:
    return Compiled(make_env(RANDOM))


def actions(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (steps, NUM_ENVS, 2))


def with_delays(state: EnvState, **control_steps: list[float]) -> EnvState:
    delays = {name: jnp.array(value, jnp.float32) for name, value in control_steps.items()}
    return state.replace(episode={**state.episode, **delays})


def per_env(state: EnvState, envs: object) -> list[np.ndarray]:
    """All that belongs to these environments."""
    own = state.replace(key=None, recorder=state.recorder.tape)
    rows = [np.asarray(leaf) for leaf in jax.tree.leaves(own.replace(recorder=None))]
    return [leaf[envs] for leaf in rows] + [np.asarray(leaf)[:, envs] for leaf in jax.tree.leaves(own.recorder)]


def assert_same(a: EnvState, b: EnvState, envs: object = slice(None)) -> None:
    for x, y in zip(per_env(a, envs), per_env(b, envs), strict=True):
        np.testing.assert_array_equal(x, y)


def last_step(state: EnvState) -> tuple[jax.Array, jax.Array, jax.Array]:
    """qpos, qvel and the controls of the latest control step, as the recorder has them."""
    tape, row = state.recorder.tape, state.recorder.cursor - 1
    return tape.qpos[row], tape.qvel[row], tape.ctrl[row]


class TestEpisodes:
    def test_the_same_key_gives_the_same_trajectory_to_the_last_bit(self, random):
        runs = [random.run(3, actions(12)) for _ in range(2)]
        for a, b in zip(*runs, strict=True):
            assert_same(a, b)
        other = random.run(4, actions(12))[-1]
        assert not np.isclose(other.physics.qpos, runs[0][-1].physics.qpos).all(axis=1).any()

    def test_what_ended_starts_anew_and_the_others_do_not_notice(self, random):
        calm = actions(8)
        stopping = calm.copy()
        stopping[4, 3, 0] = 2 * STOP
        kept, ended = random.run(0, calm), random.run(0, stopping)
        assert ended[5].terminated.tolist() == [i == 3 for i in range(NUM_ENVS)]
        others = np.arange(NUM_ENVS) != 3
        for a, b in zip(kept, ended, strict=True):
            assert_same(a, b, others)
        before, after = ended[4], ended[5]
        fresh = [
            after.physics.qpos,
            after.physics.qvel,
            *after.physics.fields.values(),
            *after.episode.values(),
            after.push_left,
            after.command,
        ]
        stale = [
            before.physics.qpos,
            before.physics.qvel,
            *before.physics.fields.values(),
            *before.episode.values(),
            before.push_left,
            before.command,
        ]
        for new, old in zip(fresh, stale, strict=True):
            assert not np.array_equal(new[3], old[3])
        # and with no past
        assert after.time[3] == 0
        assert after.memory["age"][3] == 0
        np.testing.assert_array_equal(after.last_action[3], 0)
        np.testing.assert_array_equal(after.targets[3], np.tile(ROBOT.default_pose, (after.targets.shape[1], 1)).astype("f4"))
        np.testing.assert_array_equal(after.frames[3, 0], after.frames[3, 1])
        np.testing.assert_array_equal(after.sensed[3], np.tile(after.sensed[3, 0], (after.sensed.shape[1], 1)))

    def test_every_start_is_drawn_within_its_bounds(self, random):
        layout, task, model = random.env.layout, RANDOM, random.env.physics.model
        everyone = np.full((1, NUM_ENVS, 2), 2 * STOP)
        first, second = random.run(1, everyone)
        for state in (first, second):
            fields, qpos, qvel = state.physics.fields, np.asarray(state.physics.qpos), np.asarray(state.physics.qvel)
            scale = fields["body_mass"][:, 1:] / model.body_mass[1:]
            assert ((scale > 0.8 - 1e-5) & (scale < 1.2 + 1e-5)).all()
            assert (np.abs(joint_offset(fields["actuator_biasprm"])) <= 0.05 + 1e-6).all()
            feet = [model.geom(foot).id for foot in ROBOT.feet]
            assert ((fields["geom_friction"][:, feet, 0] > 0.4) & (fields["geom_friction"][:, feet, 0] < 1.2)).all()
            delay = state.episode["action_delay"] * DT
            assert ((delay >= 0.005 - 1e-6) & (delay <= 0.02 + 1e-6)).all()
            assert (np.abs(state.episode["angular_velocity_bias"]) <= 0.05).all()
            assert (np.abs(state.episode["orientation_bias"]) <= 0.02).all()
            assert ((state.push_left > 0.1) & (state.push_left < 0.3)).all()
            spread = task.initial_state
            assert (np.abs(qpos[:, layout.qpos_index] - ROBOT.default_pose) <= spread.joint_position + 1e-6).all()
            assert (np.abs(qvel[:, layout.qvel_index]) <= spread.joint_velocity).all()
            assert (np.abs(qvel[:, :3]) <= spread.linear_velocity).all()
            assert (np.abs(qvel[:, 3:6]) <= spread.angular_velocity).all()
            np.testing.assert_allclose(qpos[:, :3], np.tile([0, 0, ROBOT.standing_height], (NUM_ENVS, 1)), atol=1e-6)
            up = 1 - 2 * (qpos[:, 4] ** 2 + qpos[:, 5] ** 2)
            assert (np.arccos(np.clip(up, -1, 1)) <= 2**0.5 * spread.tilt + 1e-3).all()
            assert np.ptp(np.arctan2(qpos[:, 6], qpos[:, 3])) > 0.5, "headings should differ"
            assert len(np.unique(np.asarray(fields["body_mass"])[:, 1])) == NUM_ENVS

    def test_an_episode_is_truncated_when_its_time_is_up_and_not_before(self, plain):
        states = plain.run(0, actions(11))
        assert [bool(s.truncated.all()) for s in states] == [i == 10 for i in range(12)]  # 0.2 s of 0.02 s
        assert not any(s.terminated.any() for s in states)
        np.testing.assert_allclose([s.time[0] for s in states[8:]], [0.16, 0.18, 0.0, 0.02], atol=1e-6)

    def test_a_failure_at_the_end_of_the_time_is_a_failure(self, plain):
        last = actions(10)
        last[9, 2, 0] = 2 * STOP
        state = plain.run(0, last)[-1]
        assert state.terminated.tolist() == [i == 2 for i in range(NUM_ENVS)]
        assert state.truncated.tolist() == [i != 2 for i in range(NUM_ENVS)]

    def test_the_last_critic_observation_is_of_where_the_episode_ended(self, random):
        stopping = actions(3)
        stopping[2, 3, 0] = 2 * STOP
        states = random.run(0, stopping)
        before, after = states[2:]
        qpos, qvel, ctrl = last_step(after)
        ended = random.env.physics.step(before.physics.replace(qpos=qpos, qvel=qvel), ctrl, SUBSTEPS)
        nq = ended.qpos.shape[1]
        np.testing.assert_array_equal(after.last_critic_observation[:, :nq], ended.qpos)
        np.testing.assert_array_equal(after.observation["critic"][:, :nq], after.physics.qpos)
        assert after.last_critic_observation[3, -1] == pytest.approx(3 * DT)  # the age at the end
        assert after.observation["critic"][3, -1] == 0
        others = np.arange(NUM_ENVS) != 3
        np.testing.assert_array_equal(after.last_critic_observation[others], after.observation["critic"][others])

    def test_the_first_critic_observation_stands_for_a_last_one(self, plain):
        state = plain.reset(jax.random.key(0))
        np.testing.assert_array_equal(state.last_critic_observation, state.observation["critic"])


class TestRewards:
    def test_rewards_are_per_second_and_keep_a_minimum(self, plain):
        act = np.zeros((1, NUM_ENVS, 2))
        act[0, :, 1] = [0.0, 0.1, 0.2, 0.5, 1.0, 0.3]
        before, after = plain.run(0, act)
        command, effort = np.asarray(before.command)[:, 0], act[0, :, 1] ** 2
        expected = np.maximum(2 + command - 100 * effort, -5.0) * DT
        assert (expected == -5.0 * DT).any()
        np.testing.assert_allclose(after.reward, expected, rtol=1e-5)
        np.testing.assert_allclose(after.metrics["reward/effort"], -100 * effort, rtol=1e-5)

    def test_a_failure_costs_once_beyond_the_minimum(self, plain):
        act = np.zeros((1, NUM_ENVS, 2))
        act[0, 1] = (2 * STOP, 1.0)
        state = plain.run(0, act)[-1]
        assert state.reward[1] == pytest.approx(-5.0 * DT - 3.0)
        assert (state.reward[2:] > 0).all()
        assert state.metrics["failed/stopped"].tolist() == [0, 1, 0, 0, 0, 0]


class TestCommands:
    def test_a_command_holds_for_its_time(self, plain):
        states = plain.run(0, actions(9))
        commands = np.array([s.command[:, 0] for s in states])
        changed = (np.diff(commands, axis=0) != 0).all(axis=1)
        assert changed.tolist() == [False, False, True] * 3  # each 0.05 s, in steps of 0.02 s
        times = np.array([s.command_time for s in states])
        np.testing.assert_allclose(times, np.tile([[0.0], [0.02], [0.04]], (4, NUM_ENVS))[:10], atol=1e-6)
        for state in states:
            np.testing.assert_array_equal(policy_terms(state.observation["policy"])["command"], state.command)

    def test_a_step_is_rewarded_by_the_command_that_the_policy_saw(self, plain):
        states = plain.run(0, actions(4))
        for before, after in itertools.pairwise(states):
            np.testing.assert_array_equal(after.metrics["reward/command"], before.command[:, 0])


class TestPushes:
    def test_a_push_comes_at_its_interval_and_changes_base_velocity_alone(self, plain):
        states = plain.run(0, actions(9))
        pushed = []
        for before, after in itertools.pairwise(states):
            qpos, qvel, _ = last_step(after)
            np.testing.assert_array_equal(qpos, before.physics.qpos)
            kick = np.asarray(qvel - before.physics.qvel)
            np.testing.assert_array_equal(kick[:, [2, 3, 4, 6, 7]], 0)
            assert (np.abs(kick) <= [0.5001, 0.5001, 0, 0, 0, 0.3001, 0, 0]).all()
            pushed.append((kick[:, [0, 1, 5]] != 0).all())
        assert pushed == [False, False, True] * 3

    def test_the_robot_moves_on_from_the_pushed_velocity(self, plain):
        states = plain.run(0, actions(3))
        _, qvel, _ = last_step(states[3])
        displacement = states[3].physics.qpos[:, :2] - states[2].physics.qpos[:, :2]
        kick = qvel[:, :2] - states[2].physics.qvel[:, :2]
        unpushed = plain.env.physics.step(states[2].physics, last_step(states[3])[2], SUBSTEPS)
        gained = displacement - (unpushed.qpos[:, :2] - states[2].physics.qpos[:, :2])
        np.testing.assert_allclose(gained, kick * DT, rtol=0.5, atol=2e-3)
        assert np.abs(gained).max() > 3e-3


class TestLatency:
    def test_readings_are_as_old_as_the_latency_and_lie_between_steps(self, plain):
        delays = [0.0, 1.0, 2.0, 0.5, 1.25, 2.5]
        state = with_delays(plain.reset(jax.random.key(0)), observation_delay=delays)
        layout = plain.env.layout
        history = {"joint_position": [state.physics.qpos[:, layout.qpos_index] - np.array(ROBOT.default_pose, "f4")]}
        history["joint_velocity"] = [state.physics.qvel[:, layout.qvel_index]]
        for action in actions(6):
            state = plain.step(state, jnp.asarray(action, jnp.float32))
            history["joint_position"].append(state.physics.qpos[:, layout.qpos_index] - np.array(ROBOT.default_pose, "f4"))
            history["joint_velocity"].append(state.physics.qvel[:, layout.qvel_index])
        seen = policy_terms(state.observation["policy"])
        for name, readings in history.items():
            newest_first = np.array(readings[::-1])
            for env, delay in enumerate(delays):
                expected = [np.interp(delay, np.arange(7), newest_first[:, env, joint]) for joint in range(2)]
                np.testing.assert_allclose(seen[name][env], expected, atol=2e-6, err_msg=f"{name}, {delay} steps late")
                if delay == int(delay):
                    np.testing.assert_allclose(seen[name][env], newest_first[int(delay), env], atol=1e-6)
        assert np.ptp(history["joint_velocity"], axis=0).min() > 0.05, "or a late reading would look like a new one"

    def test_at_the_start_of_an_episode_readings_are_of_the_start(self, plain):
        state = with_delays(plain.reset(jax.random.key(0)), observation_delay=[2.0] * NUM_ENVS)
        start = state.physics.qvel[:, plain.env.layout.qvel_index]
        state = plain.step(state, jnp.zeros((NUM_ENVS, 2)))
        np.testing.assert_array_equal(policy_terms(state.observation["policy"])["joint_velocity"], start)

    def test_motors_get_a_target_when_its_latency_has_passed(self, plain):
        substeps_late = [0.0, 1.0, 2.0, 4.0, 6.0, 0.5]
        state = with_delays(plain.reset(jax.random.key(0)), action_delay=[s / SUBSTEPS for s in substeps_late])
        sent = [np.tile(ROBOT.default_pose, (NUM_ENVS, 1))]
        for action in actions(3):
            state = plain.step(state, jnp.asarray(action, jnp.float32))
            sent.append(ROBOT.default_pose + np.array(ROBOT.action_scale) * action)
        *_, older, old, new = sent
        got = np.asarray(last_step(state)[2])
        expected = {
            0: [new, new, new, new],
            1: [old, new, new, new],
            2: [old, old, new, new],
            3: [old, old, old, old],
            4: [older, older, old, old],
            5: [(old + new) / 2, new, new, new],
        }
        for env, targets in expected.items():
            np.testing.assert_allclose(got[env], [t[env] for t in targets], atol=1e-5, err_msg=f"{substeps_late[env]} late")

    def test_what_the_recorder_has_is_what_the_engine_got(self, plain):
        state = with_delays(plain.reset(jax.random.key(0)), action_delay=[0.3] * NUM_ENVS)
        for action in actions(3):
            before, state = state, plain.step(state, jnp.asarray(action, jnp.float32))
        qpos, qvel, ctrl = last_step(state)
        stepped = plain.env.physics.step(before.physics.replace(qpos=qpos, qvel=qvel), ctrl, SUBSTEPS)
        np.testing.assert_array_equal(state.physics.qpos, stepped.qpos)


class TestActions:
    def test_an_action_is_a_joint_target_around_the_default_pose_within_the_limits(self, plain):
        target = plain.env.joint_target(jnp.array([[0.0, 0.0], [1.0, -1.0], [8.0, -8.0]]), jnp.ones((3, 2)))
        # the right joint has no limits; the left one stops at -1 rad
        np.testing.assert_allclose(target, [[0.1, -0.2], [0.6, -0.45], [4.1, -1.0]], rtol=1e-6)

    def test_an_action_beyond_its_limit_or_not_a_number_is_not_obeyed(self, plain):
        limit = PLAIN.action_limit
        wild = np.array([[[np.nan, 0.3], [0, np.inf], [0, -np.inf], [0, 50], [0, -50], [0, 0]]])
        tame = np.array([[[0, 0.3], [0, limit], [0, -limit], [0, limit], [0, -limit], [0, 0]]])
        assert_same(plain.run(0, wild)[-1], plain.run(0, tame)[-1])

    def test_actions_of_another_shape_are_refused(self, plain):
        with pytest.raises(ValueError, match=r"action has shape \(6, 3\), expected \(6, 2\)"):
            plain.env.step(plain.reset(jax.random.key(0)), jnp.zeros((NUM_ENVS, 3)))


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation vector from unit quaternion a to b, in the frame of a."""
    out, conjugate, angles = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(conjugate, a)
    mujoco.mju_mulQuat(out, conjugate, b)
    mujoco.mju_quat2Vel(angles, out, 1.0)
    return angles


class TestSensing:
    def test_without_noise_the_policy_sees_what_the_models_sensors_read(self, plain):
        # after a reset, sensors describe the state itself
        state = plain.reset(jax.random.key(0))
        sensors, readings = plain.env.layout.sensors, np.asarray(state.physics.sensordata)
        seen = policy_terms(state.observation["policy"])
        np.testing.assert_allclose(seen["angular_velocity"], readings[:, sensors["imu_gyro"]], atol=1e-5)
        for mine, theirs in zip(np.asarray(seen["imu_quaternion"], float), readings[:, sensors["imu_quat"]], strict=True):
            np.testing.assert_allclose(rotation_between(mine, theirs.astype(float)), 0, atol=2e-6)

    def test_noise_and_bias_stay_within_their_widths_and_fill_them(self, random):
        noise, layout = RANDOM.randomization.noise, random.env.layout
        errors: dict[str, list[np.ndarray]] = {"position": [], "velocity": [], "gyro": [], "orientation": []}
        for seed in range(15):
            state = random.reset(jax.random.key(seed))
            seen = policy_terms(state.observation["policy"])
            qpos, readings = state.physics.qpos, np.asarray(state.physics.sensordata)
            offset = joint_offset(state.physics.fields["actuator_biasprm"])
            true = qpos[:, layout.qpos_index] + offset - np.array(ROBOT.default_pose, "f4")
            errors["position"].append(np.asarray(seen["joint_position"] - true) / noise.joint_position)
            velocity = seen["joint_velocity"] - state.physics.qvel[:, layout.qvel_index]
            errors["velocity"].append(np.asarray(velocity) / noise.joint_velocity)
            gyro = seen["angular_velocity"] - readings[:, layout.sensors["imu_gyro"]] - state.episode["angular_velocity_bias"]
            errors["gyro"].append(np.asarray(gyro) / noise.angular_velocity)
            quats = readings[:, layout.sensors["imu_quat"]].astype(float), np.asarray(seen["imu_quaternion"], float)
            turn = np.array([rotation_between(true, noisy) for true, noisy in zip(*quats, strict=True)])
            errors["orientation"].append((turn - state.episode["orientation_bias"]) / noise.orientation)
        for name, error in errors.items():
            all_errors = np.concatenate(error).ravel()
            assert np.abs(all_errors).max() < 1.02, name
            assert all_errors.max() > 0.9, name
            assert all_errors.min() < -0.9, name
            assert abs(all_errors.mean()) < 0.2, name

    def test_a_badly_zeroed_encoder_deceives_policy_and_controller_alike(self, random):
        state = random.reset(jax.random.key(0))
        seen = policy_terms(state.observation["policy"])["joint_position"] + np.array(ROBOT.default_pose, "f4")
        true = state.physics.qpos[:, random.env.layout.qpos_index]
        bias = np.asarray(state.physics.fields["actuator_biasprm"])
        # at a target where the controller believes itself, it exerts no torque
        believed = -(bias[:, :, 0] + bias[:, :, 1] * true) / state.physics.fields["actuator_gainprm"][:, :, 0]
        np.testing.assert_allclose(seen, believed, atol=RANDOM.randomization.noise.joint_position + 1e-4)
        assert np.abs(believed - true).max() > 0.02

    def test_the_policy_sees_nothing_that_no_driver_can_supply(self, random):
        # In the air, where neither place nor speed nor the ground changes what joints and IMU feel.
        state = random.reset(jax.random.key(0))
        here = state.physics.replace(qpos=state.physics.qpos.at[:, 2].add(5.0))
        there = here.replace(
            qpos=here.qpos.at[:, :3].add(jnp.array([3.0, -2.0, 0.5])),
            qvel=here.qvel.at[:, :3].add(1.0),
            sensordata=here.sensordata + 7.0,
            fields={**here.fields, "geom_friction": 2.0 * here.fields["geom_friction"]},
        )
        still = jnp.zeros((NUM_ENVS, 2))
        seen, seen_there = (random.step(state.replace(physics=physics), still).observation for physics in (here, there))
        np.testing.assert_allclose(seen["policy"], seen_there["policy"], atol=2e-5)
        assert (np.abs(seen["critic"] - seen_there["critic"]) > 0.1).any(axis=1).all()


class TestDivergence:
    @pytest.mark.parametrize("velocity", [np.nan, 1e5])
    def test_what_explodes_ends_as_failed_unrewarded_and_alone(self, plain, velocity):
        states = plain.run(0, actions(3))
        healthy = plain.step(states[-1], jnp.zeros((NUM_ENVS, 2)))
        broken = states[-1].replace(physics=states[-1].physics.replace(qvel=states[-1].physics.qvel.at[2, 2].set(velocity)))
        after = plain.step(broken, jnp.zeros((NUM_ENVS, 2)))
        assert after.terminated.tolist() == [i == 2 for i in range(NUM_ENVS)]
        assert after.metrics["failed/diverged"].tolist() == [i == 2 for i in range(NUM_ENVS)]
        assert after.metrics["failed/stopped"].sum() == 0
        assert after.reward[2] == pytest.approx(-PLAIN.termination_cost)
        assert after.time[2] == 0
        learned_from = (after.observation, after.last_critic_observation, after.reward, after.metrics, after.physics.qpos)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(learned_from))
        assert np.abs(after.last_critic_observation).max() <= 100
        for a, b in zip(jax.tree.leaves(after.observation), jax.tree.leaves(healthy.observation), strict=True):
            np.testing.assert_array_equal(np.delete(a, 2, axis=0), np.delete(b, 2, axis=0))

    def test_the_last_moments_of_each_that_explodes_are_kept(self, plain):
        states = plain.run(0, actions(5))
        assert not len(states[-1].recorder.diverged)
        state = states[-1]
        state = state.replace(physics=state.physics.replace(qvel=state.physics.qvel.at[2, 1].set(1e9)))
        after = plain.step(state, jnp.zeros((NUM_ENVS, 2)))
        assert after.recorder.diverged.tolist() == [2]
        kept = after.recorder.recording(2)
        np.testing.assert_array_equal(kept.qpos, [s.physics.qpos[2] for s in states])
        np.testing.assert_array_equal(kept.episode_step, [0, 1, 2, 3, 4, 5])
        assert kept.qvel[-1, 1] > 9e8
        # what the robot does afterwards, and another one that explodes, don't overwrite it
        later = plain.step(after, jnp.zeros((NUM_ENVS, 2)))
        state = later.replace(physics=later.physics.replace(qvel=later.physics.qvel.at[4, 1].set(1e9)))
        later = plain.step(state, jnp.zeros((NUM_ENVS, 2)))
        assert later.terminated[4]
        assert later.recorder.diverged.tolist() == [2, 4]
        np.testing.assert_array_equal(later.recorder.recording(2).qpos, kept.qpos)
