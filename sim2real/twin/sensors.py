"""What the robot tells of itself: true quantities through encoders and an IMU with a gap's faults."""

import mujoco
import numpy as np

from assets.robots.robot import Robot
from sim2real.robot_io import RobotState
from sim2real.twin.gap import Gap
from sim2real.twin.motors import Motors, quantise, resolution
from sim2real.twin.world import ACCELEROMETER


class Sensors:
    """Those of one robot in `data`, whose position and velocity stages have been computed."""

    def __init__(self, robot: Robot, gap: Gap, motors: Motors, data: mujoco.MjData, rng: np.random.Generator):
        self._robot, self._imu, self._motors, self._data, self._rng = robot, gap.imu, motors, data, rng
        model = data.model
        names, encoder = robot.joints, gap.encoder
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._qvel = np.array([model.joint(name).dofadr[0] for name in names])
        self._velocity_resolution = resolution(encoder.velocity_resolution, names)
        self._noise = np.stack([v.over(names, 0.0) for v in (encoder.noise, encoder.velocity_noise, encoder.torque_noise)])

    @property
    def position(self) -> np.ndarray:
        """True positions of the joints, on the motors' side (rad)."""
        return self._data.qpos[self._qpos]

    @property
    def velocity(self) -> np.ndarray:
        """rad/s"""
        return self._data.qvel[self._qvel]

    def measure(self, sequence: int, stamp_ns: int, torque: np.ndarray) -> RobotState:
        """The message of this moment; `torque` is what the motors' electronics believe to exert."""
        noise = self._rng.standard_normal(self._noise.shape) * self._noise
        quaternion, angular_velocity, acceleration = self._measure_imu()
        return RobotState(
            stamp_ns=stamp_ns,
            sequence=sequence,
            # noise is there before the counts are taken
            position=self._motors.reading(self.position + noise[0]),
            velocity=quantise(self.velocity + noise[1], self._velocity_resolution),
            torque=torque + noise[2],
            temperature=self._motors.temperature.copy(),
            quaternion=quaternion,
            angular_velocity=angular_velocity,
            acceleration=acceleration,
        )

    def _measure_imu(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        noise = self._rng.standard_normal((3, 3))
        if self._robot.imu_site is None:
            return np.full(4, np.nan), np.full(3, np.nan), np.full(3, np.nan)
        imu, data = self._imu, self._data
        quaternion = data.sensor("imu_quat").data.copy()
        turn = np.array(imu.orientation_bias) + noise[0] * imu.orientation_noise
        mounted = np.zeros(4)
        mujoco.mju_mulQuat(mounted, quaternion, _quaternion(turn))
        gyro = data.sensor("imu_gyro").data + np.array(imu.gyro_bias) + noise[1] * imu.gyro_noise
        acceleration = data.sensor(ACCELEROMETER).data + np.array(imu.acceleration_bias) + noise[2] * imu.acceleration_noise
        return quantise(mounted, imu.quaternion_resolution or None), quantise(gyro, imu.gyro_resolution or None), acceleration


def _quaternion(turn: np.ndarray) -> np.ndarray:
    """(w, x, y, z) of a rotation vector (rad)."""
    angle = float(np.linalg.norm(turn))
    quaternion = np.zeros(4)
    mujoco.mju_axisAngle2Quat(quaternion, turn / angle if angle else np.array([1.0, 0.0, 0.0]), angle)
    return quaternion
