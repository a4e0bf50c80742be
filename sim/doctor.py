"""What works on this machine: `examine()` tries each part of zerogap and tells what to do where one fails.

Nothing is taken on trust: engines simulate, the renderer renders. Parts are tried one by one; what one raises is its finding.
"""

import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import mujoco
import numpy as np

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("assets", "sim", "envs", "rl", "sim2real", "benchmarks", "zerogap")
_CHECKOUT_ONLY = ("benchmarks",)

_NEEDED = (
    "mujoco", "mujoco-mjx", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "gymnasium", "imageio", "av",
    "mujoco-menagerie", "matplotlib", "rich", "tensorboardX", "trimesh", "tyro",
)  # fmt: skip
_OPTIONAL = {"mujoco-warp": "warp", "warp-lang": "warp", "viser": "view"}
_EXTRAS = {"warp": "the warp engine and pictures without OpenGL", "view": "the web page of `zerogap view`"}

# Without contacts the engines compile in seconds.
_BALL = """
<mujoco model="doctor">
  <option timestep="0.005"/>
  <worldbody>
    <light pos="0 0 3"/>
    <camera name="view" pos="0 -2 0.5" xyaxes="1 0 0 0 0.2 1"/>
    <geom name="floor" type="plane" size="0 0 0.05" contype="0" conaffinity="0"/>
    <body name="ball" pos="0 0 0.3"><freejoint/><geom size="0.1" rgba="0.9 0.3 0.1 1"/></body>
  </worldbody>
</mujoco>
"""
_STEPS = 20


@dataclass(frozen=True)
class Finding:
    """What was found out about one part."""

    name: str
    ok: bool | None
    """None where the part is optional and absent, or where there is nothing to judge."""
    detail: str
    """What was found."""
    remedy: str = ""
    """What to do, where it is not well."""


def examine() -> list[Finding]:
    """Everything, in some tens of seconds: engines compile before they run."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", check_python),
        ("packages", check_packages),
        ("import names", check_import_names),
        ("processors", check_processors),
        ("JAX", check_jax),
        ("compilation cache", check_compilation_cache),
        ("GPU memory", check_gpu_memory),
        *((f"engine {name}", lambda name=name: check_engine(name)) for name in ("native", "mjx", "warp")),
        ("rendering", check_rendering),
        ("Menagerie", check_menagerie),
    )
    return [_isolated(name, check) for name, check in checks]


def _isolated(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        told = str(error).strip().split("\n")[0] or "no message"
        return Finding(name, False, f"{type(error).__name__}: {told}", "reinstall what it names: pip install -U zerogap")


# The machine and its packages


def check_python() -> Finding:
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", False, told, "use Python 3.11, 3.12 or 3.13")
    return Finding("python", True, told)


def check_packages() -> Finding:
    """Versions of what zerogap uses; whether MuJoCo and its JAX and Warp editions fit together."""
    versions = {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    missing = [name for name in _NEEDED if versions[name] is None]
    if missing:
        return Finding("packages", False, f"missing: {', '.join(missing)}; found: {told}", f"pip install {' '.join(missing)}")
    if _major(versions["mujoco"]) < 4:
        return Finding("packages", False, told, "pip install 'mujoco>=4': older ones have no mujoco.batch")
    absent = {extra for name, extra in _OPTIONAL.items() if versions[name] is None}
    remedies = [f"for {purpose}: pip install 'zerogap[{extra}]'" for extra, purpose in _EXTRAS.items() if extra in absent]
    return Finding("packages", True, told, "; ".join(remedies))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _major(version: str | None) -> int:
    found = re.match(r"\d+", version or "")
    return int(found.group()) if found else 0


def check_import_names() -> Finding:
    """Whether `import sim` and the like find zerogap's own packages, and no other distribution's or folder's of that name."""
    problems = []
    for name in _PACKAGES:
        if not (_ROOT / name).is_dir() and not (_ROOT / f"{name}.py").is_file():
            if name not in _CHECKOUT_ONLY:
                problems.append(f"{name} is missing beside {_ROOT / 'sim'}")
            continue
        places = list(_places(name))
        if not places or places[0].parent != _ROOT:
            problems.append(f"`import {name}` finds {places[0] if places else 'nothing'}, expected {_ROOT / name}")
    owners = importlib.metadata.packages_distributions()
    for name in _PACKAGES:
        others = sorted({owner for owner in owners.get(name, ()) if owner.lower() != "zerogap"})
        if others:
            problems.append(f"distribution {others[0]} installs a top-level {name!r}, too")
    if problems:
        remedy = "remove or rename the other one, or give zerogap an environment of its own: python -m venv .venv"
        return Finding("import names", False, "; ".join(problems), remedy)
    return Finding("import names", True, f"{', '.join(_PACKAGES)}: all of {_ROOT}")


