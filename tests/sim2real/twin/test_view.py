"""The twin's page, in a process of its own."""

import socket
import urllib.request

import pytest

from assets.robots import SO101
from rl.page import PageError
from sim2real.twin.simulated import SimulatedRobot
from sim2real.twin.view import LiveView


@pytest.fixture(scope="module")
def simulated() -> SimulatedRobot:
    pytest.importorskip("viser")
    return SimulatedRobot(SO101, rate=30.0, physics_step=0.002, start="standing")


def test_the_page_is_there_while_the_twin_is_and_goes_with_it(simulated: SimulatedRobot) -> None:
    with LiveView(simulated, port=0) as view:
        with urllib.request.urlopen(view.address, timeout=60) as answer:
            assert answer.status == 200
        for _ in range(20):
            simulated.step(None)
            view.add(simulated, None)
        assert view._process.is_alive()
    assert not view._process.is_alive()


def test_a_port_that_is_taken_is_told(simulated: SimulatedRobot) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PageError, match=f"cannot listen at 127.0.0.1 port {port}"):
            LiveView(simulated, port=port)
