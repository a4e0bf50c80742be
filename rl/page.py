"""The web page of `zerogap view`: robots side by side, sliders for their commands, buttons and figures.

    with open_server("127.0.0.1", 8080) as server:
        page = Page(server, task, model, sliders, draw_command, num_envs=4, has_pushes=True)
        page.show(qpos, command)                # (4, nq), (4, size): as often as the picture is to change
        page.tell(figures)
        wishes = page.wishes()                  # what was asked on the page since the last call

The page is viser's, in any number of tabs, which share sliders and buttons. MuJoCo's own web viewer was the other choice: it
draws better, but it listens on every network interface, has one tab in control while others look on, and runs on nothing but
localhost or HTTPS. viser's page holds all it needs: it fetches nothing from elsewhere. What is yet to be sent to a tab is kept
per property, the newest only, so that a slow one misses pictures and nothing piles up.
"""

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from assets.errors import UserError
from envs.task import Task
from rl.stage import Shown, Stage
from sim.shapes import body_shapes, unshown

if TYPE_CHECKING:
    import viser

_PLATE = (150, 158, 168)
_TILE = (118, 126, 138)
_SKY = (np.array([126, 150, 180]), np.array([226, 234, 243]))
_THICKNESS = 0.02  # of a plate, of its side


class PageError(UserError, RuntimeError):
    """The page cannot be served; the message says why and what to do."""


@dataclass(frozen=True)
class Slider:
    name: str
    low: float
    high: float
    step: float
    value: float


@dataclass(frozen=True)
class Wishes:
    """What is asked on the page."""

    paused: bool = False
    command: np.ndarray | None = None
    """Of every robot, by the sliders; None where the task draws commands."""
    reset: bool = False
    push: bool = False


@contextlib.contextmanager
def open_server(host: str, port: int) -> Iterator["viser.ViserServer"]:
    """A web server without a page yet. Port 0 is one that is free. Raises PageError."""
    try:
        import viser
    except ModuleNotFoundError as error:
        if error.name != "viser":
            raise
        raise PageError("the page needs viser: pip install 'zerogap[view]'") from None
    _check_address(host, port)  # viser would take the next port, or try for ever

    class Server(viser.ViserServer):
        def request_share_url(self, verbose: bool = True) -> None:
            """Any tab could ask viser for a public address of this page."""

    # A browser opens connections that it may never use, and each would be told of with a traceback.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells its address, which is not yet that of a page
        server = Server(host, port, verbose=False)
    try:
        yield server
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()


def address(server: "viser.ViserServer") -> str:
    """Where a browser on this machine finds the page."""
    host = server.get_host()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{server.get_port()}"


class Picture:
    """The robots of a page, without any controls."""

    def __init__(self, server: "viser.ViserServer", task: Shown, model: mujoco.MjModel, num_envs: int):
        self._server = server
        self._stage = Stage(task, num_envs, model)
        self.unshown = unshown(self._stage.model)
        """What the task's scene has and the page cannot show."""
        self._bodies: dict[int, Any] = {}
        self._plates: Any = None
        self._tiles: Any = None
        self._set_scene()

    def show(self, qpos: np.ndarray, command: np.ndarray) -> None:
        """Draw the robots at positions (num_envs, nq), with what the task shows of commands (num_envs, size)."""
        scenery = self._stage.place(qpos, command)
        if not self._bodies:
            self._build(scenery)
        with self._server.atomic():
            for body, handle in self._bodies.items():
                handle.batched_positions = scenery.body_position[body]
                handle.batched_wxyzs = scenery.body_quat[body]
            if self._plates is not None:
                self._plates.batched_positions = scenery.plate_position
                self._tiles.batched_positions = scenery.tile_position
                self._tiles.batched_scales = _flat(scenery.tile_size)

    def _set_scene(self) -> None:
        scene, stage = self._server.scene, self._stage
        scene.set_up_direction("+z")
        # viser's own map of light from all sides keeps the page pale until it is loaded, which is long without a GPU.
        scene.configure_environment_map(None)
        scene.add_light_hemisphere("/sky", sky_color=(255, 255, 255), ground_color=(150, 155, 165), intensity=1.3)
        shade = np.linspace(0.0, 1.0, 256)[:, None, None]
        scene.set_background_image(((1 - shade) * _SKY[0] + shade * _SKY[1]).repeat(4, axis=1).astype(np.uint8), format="png")
        position, at = stage.camera
        camera = self._server.initial_camera
        camera.fov = np.deg2rad(40.0)
        camera.near, camera.far = 0.01 * stage.side, 1000.0
        camera.position, camera.look_at = position, at

    def _build(self, scenery: Any) -> None:
        scene, stage = self._server.scene, self._stage
        for body, shape in body_shapes(stage.model).items():
            # What stands on ground that all share is there once.
            count = 1 if stage.shared and stage.model.body_weldid[body] == 0 else stage.num_envs
            self._bodies[body] = scene.add_batched_glb(
                f"/robots/{stage.model.body(body).name or body}",
                shape,
                scenery.body_quat[body][:count],
                scenery.body_position[body][:count],
                lod="off",
            )
        if len(scenery.plate_position):
            self._plates = scene.add_batched_meshes_simple(
                "/floor/plates",
                *_slab(stage.side, _THICKNESS * stage.side),
                scenery.plate_quat,
                scenery.plate_position,
                batched_colors=_PLATE,
                flat_shading=True,
                lod="off",
                cast_shadow=False,
            )
            self._tiles = scene.add_batched_meshes_simple(
                "/floor/tiles",
                *_square(0.001 * stage.side),
                scenery.tile_quat,
                scenery.tile_position,
                batched_scales=_flat(scenery.tile_size),
                batched_colors=_TILE,
                lod="off",
                cast_shadow=False,
            )
        if not stage.shared and stage.num_envs > 1:
            for i, cell in enumerate(stage.cells):
                corner = cell + stage.side / 2 * np.array([-0.98, -0.98, 0.0])
                scene.add_label(f"/labels/{i + 1}", str(i + 1), position=corner, anchor="bottom-left", depth_test=True)