def _places(name: str) -> Iterator[Path]:
    """Where an import finds it: the file of a module, the folders of a package."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    if spec.submodule_search_locations:
        yield from (Path(place).resolve() for place in spec.submodule_search_locations)
    elif spec.origin:
        yield Path(spec.origin).resolve()


def check_processors() -> Finding:
    """The native engine runs a thread per processor; a container may grant less than it shows."""
    total = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    quota = _cpu_quota()
    told = f"{total} processors, {allowed} of them for this process"
    told += f", a quota of {quota:g}" if quota is not None else ""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    told += f"; load {load:.1f}"
    granted = min(allowed, math.inf if quota is None else quota)
    if granted < total:
        remedy = (
            f"the native engine starts {total} threads where {granted:g} processors are granted: name fewer, as in "
            f"NativePhysics(model, num_envs, num_threads={max(1, int(granted))}), or grant more"
        )
        return Finding("processors", None, told, remedy)
    if load > 0.5 * total:
        return Finding("processors", None, told, "other programs are busy: simulation and timings will suffer")
    return Finding("processors", True, told)


def _cpu_quota() -> float | None:
    """Processors' worth of time that control groups grant, version 2 or 1; None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        folder = Path("/sys/fs/cgroup/cpu")
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return None if quota < 0 else quota / period
    except (OSError, ValueError):
        return None


# JAX


def check_jax() -> Finding:
    """Backend and devices, and whether they compute."""
    devices = jax.devices()
    told = f"backend {jax.default_backend()}: {', '.join(_device(device) for device in devices)}"
    twice = float(jax.jit(lambda x: 2.0 * x)(1.5))
    if twice != 3.0:
        return Finding("JAX", False, f"{told}; 2 x 1.5 gave {twice}", "reinstall jax and jaxlib")
    if jax.default_backend() == "cpu" and shutil.which("nvidia-smi"):
        remedy = (
            "there is an NVIDIA driver, but JAX uses the CPU: pip install 'zerogap[cuda]'"
            if "JAX_PLATFORMS" not in os.environ
            else f"there is an NVIDIA driver, but JAX_PLATFORMS is {os.environ['JAX_PLATFORMS']!r}: unset it to use the GPU"
        )
        return Finding("JAX", None, told, remedy)
    return Finding("JAX", True, told)


def _device(device: Any) -> str:
    return f"{device.device_kind} ({device.platform}:{device.id})"


def check_compilation_cache() -> Finding:
    """Where compiled programs are kept, so that a second start is quick."""
    config: Any = jax.config  # its settings are no attributes to a type checker
    place = config.jax_compilation_cache_dir
    if not place:
        remedy = "the zerogap command sets one; in your own scripts set JAX_COMPILATION_CACHE_DIR to a folder"
        return Finding("compilation cache", None, "none: every start compiles anew", remedy)
    folder = Path(place)
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = "set JAX_COMPILATION_CACHE_DIR to a folder that can be written to"
        return Finding("compilation cache", False, f"{folder}: not writable", remedy)
    sizes = [file.stat().st_size for file in folder.glob("*") if file.is_file()] if folder.is_dir() else []
    return Finding("compilation cache", True, f"{folder}: {len(sizes)} programs, {sum(sizes) / 2**20:.0f} MiB")


