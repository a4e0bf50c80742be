"""The training loop itself: what it makes of environments that diverge."""

import numpy as np

from assets.scene import compile_for_physics
from envs.task import InitialState, Task
from rl.train import Budget, start_run, train
from sim.crash import load_crash
from sim.replay import replay_crash
from tests.rl.tracking import tracking_task


def wild() -> Task:
    """The joint begins faster than anything that is simulated."""
    return tracking_task(initial_state=InitialState(joint_velocity=1e9))


def test_the_first_environment_that_diverges_is_dumped_for_replay_and_training_goes_on(tmp_path):
    run = start_run("tests.rl.test_train:wild", tmp_path / "run", "native", 32, 0)
    result = train(run, Budget(steps=3 * run.ppo.rollout_length * 32))
    assert int(result.state.updates) == 3
    (path,) = (run.directory / "crashes").glob("*.npz")
    record = load_crash(path)
    assert record.env == np.flatnonzero(np.asarray(result.state.env.recorder.stopped) >= 0)[0]
    assert record.fields["body_mass"].shape == compile_for_physics(wild().scene()).body_mass.shape
    assert abs(record.qvel[-1, 0]) > 1e6
    assert replay_crash(record).bad is not None
