"""The Go2's protocol against programs that are not ours, each in a process of its own, on Cyclone DDS 0.10.2 as Unitree has it.

`far-unitree-sdk` is Unitree's C++ SDK, unitree_sdk2, with bindings. `unitree_dds_wrapper` is of one of Unitree's engineers; it
runs on the Cyclone DDS of Python 3.10 or older, so an interpreter that has both is named by ZEROGAP_UNITREE_PYTHON:

    python3.10 -m venv peer && peer/bin/pip install cyclonedds==0.10.2 unitree_dds_wrapper==2.0.9
    ZEROGAP_UNITREE_PYTHON=peer/bin/python make test PYTEST_ARGS="-k vendor"

Both are bound to domain 0, a robot's, and are kept on loopback.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from assets.robots.go2 import GO2
from sim2real.drivers.unitree.crc import is_intact
from sim2real.drivers.unitree.dds import Address, Network
from sim2real.drivers.unitree.layout import Layout
from sim2real.drivers.unitree.messages import COMMAND_TOPIC, LowCmd_
from sim2real.drivers.unitree.motion_switcher import MotionSwitcher
from tests.sim2real.go2_peer import Go2Peer, until

ADDRESS = Address("lo", 0)
MOTORS = [motor.index for motor in GO2.motors]
COMMANDS = Layout(LowCmd_)
PYTHON = os.environ.get("ZEROGAP_UNITREE_PYTHON")

needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("unitree_interface") is None,
    reason="far-unitree-sdk is not installed: it has wheels for Linux and Python up to 3.12",
)
needs_wrapper = pytest.mark.skipif(
    PYTHON is None, reason="ZEROGAP_UNITREE_PYTHON names no Python with unitree_dds_wrapper; the head of this file tells how"
)

# Each answers a word a line. Its own output goes to the errors.
SDK = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import unitree_interface as sdk
robot = sdk.UnitreeInterface("lo", sdk.GO2_GO2_CONFIG, dds_config=sys.argv[1])
for line in sys.stdin:
    order, *values = json.loads(line)
    told = None
    if order == "read":
        state = robot.read_low_state()
        told = {name: getattr(state.motor, name) for name in ("q", "dq", "tau_est", "temperature")}
        told |= {name: getattr(state.imu, name) for name in ("quat", "omega", "accel")}
    elif order == "write":
        command = robot.create_zero_command()
        command.q_target, command.dq_target, command.tau_ff, command.kp, command.kd = values
        robot.write_low_command(command)
    elif order == "answer for the modes":
        robot.enable_motion_switcher_responder()
    print(json.dumps(told), file=answers, flush=True)
"""
WRAPPER = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.environ["CYCLONEDDS_URI"] = sys.argv[1]
from unitree_dds_wrapper.robots import go2
from unitree_dds_wrapper.robots.go2.client.motion_switcher import MotionSwitcherClient
states, commands, modes = go2.sub.LowState(), go2.pub.LowCmd(), MotionSwitcherClient()
modes.timeout_s = 60.0
for line in sys.stdin:
    order, *values = json.loads(line)
    told = None
    if order == "read" and states.msg is not None:
        motors = states.msg.motor_state[:12]
        told = {name: [getattr(motor, name) for motor in motors] for name in ("q", "dq", "tau_est", "temperature")}
        imu = states.msg.imu_state
        told |= {"quat": imu.quaternion, "omega": imu.gyroscope, "accel": imu.accelerometer}
    elif order == "write":
        for i, motor in enumerate(commands.msg.motor_cmd):
            motor.mode = 1
            numbers = [of_all[i] for of_all in values] if i < 12 else [2.146e9, 16000.0, 0.0, 0.0, 0.0]
            motor.q, motor.dq, motor.tau, motor.kp, motor.kd = numbers
        commands.write()
    elif order == "mode":
        told = modes.check_mode()
    elif order == "release":
        told = modes.release_mode()
    print(json.dumps(told), file=answers, flush=True)
