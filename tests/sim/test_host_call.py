"""Host calls compute what the function does, tell errors, and are found again in a program that another process compiled."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.host_call import HostCall


def shapes_of(*arrays):
    return tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint8", "uint32", "float32"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0, 5)])
def test_arrays_of_any_shape_and_type_come_and_go(dtype, shape):
    def swap(a, b, new_a, new_b):
        assert a.flags.c_contiguous
        assert a.dtype == dtype
        new_a[...], new_b[...] = b, a

    call = HostCall(f"swap {dtype} {shape}", swap)
    random = np.random.default_rng(0)
    a, b = (jnp.asarray(random.integers(0, 2, shape).astype(dtype)) for _ in range(2))
    new_a, new_b = jax.jit(lambda a, b: call(shapes_of(a, b), a, b))(a, b)
    np.testing.assert_array_equal(new_a, b)
    np.testing.assert_array_equal(new_b, a)


def test_transposed_arguments_arrive_in_their_logical_order():
    call = HostCall("identity", lambda x, out: np.copyto(out, x))
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jax.jit(lambda x: call(*shapes_of(x.T), x.T))(x), x.T)


def test_a_call_within_a_scan_sees_each_step():
    call = HostCall("increment", lambda x, out: np.add(x, 1, out=out))
    run = jax.jit(lambda x: jax.lax.scan(lambda x, _: (call(*shapes_of(x), x), x), x, None, length=100))
    last, seen = run(jnp.zeros(4))
    np.testing.assert_array_equal(last, np.full(4, 100.0))
    np.testing.assert_array_equal(seen[:, 0], np.arange(100.0))


def test_what_the_function_raises_is_told():
    def fail(x, out):
        raise ValueError("the ground gave way")

    call = HostCall("fail", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="the ground gave way"):
        jax.block_until_ready(jax.jit(lambda x: call(*shapes_of(x), x))(jnp.zeros(2)))
    # and the process lives on
    test_a_call_within_a_scan_sees_each_step()


PROGRAM = """
import sys, jax, jax.numpy as jnp, numpy as np
from sim.host_call import HostCall

hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
if sys.argv[1] != "absent":
    call = HostCall("scale", lambda x, out: np.multiply(x, float(sys.argv[1]), out=out))
else:  # a program of the same text, made in a process without the function
    call = HostCall("scale", None)
    import sim.host_call
    sim.host_call._functions.clear()
result = jax.jit(lambda x: call(jax.ShapeDtypeStruct(x.shape, x.dtype), jnp.sin(x)))(jnp.ones(3))
print(float(result[0]) / np.sin(1.0), "hit" if "/jax/compilation_cache/cache_hits" in hits else "missed")
"""


def run_program(cache, argument):
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    command = [sys.executable, "-c", PROGRAM, argument]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)


def test_a_program_from_the_cache_calls_the_function_of_its_new_process(tmp_path):
    first, second = run_program(tmp_path, "2"), run_program(tmp_path, "3")
    factor, cached = first.stdout.split()
    assert (float(factor), cached) == (pytest.approx(2, rel=1e-6), "missed"), first.stderr
    factor, cached = second.stdout.split()
    assert (float(factor), cached) == (pytest.approx(3, rel=1e-6), "hit"), second.stderr
    absent = run_program(tmp_path, "absent")
    assert absent.returncode != 0
    assert "this process has made no HostCall 'scale'" in absent.stderr