class Page(Picture):
    """`draw_command` gives a command of the task, for the button that sets the sliders to one."""

    def __init__(
        self,
        server: "viser.ViserServer",
        task: Task,
        model: mujoco.MjModel,
        sliders: Sequence[Slider],
        draw_command: Callable[[], np.ndarray],
        num_envs: int,
        has_pushes: bool,
    ):
        super().__init__(server, task, model, num_envs)
        self._reset, self._push = threading.Event(), threading.Event()
        self._paused = False
        self._set_controls(task, sliders, draw_command, num_envs, has_pushes)

    def tell(self, figures: Mapping[str, str]) -> None:
        """Show figures by their names."""
        self._figures.content = table(figures)

    def wishes(self) -> Wishes:
        """What was asked since the last call, and what is asked as long as it is not taken back."""
        reset, push = self._reset.is_set(), self._push.is_set()
        for asked, event in ((reset, self._reset), (push, self._push)):
            if asked:
                event.clear()
        command = None if self._by_task.value else np.array([slider.value for slider in self._sliders], np.float32)
        return Wishes(self._paused, command, reset, push)

    def _set_controls(
        self,
        task: Task,
        sliders: Sequence[Slider],
        draw_command: Callable[[], np.ndarray],
        num_envs: int,
        has_pushes: bool,
    ) -> None:
        import viser

        gui = self._server.gui
        gui.configure_theme(show_share_button=False, show_logo=False)
        gui.main_panel.dock_right()  # floating it hides robots
        robots = f"{num_envs} robots" if num_envs > 1 else "1 robot"
        gui.set_panel_label(f"{task.name}, {robots}")
        pause = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE)
        reset = gui.add_button("Reset", icon=viser.Icon.REFRESH, hint="Start a new episode with every robot")

        @pause.on_click
        def _(_: Any) -> None:
            self._paused = not self._paused
            pause.label = "Play" if self._paused else "Pause"
            pause.icon = viser.Icon.PLAYER_PLAY if self._paused else viser.Icon.PLAYER_PAUSE

        reset.on_click(lambda _: self._reset.set())
        if has_pushes:
            push = gui.add_button("Push", icon=viser.Icon.HAND_MOVE, hint="As in training, each robot in its own direction")
            push.on_click(lambda _: self._push.set())
        with gui.add_folder("Commands"):
            self._by_task = gui.add_checkbox("by the task", True, hint="Drawn as in training; else by the sliders")
            draw = gui.add_button("Draw one", hint="Set the sliders to a command as the task draws them")
            self._sliders = [gui.add_slider(s.name, s.low, s.high, s.step, s.value) for s in sliders]
        with gui.add_folder("Figures"):
            self._figures = gui.add_markdown("")

        def take_over(event: Any) -> None:
            if event.client is not None:  # someone moved it
                self._by_task.value = False

        for slider in self._sliders:
            slider.on_update(take_over)

        @draw.on_click
        def _(_: Any) -> None:
            for slider, told, value in zip(self._sliders, sliders, draw_command(), strict=True):
                slider.value = float(np.clip(value, told.low, told.high))
            self._by_task.value = False


def table(figures: Mapping[str, str]) -> str:
    """Figures by their names, as Markdown."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    return f"| | |\n|:--|--:|\n{rows}"


def _check_address(host: str, port: int) -> None:
    if not 0 <= port <= 65535:
        raise PageError(f"--port {port}: expected one from 1 to 65535, or 0 for one that is free")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except socket.gaierror as error:
        raise PageError(f"--host {host!r} is no address of this machine: {error.strerror}") from error
    except OSError as error:
        raise PageError(
            f"cannot listen at {host} port {port}: {error.strerror}; if another program has the port, choose one with --port,"
            " or --port 0 for any that is free"
        ) from error


def _slab(side: float, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a square slab whose upper face is at z = 0."""
    from trimesh import creation

    box = creation.box([side, side, thickness])
    return box.vertices - [0.0, 0.0, thickness / 2], box.faces


def _square(height: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a unit square that faces up."""
    corners = np.array([[-0.5, -0.5, height], [0.5, -0.5, height], [0.5, 0.5, height], [-0.5, 0.5, height]])
    return corners, np.array([[0, 1, 2], [0, 2, 3]])


def _flat(size: np.ndarray) -> np.ndarray:
    """Scales along x, y and z of squares of these sides; none is zero, which leaves no normal."""
    return np.column_stack([np.maximum(size, 1e-6), np.ones(len(size))]).astype(np.float32)