"""


class Vendor:
    """A program of theirs."""

    def __init__(self, python: str, program: str):
        # Their Cyclone takes a domain of "any" where ours is told which.
        configuration = ADDRESS.configuration().replace("<Domain>", '<Domain Id="any">')
        self.process = subprocess.Popen(
            [python, "-c", program, configuration], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, order: str, *values: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([order, *values]), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, "the vendor's program has ended"
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def peer() -> Iterator[Go2Peer]:
    with Go2Peer(str(ADDRESS)) as peer:
        yield peer


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(ADDRESS) as network:
        yield network


@pytest.fixture
def sdk() -> Iterator[Vendor]:
    vendor = Vendor(sys.executable, SDK)
    yield vendor
    vendor.close()


@pytest.fixture
def wrapper() -> Iterator[Vendor]:
    assert PYTHON is not None
    vendor = Vendor(PYTHON, WRAPPER)
    yield vendor
    vendor.close()


def numbers() -> dict[str, list[float]]:
    """Of the twelve motors in the robot's order, all within what the twin lets pass."""
    i = np.arange(12)
    pose = np.zeros(12)
    pose[MOTORS] = GO2.default_pose
    given = {"q": pose + 0.01 * i, "dq": 0.1 * i, "tau": -0.2 * i, "kp": 20.0 + i, "kd": 1.0 + 0.1 * i}
    return {name: values.tolist() for name, values in given.items()}


def assert_reads_what_the_robot_is(vendor: Vendor, peer: Go2Peer) -> None:
    def read() -> dict[str, Any] | None:
        told = vendor.ask("read")
        return told if told and any(told["quat"]) else None

    told, position = until(read), np.array(peer.ask()["position"])
    for name, values in (
        ("q", position),
        ("dq", 10 * position),
        ("tau_est", 20 * position),
        ("temperature", 30 + np.arange(12)),
    ):
        np.testing.assert_allclose(np.array(told[name])[MOTORS], values, atol=1e-5)
    np.testing.assert_allclose(told["quat"], [0.5, 0.1, -0.7, 0.5], atol=1e-6)
    np.testing.assert_allclose(told["omega"], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(told["accel"], [4.0, 5.0, 6.0])


@needs_sdk
def test_the_vendor_s_sdk_reads_what_our_robot_is(sdk, peer):
    assert_reads_what_the_robot_is(sdk, peer)


@needs_sdk
def test_a_command_of_the_vendor_s_sdk_is_intact_and_says_what_it_was_told(sdk, network):
    commands = network.subscribe(COMMAND_TOPIC, LowCmd_)
    sdk.ask("write", *numbers().values())

    def received() -> bytes | None:
        taken = [COMMANDS.from_cdr(cdr) for cdr in commands.take()]
        return next((struct for struct in taken if COMMANDS.record(struct)["motor_cmd"]["kp"][:12].all()), None)

    struct = until(received)
    assert is_intact(struct)
    motors = COMMANDS.record(struct)["motor_cmd"]
    for name, values in numbers().items():
        np.testing.assert_allclose(motors[name][:12], values, rtol=1e-6)


@needs_sdk
def test_the_vendor_s_program_counts_as_one_that_commands(sdk, network):
    others = network.others(COMMAND_TOPIC)
    assert until(others.count) == 1


@needs_sdk
def test_the_vendor_s_motion_switcher_understands_ours(sdk, network):
    """Its stand-in for a robot's, which has no mode that moves the robot."""
    sdk.ask("answer for the modes")
    switcher = MotionSwitcher(network)
    switcher.release()
    assert switcher.mode() == ""


@needs_wrapper
def test_the_vendor_s_wrapper_reads_our_robot_takes_command_of_it_and_is_obeyed(wrapper, peer):
    assert_reads_what_the_robot_is(wrapper, peer)
    assert wrapper.ask("mode")[1]["name"] == "normal"
    assert wrapper.ask("release") == 0
    assert wrapper.ask("mode")[1]["name"] == ""

    def obeyed() -> dict[str, Any] | None:
        wrapper.ask("write", *numbers().values())
        answer = peer.ask()
        return answer if answer["gains"] and answer["gains"][0][0] != 60.0 else None

    answer, sent = until(obeyed), numbers()
    stiffness, damping, torque = np.array(answer["gains"])
    for found, name in ((stiffness, "kp"), (damping, "kd"), (torque, "tau"), (np.array(answer["target"]), "q")):
        np.testing.assert_allclose(found, np.array(sent[name])[MOTORS], rtol=1e-6, atol=1e-6)
