"""Training on two devices, and in two processes that meet on the loopback interface, gives what one device gives, but for the
order in which floating-point numbers are added."""

import jax
import numpy as np
import pytest

from rl.checkpoint import Checkpoints
from rl.ppo import PPO, PPOConfig
from rl.run import Run
from rl.train import Budget, start_run, train
from tests.processes import python, together
from tests.rl.tracking import make_env, tracking_task

TASK = "tests.rl.tracking:tracking_task"
UPDATE = PPOConfig().rollout_length * 32  # control steps

DEVICES = """
import jax, numpy as np
from rl.learner import shardings
from rl.ppo import PPO, PPOConfig
from sim.devices import Devices
from envs.registry import make_env
from tests.rl.tracking import tracking_task

config = PPOConfig(rollout_length=16, minibatches=2, actor_hidden=(32,), critic_hidden=(32,))

def learn(devices):
    ppo = PPO(make_env(tracking_task(), 16, "native", devices=devices), config)
    places = shardings(ppo)
    outputs = None if places is None else (places, devices.sharding(None))
    update = jax.jit(ppo.update, donate_argnums=0, out_shardings=outputs)
    state = jax.jit(ppo.init, out_shardings=places)(jax.random.key(0))
    for _ in range(5):
        state, metrics = update(state)
    assert update._cache_size() == 1
    return state, metrics

one, told = learn(Devices())
two, also_told = learn(Devices.all())
assert two.env.physics.qpos.sharding.shard_shape((16, 1)) == (8, 1)
for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(two)):
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5, err_msg=jax.tree_util.keystr(path))
for name in told:
    np.testing.assert_allclose(told[name], also_told[name], rtol=1e-3, atol=1e-5, err_msg=name)
"""


@pytest.mark.long("it compiles a training twice")
def test_two_devices_give_the_training_state_of_one():
    python(DEVICES, devices=2)


SENDING = """
import re, jax
from rl.learner import shardings
from rl.ppo import PPO, PPOConfig
from sim.devices import Devices
from envs.registry import make_env
from tests.rl.tracking import tracking_task

devices = Devices.all()
ppo = PPO(make_env(tracking_task(), 16, "native", devices=devices), PPOConfig(rollout_length=8, epochs=2, minibatches=2))
places = shardings(ppo)
state = jax.tree.map(
    lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), jax.eval_shape(ppo.init, jax.random.key(0)), places
)
update = jax.jit(ppo.update, out_shardings=(places, devices.sharding(None)))
for line in update.lower(state).compile().as_text().splitlines():
    sent = re.search(r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(-start)?[(]", line)
    if sent:
        print(sent[1], re.search(r'op_name="([^"]*)"', line)[1])
"""


def test_devices_send_each_other_gradients_and_sums_and_nothing_else():
    """No observations, and nothing at every step of a rollout, for which all would have to wait."""
    sent = python(SENDING, devices=2).splitlines()
    assert {line.split()[0] for line in sent} == {"all-reduce"}
    in_loops = [line for line in sent if "while/body" in line]
    assert len(in_loops) == 1
    assert "psum" in in_loops[0]


def _newest(directory):
    run = Run.open(directory)
    ppo = PPO(make_env(tracking_task(), run.num_envs), run.ppo)
    return Checkpoints(run.checkpoints).restore(jax.eval_shape(ppo.init, jax.random.key(0)))


def _train(directory, *more):
    def command(coordinator, index):
        meet = ["--coordinator", coordinator, "--processes", "2", "--process-id", str(index)]
        where = more or ["--num-envs", "32", "--out", str(directory)]
        return ["-m", "zerogap", "train", TASK, "--engine", "native", "--steps", str(2 * UPDATE), *where, *meet]

    return command


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run that two processes began, and two others went on with."""
    directory = tmp_path_factory.mktemp("pair") / "run"
    first = together(_train(directory))
    second = together(_train(directory, "--resume", str(directory)))
    return directory, first, second


@pytest.mark.long("processes compile and train four times")
def test_two_processes_train_and_resume_together_as_one_would(pair, tmp_path):
    directory, *_ = pair
    alone = train(start_run(TASK, tmp_path / "alone", "native", 32, 0), Budget(steps=4 * UPDATE)).state
    ours = _newest(directory)
    assert int(ours.updates) == int(alone.updates) == 4
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(alone), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4, err_msg=jax.tree_util.keystr(path))


@pytest.mark.long("processes compile and train four times")
def test_one_process_writes_and_tells(pair):
    directory, first, _ = pair
    assert "32 environments on native divided among 2 devices" in first[0]
    assert [line for line in first[1].splitlines() if not line.startswith("[Gloo]")] == []
    assert len((directory / "progress.jsonl").read_text().splitlines()) >= 2


@pytest.mark.long("processes compile and train four times")
def test_where_the_first_process_cannot_begin_neither_does(pair):
    directory, *_ = pair
    told = together(_train(directory), status=2)
    assert "is not empty: choose another --out" in told[0]
    assert "the first process could not go on, and says why" in told[1]


def test_processes_that_are_started_otherwise_than_the_first_are_told(tmp_path):
    out = tmp_path / "run"

    def command(coordinator, index):
        meet = ["--coordinator", coordinator, "--processes", "2", "--process-id", str(index)]
        return ["-m", "zerogap", "train", TASK, "--num-envs", str(16 + 16 * index), "--out", str(out), *meet]

    told = together(command, status=2)
    assert "another process was started otherwise than the first" in told[0]
    assert "this process was started with num_envs 32, and the first with 16: start the same command in all" in told[1]
    assert not out.exists()


def test_where_one_process_cannot_begin_none_does(tmp_path):
    """Its task's module is in the first one's folder only."""
    (tmp_path / "only_here.py").write_text("from tests.rl.tracking import tracking_task as track\n")
    program = """
import sys
from zerogap import main
if sys.argv[2] == "0":
    sys.path.append(sys.argv[3])
meet = ["--coordinator", sys.argv[1], "--processes", "2", "--process-id", sys.argv[2]]
sys.exit(main(["train", "only_here:track", "--engine", "native", "--num-envs", "16", "--out", sys.argv[3] + "/run", *meet]))
"""
    told = together(lambda coordinator, index: ["-c", program, coordinator, str(index), str(tmp_path)], status=2)
    assert "another process could not go on, and says why" in told[0]
    assert "there is no module 'only_here'" in told[1]


def test_environments_that_devices_cannot_share_are_told(tmp_path):
    out = tmp_path / "run"
    told = python(
        f"""
from zerogap import main
assert main(["train", "{TASK}", "--engine", "native", "--num-envs", "33", "--devices", "2", "--out", r"{out}"]) == 2
"""
    )
    assert "33 environments cannot be divided among 2 devices: 32, say, can" in told
    assert not out.exists()
