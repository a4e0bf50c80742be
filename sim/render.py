"""Pictures of a robot and videos of it, with or without a display, a GPU or OpenGL.

    with make_renderer(task.scene().compile(), width=960, height=540) as renderer:
        frames = (renderer.frame(qpos) for qpos in trajectory)          # qpos (nq,) -> uint8 (height, width, 3)
        write_video(Path("walk.mp4"), frames, fps=50, num_frames=len(trajectory))

Backends, in the order in which they are tried: on Linux `egl` (Debian's libegl1; on a GPU where its driver offers it) and
`osmesa` (libosmesa6; on the CPU), on a Mac `cgl`, on Windows `glfw`; then `raycast`, MuJoCo Warp's ray caster, which needs no
OpenGL and gives nearly the same picture. The environment variable MUJOCO_GL names the one OpenGL backend to try, or "disable"
for none. Whoever has something to lose catches RenderError: a picture is never worth a finished training.
"""

import copy
import functools
import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, cast

import mujoco
import numpy as np

from assets.errors import UserError
from assets.scene import VIEW
from assets.whole_file import whole_file
from sim.shapes import shown_groups

Backend = Literal["egl", "osmesa", "glfw", "cgl", "raycast"]

INSTALL_HINT = (
    "install an OpenGL that needs no display (Debian, Ubuntu: `apt install libegl1` or `apt install libosmesa6`) "
    "or MuJoCo Warp's ray caster: pip install 'zerogap[warp]'"
)
_NO_GL = ("disable", "disabled", "off", "false", "0")
_ANY_GL = ("", "enable", "enabled", "on", "true", "1")
_PROBE_SECONDS = 60

# Model fields that decide what is seen; all others leave a picture as it is.
_VISIBLE = (
    "body_pos",
    "body_quat",
    "cam_fovy",
    "cam_pos",
    "cam_quat",
    "geom_pos",
    "geom_quat",
    "geom_rgba",
    "geom_size",
    "jnt_axis",
    "jnt_pos",
    "light_dir",
    "light_pos",
    "mat_rgba",
    "qpos0",
)

# Renders a red sphere; in a process of its own, as drivers crash and a failed import of PyOpenGL can't be undone.
_PROBE = """
import importlib, os, sys
os.environ["MUJOCO_GL"] = sys.argv[1]
import mujoco, numpy as np
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><geom size='1' rgba='1 0 0 1'/><camera pos='0 0 3'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
gl = mujoco.MjrContext(model, 100)
mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, gl)
camera = mujoco.MjvCamera()
camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
scene = mujoco.MjvScene(model, 10)
mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
image = np.zeros((16, 16, 3), np.uint8)
mujoco.mjr_render(mujoco.MjrRect(0, 0, 16, 16), scene, gl)
mujoco.mjr_readPixels(image, None, mujoco.MjrRect(0, 0, 16, 16), gl)
sys.stdout.write("seen" if image[8, 8, 0] > 50 else "it draws nothing")
sys.stdout.flush()
os._exit(0)
"""


class RenderError(UserError, RuntimeError):
    """No picture, or no video; the message says why, and what to install or to change."""