def check_gpu_memory() -> Finding:
    """JAX takes most of a GPU's memory at its start, and Warp allocates beside it."""
    if jax.default_backend() != "gpu":
        return Finding("GPU memory", True, "no GPU in use: nothing to share")
    preallocates = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true").lower() not in ("false", "0")
    fraction = os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION")
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    told = f"JAX may take {limit / 2**30:.1f} GiB" if limit else "JAX does not tell its limit"
    told += ", all at its start" if preallocates else ", as it needs it"
    if fraction is None:
        remedy = "where the warp engine runs out of memory, leave it more: XLA_PYTHON_CLIENT_MEM_FRACTION=0.5 zerogap ..."
        return Finding("GPU memory", True, f"{told} (three quarters, by default); Warp has the rest", remedy)
    return Finding("GPU memory", True, f"{told} (XLA_PYTHON_CLIENT_MEM_FRACTION={fraction}); Warp has the rest")


# The simulation


def check_engine(name: str) -> Finding:
    """Let a ball fall for a tenth of a second, and compare with the law of falling."""
    from sim.engine import make_physics

    label = f"engine {name}"
    if name == "warp" and importlib.util.find_spec("mujoco_warp") is None:
        return Finding(label, None, "MuJoCo Warp is not installed", "for NVIDIA GPUs: pip install 'zerogap[warp]'")
    if name == "warp":
        import warp

        warp.config.log_level = warp.LOG_WARNING  # else it tells of each kernel
    model = mujoco.MjModel.from_xml_string(_BALL)
    if name == "native" and jax.default_backend() != "cpu":
        return Finding(
            label, None, f"JAX computes on {jax.default_backend()}", "to have it: JAX_PLATFORMS=cpu in the environment"
        )
    physics = make_physics(model, num_envs=2, engine=name)
    state = physics.step(physics.init({}), jax.numpy.zeros((2, model.nu)), _STEPS)
    heights = np.asarray(state.qpos)[:, 2]
    dt = float(model.opt.timestep)
    expected = 0.3 - 9.81 * dt**2 * _STEPS * (_STEPS + 1) / 2  # semi-implicit Euler
    if not np.allclose(heights, expected, atol=1e-5) or np.asarray(state.diverged).any():
        found = f"a ball that falls for {_STEPS * dt:g} s is at {heights.tolist()} m, expected {expected:.5f} m"
        return Finding(label, False, found, "the engine computes wrongly here: choose another, and please report it")
    return Finding(label, True, f"simulates on {jax.default_backend()}")


def check_rendering() -> Finding:
    """Whether pictures and videos can be made, and by what."""
    from sim.render import INSTALL_HINT, RenderError, find_backend, make_renderer

    model = mujoco.MjModel.from_xml_string(_BALL)
    try:
        backend = find_backend()
        with make_renderer(model, 64, 48, backend=backend) as renderer:
            image = renderer.frame(model.qpos0)
    except RenderError as error:
        return Finding("rendering", None, str(error).removesuffix(f": {INSTALL_HINT}"), INSTALL_HINT)
    if np.ptp(image) < 30:
        remedy = "set the environment variable MUJOCO_GL to another backend, or to disable"
        return Finding("rendering", False, f"{backend} draws an empty picture", remedy)
    wish = os.environ.get("MUJOCO_GL")
    return Finding("rendering", True, f"renders with {backend}" + (f" (MUJOCO_GL={wish})" if wish else ""))


def check_menagerie() -> Finding:
    """Whether models of MuJoCo Menagerie are at hand, or will be downloaded."""
    import mujoco_menagerie

    robots = mujoco_menagerie.robots()
    told = f"mujoco-menagerie {mujoco_menagerie.__version__}, {len(robots)} robots"
    root = os.environ.get("MENAGERIE_ROOT")
    if root:
        if not Path(root).is_dir():
            return Finding("Menagerie", False, f"MENAGERIE_ROOT={root} is no folder", "unset it, or name a checkout of it")
        here = [robot.name for robot in robots if (Path(root) / robot.name).is_dir()]
        return Finding("Menagerie", True, f"{told}, {len(here)} of them in MENAGERIE_ROOT={root}")
    cache = mujoco_menagerie.Cache()
    here = [robot.name for robot in robots if cache.is_cached(robot)]
    if not here:
        remedy = "without a network fetch them before: mujoco-menagerie prefetch ROBOT"
        return Finding("Menagerie", True, f"{told}; none downloaded yet, each will be on its first use", remedy)
    return Finding("Menagerie", True, f"{told}; downloaded: {', '.join(here)}")
