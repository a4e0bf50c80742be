"""The exported policy against the environment that it was trained in, and what is refused."""

import dataclasses

import jax
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import zerogap
from envs.registry import make_task
from rl.evaluate import load_policy
from sim2real.export.export import export
from sim2real.export.policy import Policy
from sim2real.export.program import ExportError, policy_program
from sim2real.export.record import Recording, largest_error, record
from sim2real.export.spec import TOLERANCE
from tests.envs.walker import ROBOT
from tests.sim2real.export.conftest import OBSERVATIONS
from tests.sim2real.export.exportable import HISTORY, SMALL, made_ppo, made_run, made_state


@pytest.fixture(scope="module")
def recording(student) -> Recording:
    """The same robots as the export's own check had: nothing is compiled anew."""
    ppo, state = load_policy(student, 50, "native")
    return record(ppo, jax.device_get(state.policy), OBSERVATIONS // 50)


def test_targets_are_those_that_the_environment_sent(exported, recording):
    assert recording.observations == OBSERVATIONS
    # Episodes end within it, actions come to their limit, and targets meet a joint's.
    assert recording.fresh[1:].any()
    assert 3.9 < np.abs(recording.action).max() <= 4.0
    assert (recording.target[..., 1] == -1.0).any()
    assert largest_error(Policy.load(exported), recording) < TOLERANCE


def test_what_is_worked_out_of_a_command_the_exported_policy_works_out_itself(tmp_path):
    """The robot's side gives the command alone; over more commands than one of each robot."""
    spec = export(made_run(tmp_path / "run", "referring"), tmp_path / "policy.onnx", observations=500)
    assert spec.check.observations == 500
    assert 0 < spec.check.largest_error < TOLERANCE
    assert [(term.name, term.reads) for term in spec.terms[-2:]] == [
        ("sine", ("command",)),
        ("way", ("joint_position", "command")),
    ]
    assert {quantity.name for quantity in spec.inputs} == {
        *("joint_position", "joint_velocity", "imu_quaternion", "angular_velocity", "command")
    }


@pytest.mark.parametrize("name", ["joint_position", "joint_velocity", "imu_quaternion", "angular_velocity", "command"])
def test_the_comparison_sees_a_reading_that_is_off(exported, recording, name):
    off = dataclasses.replace(recording, inputs=recording.inputs | {name: recording.inputs[name] + np.float32(0.02)})
    assert largest_error(Policy.load(exported), off) > 10 * TOLERANCE


def test_the_comparison_sees_a_history_that_does_not_begin_anew(exported, recording):
    off = dataclasses.replace(recording, fresh=recording.fresh & (np.arange(len(recording.fresh)) == 0)[:, None])
    assert largest_error(Policy.load(exported), off) > 10 * TOLERANCE


def test_what_was_recorded_are_the_readings_behind_the_policys_terms(recording):
    newest = recording.frames[..., -1, :]
    position = recording.inputs["joint_position"] - np.float32(ROBOT.default_pose)
    np.testing.assert_array_equal(newest[..., :2], position)
    np.testing.assert_array_equal(newest[..., 4:8], recording.inputs["imu_quaternion"])
    np.testing.assert_array_equal(newest[1:][..., 12:14][~recording.fresh[1:]], recording.followed[:-1][~recording.fresh[1:]])


def test_an_independent_runtime_gives_the_golden_outputs(exported):
    """ONNX's own reference implementation, in NumPy."""
    spec = Policy.load(exported).spec
    shapes = {q.name: q.shape for q in (*spec.inputs, *spec.history)}
    reference = ReferenceEvaluator(onnx.load(exported))
    for pair in spec.golden:
        feeds = {name: np.float32(value).reshape(shapes[name]) for name, value in pair.inputs.items()}
        found = reference.run([q.name for q in spec.outputs], feeds)
        for q, value in zip(spec.outputs, found, strict=True):
            np.testing.assert_allclose(np.ravel(value), pair.outputs[q.name], rtol=1e-5, atol=1e-5)


def test_the_file_suits_old_runtimes(exported):
    model = onnx.load(exported)
    assert [(opset.domain, opset.version <= 17) for opset in model.opset_import] == [("", True)]
    assert model.ir_version <= 8
    onnx.checker.check_model(model, full_check=True)


def test_the_specification_is_the_tasks_and_the_runs(exported, student):
    spec, task = Policy.load(exported).spec, student.make_task()
    assert (spec.task, spec.run_hash, spec.update) == (student.task, student.hash, 7)
    assert (spec.robot, spec.joints, spec.default_pose) == ("walker", task.robot.joints, task.robot.default_pose)
    assert (spec.stiffness, spec.damping) == (task.robot.stiffness, task.robot.damping)
    assert (spec.effort_limits, spec.velocity_limits) == (task.robot.effort_limits, task.robot.velocity_limits)
    assert spec.action_scale == task.robot.action_scale
    assert spec.joint_ranges == (None, (-1.0, 1.0))
    assert (spec.rate, spec.action_limit, spec.frames) == (50.0, task.action_limit, HISTORY)
    assert (spec.action_latency.low, spec.action_latency.high) == pytest.approx((0.003, 0.021))
    assert (spec.observation_latency.low, spec.observation_latency.high) == pytest.approx((0.0, 0.022))
    assert [(term.name, term.scale, term.reads) for term in spec.terms[-2:]] == [
        ("last_action", 1.0, ("last_action",)),
        ("projected_gravity", 2.0, ("imu_quaternion",)),
    ]
    (speed,) = spec.command
    assert speed.name == "speed (m/s)"
    assert 0 <= speed.low < 0.01
    assert 0.99 < speed.high <= 1
    assert spec.default_command == (0.0,)
    assert spec.versions["jax"] == student.versions["jax"]
    assert spec.check.observations == OBSERVATIONS
    assert 0 < spec.check.largest_error < TOLERANCE


@pytest.mark.parametrize(
    "name, inputs, further",
    [
        ("go2-velocity-flat", ["joint_position", "joint_velocity", "imu_quaternion", "angular_velocity", "command"], []),
        ("so101-reach", ["joint_position", "joint_velocity", "command"], ["nearest_command"]),
    ],
)
def test_a_policy_asks_for_what_its_terms_read_and_gives_what_is_needed_and_no_more(name, inputs, further):
    ppo = made_ppo(make_task(name))
    program = policy_program(ppo, made_state(ppo).policy)
    assert [quantity.name for quantity in program.inputs] == inputs
    assert [quantity.name for quantity in program.history] == ["last_action"]
    outputs = ["joint_target", "action", "next_last_action", *further]
    assert [quantity.name for quantity in program.outputs] == list(program.values) == outputs


@pytest.mark.parametrize(
    "task, told",
    [
        ("without_imu", ["'imu_quaternion'", "reads imu_quaternion", "'walker'", "no IMU"]),
        ("without_motors", ["'walker'", "names no motors"]),
    ],
)
def test_a_robot_that_cannot_supply_what_the_policy_needs_is_refused(task, told, tmp_path):
    run = made_run(tmp_path / "run", task)
    with pytest.raises(ExportError) as refused:
        export(run, tmp_path / "policy.onnx")
    assert all(text in str(refused.value) for text in told)
    assert not (tmp_path / "policy.onnx").exists()


def test_a_teacher_is_refused_with_what_it_sees(tmp_path):
    run = made_run(tmp_path / "run", "walking", dataclasses.replace(SMALL, actor_observation="critic"))
    with pytest.raises(ExportError, match=r"'qvel'.*'foot_force'.*zerogap distill"):
        export(run, tmp_path / "policy.onnx")


def test_a_policy_that_gives_no_numbers_is_refused_and_nothing_is_written(student, tmp_path, monkeypatch, recording):
    broken = dataclasses.replace(recording, action=np.full_like(recording.action, np.nan))
    monkeypatch.setattr("sim2real.export.export.record", lambda *_: broken)
    with pytest.raises(ExportError, match="diverged"):
        export(student, tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_policy_that_is_not_exact_is_refused_and_nothing_is_written(student, tmp_path, monkeypatch, recording):
    """As if the environment had sent other targets than the policy's, in steps that no golden pair shows."""
    target = recording.target.copy()
    target[5, 3] += 0.01
    monkeypatch.setattr("sim2real.export.export.record", lambda *_: dataclasses.replace(recording, target=target))
    with pytest.raises(ExportError, match=r"differ from the environment's by 0\.01 rad"):
        export(student, tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_wrong(fails, tmp_path, student):
    fails(["export", str(tmp_path)], "no run.json")
    fails(["export", str(student.directory), "--out", str(tmp_path)], "is a directory")
    fails(["export", str(student.directory), "--check", "0"], "at least one")
    fails(["inspect", str(tmp_path / "policy.onnx")], "cannot read the policy", "zerogap export")


def test_a_policy_is_told_in_words(capsys, exported, tmp_path):
    assert zerogap.main(["inspect", str(exported), "--json", str(tmp_path / "policy.json")]) == 0
    told = capsys.readouterr().out
    for text in (
        "show what an environment does",
        "50 times a second",
        "latest 3 observations",
        "-1 to 1",
        "(0 by default)",
        "speed (m/s) ",
        "projected_gravity",
        "next_frames",
        "3 to 21 ms from target to motor",
    ):
        assert text in told
    assert (tmp_path / "policy.json").stat().st_size > 1000
