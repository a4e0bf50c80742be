"""What all tests share: the settings of the libraries, the order of the files, and the folders of recordings and models beside
the repository. The vendors' models lie in the checkout that MENAGERIE_ROOT names, or in `shared/menagerie`."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Set before anything imports JAX or Matplotlib, and inherited by the processes that tests start. What a test runs for a moment
# takes far longer to compile: nothing is optimised, loops are written by the quicker of XLA's two emitters, and programs are
# kept, for other tests and other runs.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(REPOSITORY / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# To trace a program makes many objects that stay: they are not searched for garbage after every 700 of them.
gc.set_threshold(100_000, 20, 20)

# The first example of a property compiles and the others do not: how long one takes says nothing.
settings.register_profile(
    "zerogap", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("zerogap")


# Of two workers that are each given a file at a time, as by `make test`, neither shall be left with a long one at the end.
LONGEST_FIRST = (
    "tests/sim/test_parity.py",
    "tests/envs/test_registry.py",
    "tests/envs/test_env.py",
    "tests/rl/test_parallel.py",
    "tests/sim/test_parity_go2.py",
    "tests/test_cli.py",
    "tests/sim2real/adapt/test_adapt.py",
    "tests/sim2real/deploy/test_deploy_faults.py",
    "tests/sim2real/test_deployed_policy.py",
    "tests/sim2real/deploy/test_loop.py",
    "tests/test_cli_distill.py",
    "tests/test_readme.py",
    "tests/benchmarks/test_ppo.py",
    "tests/rl/test_ppo.py",
    "tests/rl/test_distill.py",
    "tests/sim2real/logs/test_lag.py",
    "tests/sim2real/delta/test_learn.py",
    "tests/sim2real/delta/test_delta_commands.py",
    "tests/rl/test_page.py",
    "tests/rl/test_checkpoint.py",
    "tests/envs/adapters/test_brax_env.py",
    "tests/benchmarks/test_walk.py",
    "tests/sim/test_devices.py",
    "tests/benchmarks/test_peers.py",
    "tests/envs/test_push.py",
    "tests/sim/test_render.py",
    "tests/sim/test_mjx.py",
    "tests/sim2real/twin/test_process.py",
    "tests/assets/materials/model/test_predictor.py",
    "tests/sim/randomization/test_objects.py",
    "tests/envs/test_reach.py",
    "tests/rl/test_view.py",
    "tests/sim2real/excite/test_design.py",
    "tests/envs/test_rough.py",
    "tests/benchmarks/test_distill.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {REPOSITORY / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    if not os.environ.get("ZEROGAP_LONG_TESTS"):
        for item in items:
            if (mark := item.get_closest_marker("long")) is not None:
                item.add_marker(pytest.mark.skip(reason=f"{mark.args[0]}: ZEROGAP_LONG_TESTS=1 make test runs it"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("logs")` is the path of that file or folder in `shared/` beside the repository, or in the folder that
    ZEROGAP_SHARED names. A test that asks for what is not there is skipped."""
    root = Path(os.environ.get("ZEROGAP_SHARED") or REPOSITORY.parent / "shared")

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"{path} does not exist; set ZEROGAP_SHARED to a folder that has {name}")
        return path

    return find


@pytest.fixture(scope="session")
def menagerie_folder() -> Path:
    root = Path(os.environ.get("MENAGERIE_ROOT") or REPOSITORY.parent / "shared" / "menagerie")
    if not root.is_dir():
        pytest.skip(f"no vendors' models: {root} does not exist; set MENAGERIE_ROOT to a checkout of MuJoCo Menagerie")
    return root


@pytest.fixture
def menagerie(menagerie_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, made known to `mujoco_menagerie`, so that nothing is downloaded."""
    monkeypatch.setenv("MENAGERIE_ROOT", str(menagerie_folder))
    return menagerie_folder


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """`fails(["eval", "here"], "no run.json")`: that command ends in an error of ours, which holds these texts."""

    def check(arguments: list[str], *expected: str) -> None:
        import zerogap

        assert zerogap.main(arguments) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert "Traceback" not in told
        for text in ("error:", *expected):
            assert text in told

    return check
