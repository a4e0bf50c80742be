"""An exported policy in use, and files that are not what they should be."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from sim2real.deploy.onnx_pilot import OnnxPilot
from sim2real.export.describe import describe
from sim2real.export.export import export
from sim2real.export.policy import Policy, PolicyError, readings
from sim2real.export.spec import METADATA_KEY
from sim2real.robot_io import RobotState
from tests.sim2real.export.exportable import made_run

N = 2
INPUTS = {
    "joint_position": np.array([0.1, -0.2]),
    "joint_velocity": np.array([0.5, 0.0]),
    "imu_quaternion": np.array([1.0, 0.0, 0.0, 0.0]),
    "angular_velocity": np.array([0.0, 0.1, 0.0]),
    "command": np.array([0.7]),
}


@pytest.fixture(scope="module")
def policy(exported) -> Policy:
    return Policy.load(exported)


@pytest.fixture(scope="module")
def heading(tmp_path_factory) -> Policy:
    """One whose command is a unit vector."""
    folder = tmp_path_factory.mktemp("heading")
    export(made_run(folder / "run", "heading"), folder / "policy.onnx", observations=100)
    return Policy.load(folder / "policy.onnx")


def test_history_goes_on_from_step_to_step(policy):
    """A policy with a past answers otherwise than one without, and both the same again."""
    first = policy.step(INPUTS, policy.begin())
    second = policy.step(INPUTS, first.history)
    assert first.target.shape == (N,)
    assert not np.array_equal(first.target, second.target)
    np.testing.assert_array_equal(policy.step(INPUTS, policy.begin()).target, first.target)
    np.testing.assert_array_equal(policy.step(INPUTS, first.history).target, second.target)
    np.testing.assert_array_equal(second.history["frames"][:-1], first.history["frames"][1:])


def test_a_robots_state_is_what_a_policy_reads(policy):
    state = RobotState(
        stamp_ns=1,
        sequence=1,
        position=INPUTS["joint_position"],
        velocity=INPUTS["joint_velocity"],
        torque=np.zeros(N),
        temperature=np.full(N, np.nan),
        quaternion=INPUTS["imu_quaternion"],
        angular_velocity=INPUTS["angular_velocity"],
        acceleration=np.zeros(3),
    )
    found = policy.step(readings(state, INPUTS["command"]), policy.begin())
    np.testing.assert_array_equal(found.target, policy.step(INPUTS, policy.begin()).target)


@given(st.sampled_from(sorted(INPUTS)), st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_a_reading_that_is_no_number_is_refused_by_name(policy, name, value, data):
    reading = INPUTS[name].copy()
    reading[data.draw(st.integers(0, len(reading) - 1))] = value
    with pytest.raises(PolicyError, match=f"'{name}' is .* expected finite numbers"):
        policy.step(INPUTS | {name: reading}, policy.begin())


def test_inputs_are_checked_by_name_and_shape(policy):
    with pytest.raises(PolicyError, match=r"reads 'command' \(speed \(m/s\)\), and was given joint_position"):
        policy.step({k: v for k, v in INPUTS.items() if k != "command"}, policy.begin())
    with pytest.raises(PolicyError, match=r"'joint_velocity' has shape \(3,\), expected \(2,\)"):
        policy.step(INPUTS | {"joint_velocity": np.zeros(3)}, policy.begin())
    with pytest.raises(PolicyError, match="'last_action'"):
        policy.step(INPUTS, {})
    extra = policy.step(INPUTS | {"battery": np.zeros(1)}, policy.begin())
    np.testing.assert_array_equal(extra.target, policy.step(INPUTS, policy.begin()).target)


def test_a_policy_of_which_any_command_will_do_leaves_it_as_it_is(policy):
    assert policy.nearest_command(np.array([-3.0])).tolist() == [-3.0]


def test_a_policy_knows_the_nearest_command_of_the_kind_it_was_trained_for(heading):
    assert heading.spec.default_command == (1.0, 0.0)
    assert "sine -0.841 to 0.841 (0 by default); only such as go together: nearest_command" in describe(heading.spec)
    first = heading.step(INPUTS | {"command": np.array([0.6, 0.8])}, heading.begin())
    assert heading.nearest_command(np.array([3.0, 4.0])) == pytest.approx([0.6, 0.8])
    again = heading.step(INPUTS | {"command": np.array([0.6, 0.8])}, heading.begin())
    np.testing.assert_array_equal(first.target, again.target)  # that it was asked between changes nothing
    with pytest.raises(PolicyError, match=r"'command' is .* expected finite numbers"):
        heading.nearest_command(np.array([np.nan, 1.0]))
    with pytest.raises(PolicyError, match=r"'command' has shape \(1,\), expected \(2,\)"):
        heading.nearest_command(np.array([1.0]))


def test_what_a_policy_is_commanded_instead_of_what_it_was_asked_is_told(heading):
    commands = OnnxPilot(heading).commands
    assert commands.default.tolist() == [1.0, 0.0]
    asked = np.array([0.6, 0.0])
    (told,) = commands.changes(asked, commands.nearest(asked)).values()
    assert told == "the cosine is asked to be 0.6, which does not go with the other entries: 1 is commanded"


def test_a_file_of_before_commands_had_a_default_is_read(exported):
    def date_back(model):
        told = json.loads(model.metadata_props[0].value) | {"schema": 1}
        del told["default_command"]
        model.metadata_props[0].value = json.dumps(told)

    assert Policy(changed(exported, date_back)).spec == Policy.load(exported).spec


def test_an_action_that_is_no_number_gives_no_target(exported):
    """A network that breaks down where a joint is far off: 0 is added to its action, times a root that there is none of."""

    def break_down(model):
        nodes = model.graph.node
        action = next(node for node in nodes if list(node.output) == ["action"])
        found = action.input[0]
        nodes.remove(action)
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1000.0), "thousand"))
        model.graph.initializer.append(numpy_helper.from_array(np.float32(0.0), "zero"))
        nodes.append(helper.make_node("Add", ["joint_position", "thousand"], ["above"]))
        nodes.append(helper.make_node("Sqrt", ["above"], ["root"]))
        nodes.append(helper.make_node("Mul", ["root", "zero"], ["nothing"]))
        nodes.append(helper.make_node("Add", [found, "nothing"], ["action"]))

    policy = Policy(changed(exported, break_down))
    assert np.isfinite(policy.step(INPUTS, policy.begin()).target).all()
    broken = policy.step(INPUTS | {"joint_position": np.array([0.0, -2000.0])}, policy.begin())
    assert np.isnan(broken.action).tolist() == [False, True]
    assert np.isnan(broken.target).all()


def test_a_policy_acts_without_jax(exported, repository):
    code = (
        "import sys, pathlib, numpy as np; from sim2real.export.policy import Policy;"
        " policy = Policy.load(pathlib.Path(sys.argv[1]));"
        " inputs = {q.name: np.full(q.shape, 0.1) for q in policy.spec.inputs};"
        " print(policy.step(inputs, policy.begin()).target.shape, 'jax' in sys.modules)"
    )
    command = [sys.executable, "-c", code, exported]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=repository).stdout
    assert told.split() == ["(2,)", "False"]


# Files


def changed(exported: Path, change) -> bytes:
    model = onnx.load(exported)
    change(model)
    return model.SerializeToString()


def set_weight(model):
    """The largest array of numbers, one of them off."""
    tensor = max((t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT), key=lambda t: len(t.raw_data))
    array = numpy_helper.to_array(tensor).copy()
    array[0] += 0.1
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def set_opset(model):
    model.opset_import[0].version = 18


def rename_input(model):
    next(i for i in model.graph.input if i.name == "command").name = "comand"


def grow_input(model):
    next(i for i in model.graph.input if i.name == "command").type.tensor_type.shape.dim[0].dim_value = 2


def drop_output(model):
    del model.graph.output[0]


def add_loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["never"], body=body))


def move_weights_elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def strip(model):
    del model.metadata_props[:]


def other_operator(model):
    next(node for node in model.graph.node if node.op_type == "MatMul").op_type = "MatMull"


def other_spec(**changes):
    def change(model):
        told = json.loads(model.metadata_props[0].value) | changes
        model.metadata_props[0].value = json.dumps(told)

    return change


@pytest.mark.parametrize(
    "change, told",
    [
        (set_weight, "golden pair 0 does not hold"),
        (set_opset, "opset 17 or lower, found.*18"),
        (rename_input, "its input '(command|comand)' is"),
        (grow_input, r"its input 'command' is float of shape \(2,\), and its specification says float of shape \(1,\)"),
        (drop_output, "its output 'joint_target' is absent"),
        (add_loop, "found the operator Loop"),
        (move_weights_elsewhere, "all numbers in the file"),
        (strip, f"has no '{METADATA_KEY}' in its metadata"),
        (other_operator, "cannot be loaded by ONNX Runtime"),
        (other_spec(schema=3, novelty=1), "schema is 3, expected 2 or lower.*Export its run anew"),
        (other_spec(default_command=[0.0, 0.0]), "default_command: expected 1 numbers"),
        (other_spec(command=[], default_command=[]), "expected command of 0 entries"),
        (other_spec(rate=0.0), "rate: expected positive"),
        (other_spec(joints=["right", "right"]), "joints: expected 1 to 256 different names"),
        (other_spec(robot=7), "robot: expected a text, found 7"),
    ],
)
def test_a_file_that_was_changed_is_refused(exported, change, told):
    with pytest.raises(PolicyError, match=told):
        Policy(changed(exported, change))


def test_what_is_no_policy_is_told_so(tmp_path):
    (tmp_path / "policy.onnx").write_bytes(b"not a policy at all")
    with pytest.raises(PolicyError, match=r"policy\.onnx"):
        Policy.load(tmp_path / "policy.onnx")
    with pytest.raises(PolicyError, match="cannot read the policy"):
        Policy.load(tmp_path)


@settings(max_examples=40)
@given(st.data())
def test_a_file_that_was_cut_off_is_refused(exported, data):
    whole = exported.read_bytes()
    with pytest.raises(PolicyError):
        Policy(whole[: data.draw(st.integers(0, len(whole) - 1))])
