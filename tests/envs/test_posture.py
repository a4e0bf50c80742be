"""Postures for commands, judged by MuJoCo's own kinematics and Jacobians."""

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from assets.robots import PANDA, SO101
from envs.kinematics import Kinematics
from envs.posture import promising_postures, solved
from envs.terms.reaching import reachable_pose

BEST = 4


class Arm:
    def __init__(self, robot):
        self.robot = robot
        self.model = robot.spec().compile()
        self.data = mujoco.MjData(self.model)
        self.site = self.model.site(robot.end_effector).id
        self.where = [int(self.model.joint(name).qposadr[0]) for name in robot.joints]
        self.columns = [int(self.model.joint(name).dofadr[0]) for name in robot.joints]
        self.low, self.high = robot.joint_ranges().T
        arm = self.kinematics = Kinematics.of(robot)
        sample = jax.jit(jax.vmap(reachable_pose(arm, robot, clearance=0.03)))
        self.commands = np.asarray(sample(jax.random.split(jax.random.key(1), 200)), float)
        self.promising = jax.jit(jax.vmap(promising_postures(arm, robot, count=256, best=BEST, length=0.2)))
        self.starts = np.asarray(self.promising(self.commands), float)
        self.solve = jax.jit(jax.vmap(lambda command, starts: solved(lambda _: starts, arm, robot, 6, 0.2)(command)))

    def solutions(self, starts: np.ndarray) -> np.ndarray:
        """For each command from starts (commands, any number, num_joints)."""
        return np.asarray(self.solve(self.commands, starts), float)

    def solves(self, postures: np.ndarray) -> np.ndarray:
        """Which commands they reach within 1 cm and 0.1 rad."""
        errors = np.array([self.error(*pair) for pair in zip(postures, self.commands, strict=True)])
        return (np.linalg.norm(errors[:, :3], axis=1) < 0.01) & (np.linalg.norm(errors[:, 3:], axis=1) < 0.1)

    def error(self, joints, command) -> np.ndarray:
        """Shift (m) and turn (rad) that are left, (6,)."""
        self.data.qpos[self.where] = joints
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        base = self.data.body(self.robot.base)
        frame = base.xmat.reshape(3, 3)
        quat, turn = np.zeros(4), np.zeros(3)
        mujoco.mju_mat2Quat(quat, (frame.T @ self.data.site_xmat[self.site].reshape(3, 3)).ravel())
        mujoco.mju_mulQuat(quat, command[3:], quat * [1, -1, -1, -1])
        mujoco.mju_quat2Vel(turn, quat, 1.0)
        return np.concatenate([command[:3] - frame.T @ (self.data.site_xpos[self.site] - base.xpos), turn])

    def arrives(self, joints, command) -> bool:
        """By damped Newton's steps within the joints' ranges."""
        frame = np.kron(np.eye(2), self.data.body(self.robot.base).xmat.reshape(3, 3))
        for _ in range(40):
            error = self.error(joints, command)
            if np.abs(error[:3]).max() < 1e-3 and np.abs(error[3:]).max() < 1e-2:
                return True
            jacobian = np.zeros((6, self.model.nv))
            mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], self.site)
            jacobian = frame.T @ jacobian[:, self.columns]
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(6), error)
            joints = np.clip(joints + np.clip(step, -0.3, 0.3), self.low, self.high)
        return False


@pytest.fixture(scope="module", params=[SO101, PANDA], ids=lambda robot: robot.name)
def arm(request) -> Arm:
    return Arm(request.param)


def test_the_most_promising_posture_is_near_its_command(arm):
    errors = np.array([arm.error(*pair) for pair in zip(arm.starts[:, 0], arm.commands, strict=True)])
    at_rest = np.array([arm.error(np.array(arm.robot.default_pose), command) for command in arm.commands])
    shifts, turns = (np.linalg.norm(errors[:, part], axis=1) for part in (slice(3), slice(3, 6)))
    assert np.median(shifts) < 0.2 * np.median(np.linalg.norm(at_rest[:, :3], axis=1))
    assert np.median(turns) < 0.2 * np.median(np.linalg.norm(at_rest[:, 3:], axis=1))


def test_promising_postures_differ_and_are_within_the_joints_ranges(arm):
    assert arm.starts.shape == (len(arm.commands), BEST, arm.robot.num_joints)
    assert (arm.starts >= arm.low - 1e-5).all()
    assert (arm.starts <= arm.high + 1e-5).all()
    apart = np.abs(arm.starts[:, :, None] - arm.starts[:, None]).max(axis=-1)
    assert (apart[:, ~np.eye(BEST, dtype=bool)] > 1e-3).all()


def test_newtons_steps_from_a_posture_arrive_more_often_than_from_rest():
    arm = Arm(SO101)
    pairs = list(zip(arm.starts[:, 0], arm.commands, strict=True))
    default = np.array(SO101.default_pose)
    assert np.mean([arm.arrives(posture, command) for posture, command in pairs]) > 0.9
    assert np.mean([arm.arrives(default, command) for _, command in pairs]) < 0.87


def test_a_solution_reaches_its_command_within_the_joints_ranges(arm):
    solutions = arm.solutions(arm.starts)
    assert (solutions >= arm.low - 1e-5).all()
    assert (solutions <= arm.high + 1e-5).all()
    share = arm.solves(solutions).mean()
    assert share >= {"so101": 0.97, "panda": 0.93}[arm.robot.name]
    assert 1 - share < 0.5 * (1 - arm.solves(arm.solutions(arm.starts[:, :1])).mean()), "one start leaves more"


def test_the_first_start_that_leads_to_a_solution_counts(arm):
    """Of two that do, whichever ends nearer by a hair; where the first does not, the second."""
    ends = [arm.solutions(arm.starts[:, [i]]) for i in range(BEST)]
    arrive = [arm.solves(end) for end in ends]
    for first, second in ((0, 1), (1, 0), (2, 3), (3, 2)):
        found = arm.solutions(arm.starts[:, [first, second]])
        exact = [
            np.linalg.norm([arm.error(*pair) for pair in zip(ends[i], arm.commands, strict=True)], axis=1) < 1e-3
            for i in (first, second)
        ]
        both, only = exact[0] & exact[1], ~arrive[first] & exact[1]
        assert (np.abs(ends[first] - ends[second])[both].max(axis=1) > 0.3).any() or arm.robot.num_joints < 7
        np.testing.assert_allclose(found[both], ends[first][both], atol=0.01)
        np.testing.assert_allclose(found[only], ends[second][only], atol=0.01)


def test_both_quaternions_of_a_turn_have_the_same_posture(arm):
    turned = np.concatenate([arm.commands[:, :3], -arm.commands[:, 3:]], axis=1)
    np.testing.assert_allclose(arm.promising(turned), arm.starts, atol=1e-5)


def test_what_does_not_move_the_end_effector_stays_at_rest():
    jaw = SO101.joints.index("gripper")
    arm = Kinematics.of(SO101)
    command = jnp.array([0.2, 0.1, 0.2, 1.0, 0.0, 0.0, 0.0])
    starts = promising_postures(arm, SO101, count=16, best=2, length=0.2)
    for joints in (*starts(command), solved(starts, arm, SO101, steps=4, length=0.2)(command)):
        assert joints[jaw] == pytest.approx(SO101.default_pose[jaw], abs=1e-6)
