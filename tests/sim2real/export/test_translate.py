"""What a JAX function gives, and what ONNX Runtime gives for its graph."""

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from assets.robots import PANDA, SO101
from envs.kinematics import Kinematics
from envs.posture import promising_postures, solved
from envs.proprioception import rotate_inverse
from envs.terms import reaching
from sim2real.export.graph import Graph
from sim2real.export.translate import TranslationError, apply


def exported(function, *shapes):
    """The function of arrays of these shapes as ONNX Runtime computes it."""
    graph = Graph()
    values = [graph.input(f"x{i}", shape) for i, shape in enumerate(shapes)]
    model = graph.model({"y": apply(graph, "the function", function, *values)}, {})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    read = {x.name for x in session.get_inputs()}

    def run(*arrays):
        named = {f"x{i}": np.asarray(x, np.float32) for i, x in enumerate(arrays)}
        return session.run(None, {name: x for name, x in named.items() if name in read})[0]

    return run


def expect_same(function, *arrays, rtol=2e-6, atol=1e-6):
    arrays = [jnp.asarray(x, jnp.float32) for x in arrays]
    expected = np.asarray(function(*arrays))
    found = exported(function, *(x.shape for x in arrays))(*arrays)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


X = np.array([[0.3, -1.2, 2.5], [-0.7, 0.0, 0.9]], np.float32)
Y = np.array([[1.1, -0.4, 0.0], [0.5, 2.0, -3.0]], np.float32)
INSIDE = X / 4

ONE = {
    "abs": jnp.abs,
    "acos": lambda x: jnp.arccos(x / 3),
    "acosh": lambda x: jnp.arccosh(jnp.abs(x) + 1.5),
    "asin": lambda x: jnp.arcsin(x / 3),
    "asinh": jnp.arcsinh,
    "atan": jnp.arctan,
    "atanh": lambda x: jnp.arctanh(x / 3),
    "cbrt": jnp.cbrt,
    "ceil": jnp.ceil,
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "cumsum": lambda x: jnp.cumsum(x, 1),
    "elu": jax.nn.elu,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "floor": jnp.floor,
    "gelu": jax.nn.gelu,
    "is_finite": lambda x: jnp.isfinite(1 / x),
    "layer_norm": lambda x: jax.nn.standardize(x, epsilon=1e-5),
    "log": lambda x: jnp.log(jnp.abs(x) + 0.1),
    "log1p": lambda x: jnp.log1p(jnp.abs(x)),
    "neg": jnp.negative,
    "norm": lambda x: jnp.linalg.norm(x, axis=-1, keepdims=True),
    "powers": lambda x: jnp.stack([x**0, x**1, x**2, x**3, (x + 5) ** -2, jnp.abs(x) ** 0.3]),
    "rint": lambda x: jnp.rint(x * 2.5),
    "round_away": lambda x: lax.round(x * 2.5),
    "rsqrt": lambda x: lax.rsqrt(jnp.abs(x) + 0.1),
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "sin": jnp.sin,
    "sinc": jnp.sinc,
    "sinh": jnp.sinh,
    "softmax": jax.nn.softmax,
    "softplus": jax.nn.softplus,
    "sqrt": lambda x: jnp.sqrt(jnp.abs(x)),
    "square": jnp.square,
    "swish": jax.nn.swish,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "sum": jnp.sum,
    "sum_of_rows": lambda x: x.sum(0),
    "extremes": lambda x: x.max(1) - x.min(1),
    "product": lambda x: x.prod(0),
    "argmax": lambda x: jnp.argmax(x, 1),
    "argmin": lambda x: jnp.argmin(x, 0),
    "all_and_any": lambda x: jnp.stack([(x > -1).all(1), (x > 1).any(1)]),
    "integers": lambda x: jnp.round(x * 3).astype(jnp.int32) // 2,
    "truth_to_number": lambda x: (x > 0).astype(jnp.float32) * 2,
    "nan_to_num": lambda x: jnp.nan_to_num(jnp.log(x)),
    "iota": lambda x: x * jnp.arange(3.0),
    "batched_product": lambda x: jnp.einsum("bi,bj->bij", x, x),
    "matrix_product": lambda x: x @ x.T,
    "custom_jvp": jax.nn.relu,
    "checkpointed": jax.checkpoint(jnp.sin),
    "cond": lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x),
    "switch": lambda x: lax.switch(jnp.int32(x.sum() > 0) + 1, [jnp.sin, jnp.cos, jnp.tanh], x),
    "scan": lambda x: lax.scan(lambda c, row: (c + jnp.sin(row), c * row), jnp.zeros(3), x)[1],
    "scan_backwards": lambda x: lax.scan(lambda c, row: (c * 0.5 + row, c), jnp.ones(3), x, reverse=True)[1],
    "fori_loop": lambda x: lax.fori_loop(0, 4, lambda i, c: c * 0.5 + i, x),
}
MOVED = {
    "transposed": lambda x: jnp.sin(x.T),
    "reshaped": lambda x: jnp.sin(x.reshape(3, 2)),
    "sliced": lambda x: jnp.sin(x[:, 1:]),
    "strided": lambda x: jnp.sin(x[:, ::2]),
    "reversed": lambda x: jnp.sin(x[::-1, ::-1]),
    "picked": lambda x: jnp.sin(x[jnp.array([1, 0, 1]), jnp.array([2, 2, 0])]),
    "taken": lambda x: jnp.take(x, jnp.array([2, 0]), axis=1),
    "rolled": lambda x: jnp.roll(x, 1, axis=1) + x,
    "tiled": lambda x: jnp.tile(x, (2, 2)),
    "padded": lambda x: jnp.pad(x, ((1, 0), (2, 1)), constant_values=7.0),
    "stacked": lambda x: jnp.stack([x, 2 * x, jnp.zeros_like(x)]),
    "split": lambda x: jnp.concatenate(jnp.split(x, 3, axis=1)[::-1], axis=0),
    "set": lambda x: x.at[0, 1].set(5.0).at[:, 2].set(x[:, 0]),
    "added_to": lambda x: x.at[jnp.array([0, 0, 1])].add(jnp.sin(x[jnp.array([0, 1, 1])])),
    "dynamic": lambda x: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (0, 1), (2, 2)), (0, 0)),
    "squeezed": lambda x: jnp.sin(x[:1, :, None]).squeeze(),
    "nothing": lambda x: jnp.concatenate([x, jnp.zeros((0, 3))]),
    "unchanged": lambda x: x,
    "constant": lambda x: jnp.ones(3),
}
TWO = {
    "arithmetic": lambda x, y: (x + y) * (x - y) / (jnp.abs(y) + 1),
    "atan2": jnp.arctan2,
    "compared": lambda x, y: jnp.stack([x < y, x <= y, x > y, x >= y, x == y, x != y]),
    "cross": jnp.cross,
    "hypot": jnp.hypot,
    "logical": lambda x, y: ((x > 0) & ~(y > 0)) | ((x > 0) ^ (y < 1)),
    "extreme": lambda x, y: jnp.maximum(x, y) - jnp.minimum(x, 2 * y),
    "power": lambda x, y: jnp.abs(x) ** y,
    "remainder": lambda x, y: lax.rem(x, y + 0.3),
    "modulo": lambda x, y: jnp.mod(x, y + 0.3),
    "where": lambda x, y: jnp.where(x > y, x, 2 * y),
    "wrapped_angle": lambda x, y: (x * 9 - y + jnp.pi) % (2 * jnp.pi) - jnp.pi,
}


