"""A policy, or a motion, on a robot from beginning to end: `deploy`, what `zerogap deploy` calls.

    pilot = OnnxPilot(Policy.load(path))
    told = deploy(pilot, make_driver("twin", {}), Constant((0.5, 0, 0), pilot.commands.names), Path("walk.mcap"))

Nothing is sent to the robot before everything else is known to work: the policy suits the robot and is quick enough, the log
can be written, the robot answers and is well.
"""

import importlib.metadata
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from assets.robots.robot import Robot
from envs.safety import Limits
from rl.stop import PatientStop, Stop
from sim2real.deploy.dry import ListenOnly
from sim2real.deploy.guarded import Guard
from sim2real.deploy.header import Header
from sim2real.deploy.loop import DeployError, Runtime
from sim2real.deploy.machine import Timetable
from sim2real.deploy.pacing import Pacer
from sim2real.deploy.pilot import Pilot
from sim2real.deploy.recorder import Recorder
from sim2real.deploy.screen import Screen
from sim2real.deploy.sources import CommandSource
from sim2real.drivers.driver import Driver
from sim2real.realtime import realtime
from sim2real.robot_io import RobotState

_TRIALS = 50
_SHARE = 0.5  # of a cycle, that a decision may take

Say = Callable[[str], None]


def deploy(
    pilot: Pilot,
    driver: Driver,
    source: CommandSource,
    log: Path,
    timetable: Timetable | None = None,
    dry_run: bool = False,
    provenance: dict[str, Any] | None = None,
    say: Say = print,
    show: Say = lambda _: None,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the pilot until it has ended, or the timetable, Ctrl-C, whoever commands or the safety filter ends it.

    Returns what was measured. `say` is told events and warnings, `show` a line of figures a few times a second, and `report`
    what was measured as soon as the robot was let down, where an error ends it too. Raises DeployError, RecorderError, and
    what driver and source raise; the robot is damped first.
    """
    timetable = timetable or Timetable()
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        stack.enter_context(closing(source))
        stack.enter_context(closing(driver))
        driver.connect()
        _check_driver(driver)
        used: Driver = ListenOnly(driver) if dry_run else driver
        _check_joints(pilot, driver)
        period = cycle_period(pilot.rate, driver.rate)
        warnings, limits = _check_gains(pilot, driver), Limits.of(driver.robot)
        _check_steps(pilot, limits, period)
        _check_state(driver)
        _check_speed(pilot, driver, period)
        header = _header(pilot, driver, period, limits, (provenance or {}) | {"dry_run": dry_run})
        recorder = stack.enter_context(Recorder(log, header.to_json()))
        runtime = Runtime(used, pilot, source, recorder, Guard(limits, period), timetable, Pacer(period))
        try:
            with Screen(lambda: runtime.snapshot, show, say), realtime() as not_permitted:
                warnings += not_permitted
                for text in warnings:
                    say(f"warning: {text}")
                    recorder.event("warning", "start", text, time.monotonic_ns())
                # From here on only DAMP ends it: a robot is let down by no dead terminal, and not in half of a cycle.
                with PatientStop() as patient:
                    patient.requested = stop.requested
                    runtime.run(patient)
        finally:
            recorder.close()
            warnings += runtime.warnings
            if recorder.problem is not None:
                say(f"warning: {recorder.problem}")
                warnings.append(recorder.problem)
            told = _told(runtime, period, log, dry_run, warnings)
            if runtime.machine.cause is not None:
                report(told)
        return told


def cycle_period(policy_rate: float, driver_rate: float) -> float:
    """Of input and output (s): the policy's by the largest whole number with which it is no shorter than the driver's."""
    times = int(driver_rate / policy_rate * (1.0 + 1e-6))
    if times < 1:
        raise DeployError(
            f"the policy decides {policy_rate:g} times a second and the driver takes {driver_rate:g} commands a second:"
            " expected a driver at least as fast. A motion is made slower by `zerogap excite --rate`"
        )
    return 1.0 / (policy_rate * times)


def _check_driver(driver: Driver) -> None:
    """Raise DeployError where a driver, which may be anybody's, does not say what it drives."""
    robot, rate = getattr(driver, "robot", None), getattr(driver, "rate", None)
    if not isinstance(robot, Robot) or not isinstance(rate, int | float) or not rate > 0:
        raise DeployError(
            f"the driver {type(driver).__name__} has the robot {robot!r:.60} and the rate {rate!r:.60}: expected, once it is"
            " connected, a Robot and a number above zero (Hz)"
        )


def _check_joints(pilot: Pilot, driver: Driver) -> None:
    robot = driver.robot
    if pilot.joints != robot.joints:
        raise DeployError(
            f"the policy's joints are {', '.join(pilot.joints)}, and the driver's robot {robot.name!r} has"
            f" {', '.join(robot.joints)}: expected the same, in the same order. Was the policy trained for another robot, or"
            " the motion made for one?"
        )


def _check_state(driver: Driver) -> None:
    """Raise DeployError where a driver's states are not of the robot that it says it drives."""
    state, joints = driver.read(), (driver.robot.num_joints,)
    shapes = dict.fromkeys(("position", "velocity", "torque", "temperature"), joints)
    for name, shape in (shapes | {"quaternion": (4,), "angular_velocity": (3,), "acceleration": (3,)}).items():
        if (found := np.shape(getattr(state, name))) != shape:
            raise DeployError(f"the driver {type(driver).__name__} gives a {name} of shape {found}, expected {shape}")


def _check_gains(pilot: Pilot, driver: Driver) -> list[str]:
    """Warnings of gains that the safety filter would reduce."""
    robot, warnings = driver.robot, []
    for name in ("stiffness", "damping"):
        most = robot.safety.gain * np.array(getattr(robot, name))
        above = [joint for joint, value, limit in zip(robot.joints, getattr(pilot, name), most, strict=True) if value > limit]
        if above:
            warnings.append(f"the policy's {name} of {', '.join(above)} is above the robot's limit, and is reduced to it")
    return warnings


def _check_steps(pilot: Pilot, limits: Limits, period: float) -> None:
    """Raise DeployError where the safety filter would not let a pilot's steps out as they are."""
    if pilot.largest_steps is None:
        return
    allowed = limits.target_speed * period
    beyond = np.flatnonzero(pilot.largest_steps > allowed)
    if len(beyond):
        joint, rate = int(beyond[0]), 1.0 / period
        raise DeployError(
            f"the motion's targets of {limits.joints[joint]} go {pilot.largest_steps[joint]:.3g} rad at once, at"
            f" {pilot.rate:g} Hz, and at {rate:g} commands a second the safety filter lets {allowed[joint]:.3g} rad through:"
            f" make it with `zerogap excite --rate {rate:g}`, or with less --amplitude"
        )


def _check_speed(pilot: Pilot, driver: Driver, period: float) -> None:
    """Raise DeployError where decisions take too much of a cycle, and what the pilot raises where it reads what the robot does
    not measure."""
    command, state, has_imu = pilot.commands.default, driver.read(), driver.robot.imu_site is not None
    still = RobotState(
        stamp_ns=state.stamp_ns,
        sequence=state.sequence,
        position=pilot.default_pose,
        velocity=np.zeros(len(pilot.joints)),
        torque=state.torque,
        temperature=state.temperature,
        quaternion=np.array([1.0, 0.0, 0.0, 0.0]) if has_imu else np.full(4, np.nan),
        angular_velocity=np.zeros(3) if has_imu else np.full(3, np.nan),
        acceleration=state.acceleration,
    )
    spent = []
    pilot.restart()
    for _ in range(_TRIALS):
        begin = time.perf_counter()
        pilot.decide(still, command)
        spent.append(time.perf_counter() - begin)
    typical = float(np.median(spent))
    if typical > _SHARE * period:
        raise DeployError(
            f"a decision of the policy takes {1e3 * typical:.2f} ms on this machine, and a cycle is {1e3 * period:.2f} ms:"
            f" expected at most {_SHARE:.0%} of it. Use a smaller network, a faster machine or a slower driver"
        )


def _header(pilot: Pilot, driver: Driver, period: float, limits: Limits, provenance: dict[str, Any]) -> Header:
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "onnxruntime", "mcap")}
    return Header(
        robot=driver.robot.name,
        joints=pilot.joints,
        has_imu=driver.robot.imu_site is not None,
        command_names=pilot.commands.names,
        period=period,
        limits=limits,
        stiffness=tuple(pilot.stiffness.tolist()),
        damping=tuple(pilot.damping.tolist()),
        provenance={"driver": type(driver).__name__, "driver_rate": driver.rate, "versions": versions, **provenance},
    )


def _told(runtime: Runtime, period: float, log: Path, dry_run: bool, warnings: list[str]) -> dict[str, Any]:
    machine, timing = runtime.machine, runtime.timing
    told: dict[str, Any] = {
        "cause": machine.cause,
        "tripped": machine.has_failed,
        "dry_run": dry_run,
        "period_ms": 1e3 * period,
        "sent": runtime.sent,
        "withheld": runtime.withheld,
        "damped": runtime.damped,
        "received": runtime.received,
        "overtaken": runtime.overtaken,
        "decisions": runtime.decisions,
        "overruns": timing.overruns,
    }
    durations = {name: getattr(timing, name) for name in ("period_error", "latency", "inference")}
    told |= {f"{name}_p99_ms": value.percentile(99) for name, value in durations.items()}
    told |= {name: value.to_json() for name, value in durations.items()}
    return told | {"warnings": warnings, "log": str(log)}
