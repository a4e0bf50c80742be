"""Franka Emika's Panda from MuJoCo Menagerie: `panda()`, which fetches the model on its first use.

Stiffnesses (N m/rad) are those that Franka's example of joint impedance control sets (libfranka), speeds (rad/s) those of the
data sheet; torque limits (N m) are the model's. Gravity is compensated, as that controller does. Dampings (N m s/rad) are ours:
the example's, like the model's own gains, are too much for a scene's explicit time steps.
"""

from dataclasses import replace

import mujoco

from assets.robots.menagerie import menagerie_robot
from assets.robots.robot import Motor, Robot
from assets.robots.safety import SafetyLimits

# Franka's controller stops by itself at the data sheet's speeds; it tells no temperatures. At 1 kHz it gives up after 20 states
# that it gets no answer to.
_SAFETY = SafetyLimits(velocity=1.0, target_speed=1.0, range_margin=0.05, jump=0.05, stale_seconds=0.02)


def panda() -> Robot:
    """Seven joints; the fingers are passive. Raises RobotError where the model cannot be had."""
    robot = menagerie_robot(
        "franka_emika_panda",
        stiffness={"joint[1-4]": 600.0, "joint5": 250.0, "joint6": 150.0, "joint7": 50.0},
        damping={"joint[1-4]": 20.0, "joint5": 10.0, "joint6": 8.0, "joint7": 4.0},
        velocity_limits={"joint[1-4]": 2.175, "joint[5-7]": 2.61},
        action_scale=0.5,
        motors={f"joint{i + 1}": Motor(i) for i in range(7)},
        end_effector="tool",
        edit=_add_tool,
    )
    return replace(robot, name="panda", safety=_SAFETY)


def _add_tool(spec: mujoco.MjSpec) -> None:
    """The tool centre point between the finger tips (m), and the controller's compensation of gravity."""
    spec.body("hand").add_site(name="tool", pos=[0, 0, 0.1034])
    for body in spec.bodies:
        body.gravcomp = 1.0
