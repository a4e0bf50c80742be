"""A board as the README's own driver expects it, around a simulated Go2: run as a process, it prints its port and serves."""

import socket
import time

import numpy as np

from assets.robots import GO2
from sim2real.robot_io import RobotCommand
from sim2real.twin.simulated import SimulatedRobot

N = GO2.num_joints


def serve() -> None:
    robot = SimulatedRobot(GO2, start="hanging")
    board = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    board.bind(("127.0.0.1", 0))
    print(board.getsockname()[1], flush=True)
    board.setblocking(False)
    peer, command, count = None, None, 0
    while True:
        try:
            while True:
                packet, peer = board.recvfrom(4096)
                if len(packet) == 8 * 5 * N:
                    command = RobotCommand(count, *np.frombuffer(packet, "<f8").reshape(5, N))
                    count += 1
        except BlockingIOError:
            pass
        state = robot.step(command)
        parts = ([state.sequence], state.position, state.velocity, state.torque, state.temperature)
        values = np.concatenate([*parts, state.quaternion, state.angular_velocity, state.acceleration])
        if peer is not None:
            board.sendto(values.astype("<f8").tobytes(), peer)
        time.sleep(0.002)


if __name__ == "__main__":
    serve()
