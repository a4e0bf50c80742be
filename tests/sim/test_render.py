"""Frames and videos, by each backend that this machine has."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import mujoco
import numpy as np
import pytest

from assets.robots import GO2
from assets.scene import compile_for_physics, scene_spec
from sim import render
from sim.render import RenderError, find_backend, make_renderer, write_video

_BALL = """
<mujoco>
  <option integrator="implicit" cone="elliptic"><flag midphase="disable"/></option>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <camera name="view" pos="0 -3 0" xyaxes="1 0 0 0 0 1" fovy="45"/>
    <camera name="above" pos="0 0 3" fovy="45"/>
    <body name="ball"><freejoint/><geom name="ball" size="0.4" rgba="1 0 0 1"/></body>
  </worldbody>
</mujoco>
"""
_WIDTH, _HEIGHT = 64, 48


@pytest.fixture(scope="module")
def ball() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_BALL)


@pytest.fixture(scope="module")
def here() -> render.Backend:
    """The backend to test what all share with."""
    try:
        return find_backend()
    except RenderError as error:
        pytest.skip(str(error))


def _red(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 120) & (image[..., 1] < 90)


# A process can render with one OpenGL only: each gets its own.
_DRAW = """
import sys
import mujoco, numpy as np
from sim.render import RenderError, find_backend, make_renderer
model = mujoco.MjModel.from_xml_path(sys.argv[1])
try:
    backend = find_backend()
except RenderError as error:
    sys.exit(f"skip: {error}")
with make_renderer(model, 64, 48) as renderer:
    np.savez(sys.argv[2], *(renderer.frame(np.array([x, 0, z, 1, 0, 0, 0])) for x, z in ((0.7, 0.4), (0, 0))))
