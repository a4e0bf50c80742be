import pytest

from envs.env import Env
from tests.rl.tracking import make_env, tracking_task


@pytest.fixture(scope="session")
def tracking_env() -> Env:
    return make_env(tracking_task(), 64)