@pytest.mark.parametrize("name", ONE)
def test_a_function_of_one_array(name):
    expect_same(ONE[name], X)


@pytest.mark.parametrize("name", MOVED)
def test_moving_data(name):
    expect_same(MOVED[name], X, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", TWO)
def test_a_function_of_two_arrays(name):
    expect_same(TWO[name], X, Y)


def test_angles_of_all_quadrants_and_of_the_axes():
    """IEEE's sign of zero apart: atan2(-0, -1) is half a turn, whichever way."""
    y, x = np.meshgrid([-2.0, 0.0, 3.0], [-1.5, -0.0, 0.0, 2.0])
    expect_same(lambda y, x: jnp.arctan2(y, x + 0.0), y, np.where(x == 0, 0.0, x))
    assert exported(jnp.arctan2, (2,), (2,))([1.0, -1.0], [-0.0, -0.0]) == pytest.approx([np.pi / 2, -np.pi / 2])


numbers = st.floats(-50, 50, width=32, allow_subnormal=False)
TURNED = exported(rotate_inverse, (4,), (3,))


@given(st.tuples(*[numbers] * 4), st.tuples(*[numbers] * 3))
def test_turning_a_vector(quat, vector):
    quat = np.array(quat, np.float32) + np.float32([1e-3, 0, 0, 0])
    quat /= np.linalg.norm(quat)
    expected = rotate_inverse(jnp.asarray(quat), jnp.asarray(vector, jnp.float32))
    np.testing.assert_allclose(TURNED(quat, vector), expected, atol=1e-4)


NUMBERED = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@given(st.permutations(range(3)), st.tuples(*[st.integers(0, 2)] * 3), st.booleans(), st.data())
def test_any_chain_of_moves_ends_where_numpy_has_it(order, starts, flip, data):
    def chain(x):
        x = x.transpose(order)
        x = x[tuple(slice(min(s, n - 1), None) for s, n in zip(starts, x.shape, strict=True))]
        x = x[..., ::-1] if flip else x
        return x.reshape(-1)[pick]

    size = np.prod([n - min(s, n - 1) for s, n in zip(starts, np.array(NUMBERED.shape)[list(order)], strict=True)])
    pick = np.array(data.draw(st.lists(st.integers(0, int(size) - 1), min_size=1, max_size=8)))
    graph = Graph()
    value = apply(graph, "the chain", chain, graph.input("x", NUMBERED.shape))
    # The addresses of the first input are its entries' numbers.
    np.testing.assert_array_equal(value.addresses, chain(NUMBERED))


def test_moves_in_a_row_cost_one_gather():
    graph = Graph()
    x = graph.input("x", (4, 3))
    y = apply(graph, "the function", lambda x: jnp.sin(jnp.stack([x.T[1], x[:, 0]])[:, ::-1].reshape(-1)), x)
    assert sorted(node.op_type for node in graph.model({"y": y}, {}).graph.node) == ["Gather", "Identity", "Reshape", "Sin"]


def test_what_is_computed_twice_is_there_once():
    graph = Graph()
    y = apply(graph, "the function", lambda x: jnp.sin(x) * 2 + jnp.sin(x), graph.input("x", (3,)))
    assert [node.op_type for node in graph.model({"y": y}, {}).graph.node].count("Sin") == 1


def test_what_onnx_has_an_operator_for_is_one():
    graph = Graph()
    y = apply(graph, "elu", jax.nn.elu, graph.input("x", (3,)))
    assert [node.op_type for node in graph.model({"y": y}, {}).graph.node][:1] == ["Elu"]


def test_another_function_of_such_a_name_is_itself():
    @jax.jit
    def elu(x):
        return jnp.where(x > 0, x, 0.5 * jnp.expm1(x))

    expect_same(elu, X)
    expect_same(lambda x: jax.nn.elu(x, 0.5), X)


def test_what_depends_on_no_input_is_a_constant():
    graph = Graph()
    y = apply(
        graph, "the function", lambda x: x + jnp.linalg.inv(jnp.eye(3) * 2.0) @ jnp.sin(jnp.arange(3.0)), graph.input("x", (3,))
    )
    assert [node.op_type for node in graph.model({"y": y}, {}).graph.node] == ["Add", "Identity"]


def test_an_input_that_nothing_depends_on_is_left_out():
    graph = Graph()
    x, y = graph.input("x", (3,)), graph.input("y", (3,))
    z = apply(graph, "the function", lambda x, y: jnp.concatenate([x, y])[:2] * 2, x, y)
    assert graph.inputs_of(z) == ["x"]
    assert [info.name for info in graph.model({"z": z}, {}).graph.input] == ["x"]


def test_the_kinematics_of_an_arm(so101_arm):
    robot, arm = so101_arm
    term = reaching.way_to_go(arm, 0.2)

    def function(joints, command):
        return term(_Sensed(joints, command), robot)

    draw = np.random.default_rng(0)
    run = exported(function, (6,), (7,))
    for _ in range(20):
        joints, command = draw.uniform(-1.5, 1.5, 6), draw.normal(size=7)
        command[3:] /= np.linalg.norm(command[3:])
        expected = function(jnp.asarray(joints, jnp.float32), jnp.asarray(command, jnp.float32))
        np.testing.assert_allclose(run(joints, command), expected, atol=2e-5)


@pytest.mark.parametrize("robot", [SO101, PANDA], ids=lambda robot: robot.name)
def test_the_solution_of_an_arms_command(robot):
    arm = Kinematics.of(robot)
    starts = promising_postures(arm, robot, count=256, best=4, length=0.2)
    function = solved(starts, arm, robot, steps=6, length=0.2)
    keys = jax.random.split(jax.random.key(5), 100)
    commands = np.asarray(jax.jit(jax.vmap(reaching.reachable_pose(arm, robot, clearance=0.03)))(keys))
    expected, run = jax.jit(jax.vmap(function))(commands), exported(function, (7,))
    errors = np.abs(np.array([run(command) for command in commands]) - expected).max(axis=1)
    assert np.quantile(errors, 0.9) < 1e-5
    assert errors.max() < 2e-3, "where an arm is hardly able to move, the last digits count for more"


class _Sensed:
    def __init__(self, joint_position, command):
        self.joint_position = joint_position
        self.command = command


@pytest.fixture(scope="module")
def so101_arm():
    return SO101, Kinematics.of(SO101)


@pytest.mark.parametrize(
    "function, primitive, why",
    [
        (jnp.sort, "sort", "no operator"),
        (lambda x: x[jnp.argmax(x)], "dynamic_slice", "depends on the inputs"),
        (lambda x: x[jnp.array([0, jnp.argmax(x)])], "gather", "depends on the inputs"),
        (lambda x: lax.dynamic_slice(x, (jnp.int32(x[0]),), (1,)), "dynamic_slice", "depends on the inputs"),
        (lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: c + 1, x), "while", "no operator"),
        (lambda x: x + jax.random.uniform(jax.random.key(0), (3,)), "random", "no pure function"),
        (lambda x: lax.fori_loop(0, 1000, lambda i, c: c * 0.5, x), "scan", "1000 steps"),
        (lambda x: (x.astype(jnp.int32) & 3).astype(jnp.float32), "and", "bits of integers"),
    ],
)
def test_what_onnx_lacks_is_refused_by_name(function, primitive, why):
    graph = Graph()
    with pytest.raises(TranslationError, match=rf"term 'mine'.*{primitive}.*{why}"):
        apply(graph, "term 'mine'", function, graph.input("x", (3,)))