print(backend)
"""


@pytest.mark.parametrize("backend", ["egl", "osmesa", "raycast"])
def test_each_backend_draws_the_ball_where_it_is(backend: render.Backend, tmp_path: Path) -> None:
    if backend == "raycast":
        pytest.importorskip("mujoco_warp")
    (tmp_path / "ball.xml").write_text(_BALL)
    env = {name: value for name, value in os.environ.items() if name != "PYOPENGL_PLATFORM"}
    env |= {"MUJOCO_GL": "disable" if backend == "raycast" else backend, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", _DRAW, str(tmp_path / "ball.xml"), str(tmp_path / "images.npz")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    # Where this OpenGL is absent, the ray caster steps in.
    if "skip: " in done.stderr or (done.returncode == 0 and done.stdout.split()[-1] != backend):
        pytest.skip(f"no {backend} here: {done.stderr}")
    assert not done.returncode, done.stderr
    images = list(np.load(tmp_path / "images.npz").values())
    assert [(image.shape, image.dtype) for image in images] == 2 * [((_HEIGHT, _WIDTH, 3), np.uint8)]
    half_width, half_height = _WIDTH / 2, _HEIGHT / 2
    scale = half_height / (3 * np.tan(np.deg2rad(45) / 2))  # pixels per metre at the ball's distance
    for image, (x, z) in zip(images, ((0.7, 0.4), (0.0, 0.0)), strict=True):
        rows, columns = np.nonzero(_red(image))
        assert columns.mean() + 0.5 == pytest.approx(half_width + scale * x, abs=1.5)
        assert rows.mean() + 0.5 == pytest.approx(half_height - scale * z, abs=1.5)
        assert rows.size == pytest.approx(np.pi * (0.4 * scale) ** 2, rel=0.15)


def test_fields_of_one_robot_show_in_its_frame_only(ball: mujoco.MjModel, here: render.Backend) -> None:
    small = {"geom_size": 0.5 * ball.geom_size, "geom_friction": np.zeros(7)}  # friction is not seen, whatever its shape
    with make_renderer(ball, _WIDTH, _HEIGHT, backend=here) as renderer:
        usual, shrunk, again = (int(_red(renderer.frame(ball.qpos0, fields)).sum()) for fields in (None, small, {}))
    assert shrunk == pytest.approx(usual / 4, rel=0.25)
    assert again == usual
    assert ball.geom_size[0, 0] == 0.4


def test_the_view_of_a_scene_keeps_a_walking_robot_in_the_picture(here: render.Backend) -> None:
    model = scene_spec(GO2).compile()
    qpos = np.array(model.qpos0)
    qpos[2], qpos[7:] = GO2.standing_height, GO2.default_pose
    far = qpos.copy()
    far[:2] += 20.0  # a whole number of the floor's checks
    with make_renderer(model, 128, 96, backend=here) as renderer:
        first, second = renderer.frame(qpos).astype(float), renderer.frame(far).astype(float)
    assert np.abs(first - second)[24:].mean() < 3.0  # the horizon aside
    bright = first.min(axis=2) > 140
    rows, columns = np.nonzero(bright[24:])
    assert 40 < columns.mean() < 88
    assert rows.size > 200


def test_a_model_for_physics_is_shown_by_its_collision_shapes(here: render.Backend) -> None:
    model = compile_for_physics(scene_spec(GO2))
    qpos = np.array(model.qpos0)
    qpos[2] = GO2.standing_height
    away = qpos.copy()
    away[2] = -5.0
    with make_renderer(model, 64, 48, backend=here) as renderer:
        assert np.abs(renderer.frame(qpos).astype(float) - renderer.frame(away)).max() > 30


def test_errors_name_what_was_expected(ball: mujoco.MjModel, here: render.Backend) -> None:
    with pytest.raises(RenderError, match=r"no camera 'side'.*'view', 'above'"):
        make_renderer(ball, camera="side")
    with pytest.raises(RenderError, match="0 by 48"):
        make_renderer(ball, 0, 48)
    with make_renderer(ball, _WIDTH, _HEIGHT, backend=here) as renderer:
        with pytest.raises(RenderError, match=r"\(3,\), expected \(7,\)"):
            renderer.frame(np.zeros(3))
        with pytest.raises(RenderError, match=r"qpos\[2\] is not finite"):
            renderer.frame(np.array([0, 0, np.nan, 1, 0, 0, 0]))
        with pytest.raises(RenderError, match="'geom_size' has shape"):
            renderer.frame(ball.qpos0, {"geom_size": np.zeros((9, 3))})
    with pytest.raises(RenderError, match="closed"):
        renderer.frame(ball.qpos0)


def test_without_opengl_the_ray_caster_is_found_and_without_both_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disable")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert find_backend() == "raycast"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RenderError, match=r"libegl1.*libosmesa6.*zerogap\[warp\]"):
        find_backend()


def test_a_backend_that_does_not_work_is_found_out_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")  # at odds with it
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    render._probe.cache_clear()
    try:
        with pytest.raises(RenderError, match=r"egl: .*PYOPENGL_PLATFORM"):
            find_backend()
    finally:
        render._probe.cache_clear()


# Videos


def _gray(n: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    return (np.full((height, width, 3), 20 * i, np.uint8) for i in range(n))


def test_a_video_is_h264_that_browsers_play_and_holds_every_frame(tmp_path: Path) -> None:
    path, shares = tmp_path / "new" / "walk.mp4", []
    write_video(path, _gray(10, height=49), fps=25, num_frames=10, progress=shares.append)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (64, 48, 25)
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in file.decode(stream)]
    assert levels == pytest.approx([20.0 * i for i in range(10)], abs=4.0)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_video_that_fails_leaves_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"the old one")

    def failing() -> Iterator[np.ndarray]:
        yield from _gray(3)
        raise KeyError("the policy is gone")

    with pytest.raises(KeyError, match="policy"):
        write_video(path, failing(), fps=25)
    with pytest.raises(RenderError, match="frame 1 is uint8"):
        write_video(path, [np.zeros((4, 4, 3), np.uint8), np.zeros((8, 4, 3), np.uint8)], fps=25)
    with pytest.raises(RenderError, match="no frames"):
        write_video(path, [], fps=25)
    assert [p.name for p in tmp_path.iterdir()] == ["walk.mp4"]
    assert path.read_bytes() == b"the old one"


def test_a_video_that_cannot_be_written_is_a_render_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RenderError, match=r"cannot write .*walk\.mp4"):
        write_video(tmp_path / "file" / "walk.mp4", _gray(2), fps=25)
