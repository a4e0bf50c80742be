"""What is computed on several devices, or in several processes, is what one device computes.

Each case has processes of its own, as a process counts its devices once.
"""

import socket

import pytest

from sim.devices import Devices, DevicesError, join_processes
from tests.processes import python, together

PHYSICS = """
import jax, numpy as np
import jax.numpy as jnp
from sim.devices import Devices
from sim.engine import make_physics
from tests.rl.tracking import arm
from assets.scene import compile_for_physics, scene_spec

devices = Devices.all()
assert devices.count == 2
model = compile_for_physics(scene_spec(arm()))
n = 6
qpos = jnp.linspace(-1, 1, n)[:, None]
mass = jnp.broadcast_to(model.body_mass, (n, model.nbody)) * jnp.linspace(0.5, 2, n)[:, None]

def simulate(physics):
    state = physics.init({"body_mass": jnp.broadcast_to(model.body_mass, (n, model.nbody)) * 1.0})
    odd = jnp.arange(n) % 2 == 1
    state = physics.reset(state, odd, qpos, jnp.zeros((n, 1)), {"body_mass": mass})
    state = jax.lax.fori_loop(0, 3, lambda _, state: physics.step(state, -qpos, 4), state)
    physics.check_overflow(state)
    return state

for engine in ("native", "mjx"):
    one = jax.jit(lambda: simulate(make_physics(model, n, engine)))()
    two = jax.jit(lambda: simulate(make_physics(model, n, engine, devices=devices)))()
    assert len(two.qpos.addressable_shards) == 2 and two.qpos.addressable_shards[0].data.shape == (3, 1)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two)):
        if engine == "native":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, atol=1e-5)
"""


@pytest.mark.long("it compiles a simulation for each of several devices")
def test_each_device_simulates_its_part_as_one_would_all():
    python(PHYSICS, devices=2)


def test_each_tells_a_part_where_it_begins_and_what_all_share():
    python(
        """
import jax, numpy as np
import jax.numpy as jnp
from sim.devices import Devices

def part(shared, start, x):
    assert x.shape == (2,)
    return {"index": start + jnp.arange(2), "scaled": shared * x}

told = jax.jit(lambda x: Devices.all().each(part, jnp.float32(3), x))(jnp.arange(6.0))
np.testing.assert_array_equal(told["index"], np.arange(6))
np.testing.assert_array_equal(told["scaled"], 3 * np.arange(6.0))
""",
        devices=3,
    )


def test_a_mean_is_that_over_all_devices_parts():
    python(
        """
import jax, numpy as np
import jax.numpy as jnp
from sim.devices import Devices

def part(weight, x):
    return jax.grad(lambda w: jnp.mean(jnp.square(w * x)))(weight), {"mean": x.mean(axis=0)}

x = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
weight = jnp.array([1.0, 2.0])
one, three = (jax.jit(lambda x: devices.mean(part, weight, x))(x) for devices in (Devices(), Devices.all()))
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one, three)
np.testing.assert_allclose(three[1]["mean"], x.mean(axis=0), rtol=1e-6)
assert three[0].sharding.is_fully_replicated
""",
        devices=3,
    )


def test_processes_agree_share_and_gather():
    program = """
import sys, time, jax, numpy as np, pytest
import jax.numpy as jnp
from sim.devices import Devices, DevicesError, join_processes

index = int(sys.argv[2])
join_processes(sys.argv[1], 2, index)
devices = Devices.all()
assert devices.count == 2 and devices.first == (index == 0)
assert devices.agree(index == 1, False) == (True, False)
assert devices.text_of_first("gruß" if index == 0 else None) == "gruß"
key = np.array([7, 2**32 - 1], np.uint32)
told = devices.told_by_first({"x": np.arange(3.0) + index, "key": key, "on": np.array(index == 0)})
np.testing.assert_array_equal(told["x"], np.arange(3.0))
np.testing.assert_array_equal(told["key"], [7, 2**32 - 1])
assert told["on"] == True
x = devices.put({"a": np.arange(4.0)[None], "b": np.float32(2)}, {"a": devices.sharding(1), "b": devices.sharding(None)})
assert x["a"].addressable_shards[0].data.shape == (1, 2)
whole = devices.fetch(jax.jit(lambda x: jax.tree.map(lambda leaf: 2 * leaf, x))(x))
np.testing.assert_array_equal(whole["a"], 2 * np.arange(4.0)[None])
assert whole["b"] == 4
assert devices.on_first(lambda: "done") == ("done" if index == 0 else None)
try:
    devices.on_first(lambda: 1 / 0)
    raise AssertionError("nothing was raised")
except ZeroDivisionError:
    assert index == 0
except DevicesError:
    assert index == 1
assert devices.in_all(lambda: index) == index
with pytest.raises(ZeroDivisionError if index == 1 else DevicesError):
    devices.in_all(lambda: index / (1 - index))
devices.expect_same({"task": "arm", "steps": None})
with pytest.raises(DevicesError, match="steps 7, and the first with None: start the same" if index else "says how"):
    devices.expect_same({"task": "arm", "steps": 7 if index else None})
"""
    together(lambda coordinator, index: ["-c", program, coordinator, str(index)])


def test_one_device_is_left_to_jax():
    devices = Devices()
    assert devices.count == 1
    assert devices.sharding(0) is None
    assert devices.first
    assert devices.agree(True, False) == (True, False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("10.0.0.1", 2, 0), "expected HOST:PORT"),
        (("10.0.0.1:port", 2, 0), "expected HOST:PORT"),
        (("10.0.0.1:7654", 2, 2), "the process id is 2, expected 0 to 1"),
        (("10.0.0.1:7654", 0, 0), "the number of processes is 0, expected 1 or more"),
        (("no.such.invalid:7654", 2, 1), "host 'no.such.invalid' is not known"),
        (("192.0.2.1:7654", 2, 0), "cannot listen at the coordinator's address 192.0.2.1:7654"),
        (("10.0.0.1:7654", None, 0), "need all of --coordinator"),
    ],
)
def test_processes_that_cannot_meet_are_told_why(arguments, message):
    with pytest.raises(DevicesError, match=message):
        join_processes(*arguments)


def test_a_coordinator_whose_port_is_taken_is_told_why():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DevicesError, match=r"cannot listen .* in use.* with a free port"):
            join_processes(f"127.0.0.1:{taken.getsockname()[1]}", 2, 0)


def test_processes_with_unequally_many_devices_are_all_told():
    program = """
import sys, pytest
from sim.devices import Devices, DevicesError, join_processes, split_cpu

index = int(sys.argv[2])
split_cpu(2 - index)
join_processes(sys.argv[1], 2, index)
with pytest.raises(DevicesError, match="process 0 has 2, process 1 has 1: give all the same --devices"):
    Devices.all(2 - index)
"""
    together(lambda coordinator, index: ["-c", program, coordinator, str(index)])


def test_processes_that_are_asked_for_unequally_many_devices_are_all_told():
    program = """
import sys, pytest
from sim.devices import Devices, DevicesError, join_processes, split_cpu

index = int(sys.argv[2])
split_cpu(2)
join_processes(sys.argv[1], 2, index)
with pytest.raises(DevicesError, match="process 0 for all, process 1 for 1: give all the same --devices"):
    Devices.all(1 if index else None)
"""
    together(lambda coordinator, index: ["-c", program, coordinator, str(index)])


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(DevicesError, match="9 devices were asked for, and there are 1"):
        Devices.all(9)