class Renderer(Protocol):
    """Draws one robot. Use as a context, or call `close`."""

    @property
    def backend(self) -> Backend: ...

    def frame(self, qpos: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        """The picture at generalised positions (nq,), uint8 (height, width, 3).

        `fields` are model fields of this robot by their MuJoCo names, each in its shape in MjModel. Those that show (sizes,
        positions, colours) hold for this frame only; the others are ignored.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> "Renderer": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def make_renderer(
    model: mujoco.MjModel, width: int = 960, height: int = 540, camera: str = VIEW, backend: Backend | None = None
) -> Renderer:
    """A renderer of `width` by `height` pixels through a camera of the model; by default on this machine's best backend.

    Every scene of `assets.scene` has the camera VIEW, which follows its robot. A model of `compile_for_physics` is shown by the
    shapes that it collides with.

    Raises RenderError where there is no such camera, or nothing to render with.
    """
    if width < 1 or height < 1:
        raise RenderError(f"a picture of {width} by {height} pixels: expected at least 1 by 1")
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
    if index < 0:
        have = ", ".join(repr(model.camera(i).name) for i in range(model.ncam)) or "none"
        raise RenderError(
            f"the model has no camera {camera!r} (it has: {have}): name one of those, or add one to its spec; "
            "`assets.scene.scene_spec` does"
        )
    backend = backend or find_backend()
    pose = _Pose(model)
    try:
        if backend == "raycast":
            return _RayCaster(pose, width, height, index)
        return _OpenGL(pose, width, height, index, backend)
    except Exception as error:
        raise RenderError(f"{backend} does not render: {type(error).__name__}: {error}; {INSTALL_HINT}") from error


def find_backend() -> Backend:
    """What this machine renders with. The first call takes seconds, as it tries.

    Raises RenderError where there is nothing.
    """
    reasons = []
    for backend in _opengl_candidates(os.environ.get("MUJOCO_GL", "").lower().strip()):
        reason = _probe(backend)
        if reason is None:
            return backend
        reasons.append(f"{backend}: {reason}")
    if importlib.util.find_spec("mujoco_warp") is not None:
        return "raycast"
    reasons.append("raycast: MuJoCo Warp is not installed")
    raise RenderError(f"nothing to render with ({'; '.join(reasons)}): {INSTALL_HINT}")


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float,
    num_frames: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write frames, uint8 (height, width, 3), as an MP4 that browsers play (H.264, 4:2:0), whole or not at all.

    `progress` is called with the share done, in [0, 1], where `num_frames` is given. H.264 wants even sizes: an odd last row or
    column of pixels is cut off.

    Raises RenderError; errors of the frames themselves pass through.
    """
    import imageio.v3 as iio
    from av.error import FFmpegError
    from imageio.plugins.pyav import PyAVPlugin

    path = Path(path)
    shape = None
    with whole_file(path, RenderError) as partial:
        try:
            # faststart: the index comes first, so that a browser can play before it has loaded all
            options = {"movflags": "faststart"}
            with iio.imopen(partial, "w", plugin=PyAVPlugin, container="mp4", options=options) as video:
                video.init_video_stream("libx264", fps=fps, pixel_format="yuv420p")
                for i, frame in enumerate(frames):
                    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != (shape or (*frame.shape[:2], 3)):
                        expected = shape or "(height, width, 3)"
                        raise RenderError(f"frame {i} is {frame.dtype} {frame.shape}, expected uint8 {expected}")
                    shape = frame.shape
                    video.write_frame(np.ascontiguousarray(frame[: shape[0] // 2 * 2, : shape[1] // 2 * 2]))
                    if progress is not None and num_frames:
                        progress(min((i + 1) / num_frames, 1.0))
        except FFmpegError as error:
            raise RenderError(f"cannot write the video {path}: {error}") from error
        if shape is None:
            raise RenderError(f"no frames for {path}: expected at least one")


def show_geoms(model: mujoco.MjModel, physics: mujoco.MjModel, fields: Mapping[str, np.ndarray]) -> None:
    """Place and size the geoms of a model that is to be drawn as an environment has them: the named ones of the model that
    simulates, `physics`, of which `fields` are the environment's own model fields."""
    rows = {model.geom(i).name: i for i in range(model.ngeom)}
    pairs = [(rows[name], i) for i in range(physics.ngeom) if (name := physics.geom(i).name) and name in rows]
    if pairs:
        shown, simulated = np.array(pairs).T
        for name in ("geom_pos", "geom_quat", "geom_size"):
            if name in fields:
                getattr(model, name)[shown] = np.asarray(fields[name])[simulated]


# Which OpenGL


def _opengl_candidates(wish: str) -> tuple[Backend, ...]:
    if wish in _NO_GL:
        return ()
    if wish not in _ANY_GL:
        return (cast(Backend, {"glx": "glfw", "wgl": "glfw"}.get(wish, wish)),)
    if sys.platform == "darwin":
        return ("cgl",)
    return ("glfw",) if sys.platform == "win32" else ("egl", "osmesa")


@functools.cache
def _probe(backend: Backend) -> str | None:
    """Why the backend can't be used, or None where it can."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, backend], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.stdout.endswith("seen"):
        return None
    last = done.stderr.strip().splitlines()[-1:] or [done.stdout]
    return last[0] or f"exit status {done.returncode}"


# Where things are


class _Pose:
    """The model with one robot's fields, and where its parts are."""

    def __init__(self, model: mujoco.MjModel):
        self._nominal = model
        self.model = copy.copy(model)
        self.data = mujoco.MjData(self.model)
        self._changed: tuple[str, ...] = ()
        self.groups = shown_groups(model)

    def set(self, qpos: np.ndarray, fields: Mapping[str, np.ndarray] | None) -> None:
        m, d = self.model, self.data
        qpos = np.asarray(qpos)
        if qpos.shape != (m.nq,):
            raise RenderError(f"qpos has shape {qpos.shape}, expected ({m.nq},): the positions of one robot of this model")
        if not np.isfinite(qpos).all():
            raise RenderError(f"qpos[{np.flatnonzero(~np.isfinite(qpos))[0]}] is not finite: such a state has no picture")
        self._set_fields(fields or {})
        d.qpos[:] = qpos
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        mujoco.mj_camlight(m, d)
        mujoco.mj_flex(m, d)
        mujoco.mj_tendon(m, d)

    def _set_fields(self, fields: Mapping[str, np.ndarray]) -> None:
        for name in self._changed:
            getattr(self.model, name)[...] = getattr(self._nominal, name)
        self._changed = tuple(name for name in _VISIBLE if name in fields)
        for name in self._changed:
            ours, value = getattr(self.model, name), np.asarray(fields[name])
            if value.shape != ours.shape:
                raise RenderError(
                    f"model field {name!r} has shape {value.shape}, expected {ours.shape}: it is another model's; "
                    "draw the one that was simulated"
                )
            ours[...] = value


class _Closing:
    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


# MuJoCo's own renderer


class _OpenGL(_Closing):
    """`mujoco.Renderer` would do, but for the backend that it chose when mujoco was imported."""

    def __init__(self, pose: _Pose, width: int, height: int, camera: int, backend: Backend):
        self.backend: Backend = backend
        self._pose, self._width, self._height = pose, width, height
        model = pose.model
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        with _mujoco_gl(backend):
            self._gl = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=4 * model.ngeom + 1000)
        self._camera = mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, camera
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = np.isin(np.arange(len(self._option.geomgroup)), pose.groups)

    def frame(self, qpos: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        if self._context is None:
            raise RenderError("the renderer is closed: make a new one")
        pose, rectangle = self._pose, mujoco.MjrRect(0, 0, self._width, self._height)
        pose.set(qpos, fields)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(pose.model, pose.data, self._option, None, self._camera, everything, self._scene)
        image = np.empty((self._height, self._width, 3), np.uint8)
        self._gl.make_current()  # there may be other renderers
        mujoco.mjr_render(rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(image, None, rectangle, self._context)
        return np.ascontiguousarray(image[::-1])  # OpenGL counts rows from the bottom

    def close(self) -> None:
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._context = None


@contextmanager
def _mujoco_gl(backend: Backend) -> Iterator[None]:
    """MuJoCo's C library reads the variable when it looks up OpenGL's functions."""
    before = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = backend
    try:
        yield
    finally:
        if before is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = before


# MuJoCo Warp's ray caster

_POSES = ("geom_xpos", "geom_xmat", "cam_xpos", "cam_xmat", "light_xpos", "light_xdir", "flexvert_xpos")
_LOOKS = ("geom_size", "geom_rgba", "mat_rgba")


class _RayCaster(_Closing):
    """Kinematics are MuJoCo's; Warp gets where everything is, and casts a ray for each pixel (four, on a GPU)."""

    backend: Backend = "raycast"

    def __init__(self, pose: _Pose, width: int, height: int, camera: int):
        import warp as wp

        wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)  # else it tells of each kernel that it compiles
        import mujoco_warp

        # Warp refuses models whose dynamics it has no code for; here nothing moves by itself.
        option = pose.model.opt
        option.disableflags = option.enableflags = option.noslip_iterations = 0
        option.integrator = mujoco.mjtIntegrator.mjINT_EULER.value
        option.solver, option.cone = mujoco.mjtSolver.mjSOL_NEWTON.value, mujoco.mjtCone.mjCONE_PYRAMIDAL.value
        self._pose, self._width, self._height = pose, width, height
        self._mjw: Any = mujoco_warp
        self._wp: Any = wp
        self._device = "cuda:0" if wp.is_cuda_available() else "cpu"
        with wp.ScopedDevice(self._device):
            self._model: Any = mujoco_warp.put_model(pose.model)
            self._data: Any = mujoco_warp.make_data(pose.model, nworld=1)
            self._context: Any = mujoco_warp.create_render_context(
                pose.model,
                nworld=1,
                cam_active=[camera],
                cam_res=(width, height),
                render_rgb=True,
                render_depth=False,
                render_seg=False,
                use_shadows=True,
                render_skybox=True,
                enabled_geom_groups=list(pose.groups),
                samples_per_pixel=1 if self._device == "cpu" else 2,
            )

    def frame(self, qpos: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        if self._context is None:
            raise RenderError("the renderer is closed: make a new one")
        pose = self._pose
        pose.set(qpos, fields)
        with self._wp.ScopedDevice(self._device):
            for owner, source, names in ((self._data, pose.data, _POSES), (self._model, pose.model, _LOOKS)):
                for name in names:
                    value, array = np.asarray(getattr(source, name), np.float32), getattr(owner, name)
                    if value.size:
                        array.assign(value.reshape(array.numpy().shape))
            self._mjw.refit_bvh(self._model, self._data, self._context)
            self._mjw.render(self._model, self._data, self._context)
            pixels = self._context.rgb_data.numpy()[0]  # 0xAARRGGBB
        return np.ascontiguousarray(pixels.astype("<u4").view(np.uint8).reshape(self._height, self._width, 4)[..., 2::-1])

    def close(self) -> None:
        self._context = self._data = self._model = None
