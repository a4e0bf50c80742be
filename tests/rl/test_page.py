"""The page as a browser shows it: the Go2, a server in a process of its own, Chromium. What is said where it can't be."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from envs.registry import make_env
from rl.checkpoint import Checkpoints
from rl.page import PageError, address, open_server
from rl.ppo import PPO, PPOConfig
from rl.train import start_run
from tests.rl.chromium import Chromium, Tab, find_chromium
from tests.rl.untrained import untrained

pytestmark = pytest.mark.long("a browser draws robots without a GPU")

TASK, NUM_ENVS = "go2-velocity-flat", 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose only checkpoint is of a policy that has learned nothing."""
    run = start_run(TASK, tmp_path_factory.mktemp("runs") / "go2", "native", NUM_ENVS, 0, PPOConfig(minibatches=1))
    Checkpoints(run.checkpoints).save(untrained(PPO(make_env(run.make_task(), NUM_ENVS, run.engine), run.ppo)))
    return run.directory


@pytest.fixture(scope="module")
def process(run: Path, repository: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`zerogap view` and the address that it tells."""
    find_chromium()  # before anything that takes long
    command = [sys.executable, "-m", "zerogap", "view", str(run), "--envs", str(NUM_ENVS), "--port", "0"]
    environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": os.pathsep.join([str(repository), *sys.path])}
    view = subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert view.stderr is not None
    told = ""
    for line in view.stderr:
        told += line
        if "http://" in line:
            break
    else:
        pytest.fail(told)
    yield view, told[told.index("http://") :].split()[0]
    view.kill()
    view.wait(30)


@pytest.fixture(scope="module")
def browser(process: tuple[subprocess.Popen[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    folder = tmp_path_factory.mktemp("chromium") / "profile"
    folder.mkdir()
    with Chromium(folder, 800, 400) as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser: Chromium, process: tuple[subprocess.Popen[str], str]) -> Tab:
    tab = browser.open(process[1])
    tab.wait_for("document.body?.innerText.includes('simulated')", 120)
    tab.wait_for("window.instances().some(i => i.count > 0)", 120)
    return tab


def figure(tab: Tab, name: str) -> str:
    """What the page tells under this name."""
    rows = (
        "Object.fromEntries([...document.querySelectorAll('table tr')].map(r => [...r.children].map(c => c.innerText.trim())))"
    )
    return tab.evaluate(rows)[name]


def slider(tab: Tab, label: str) -> str:
    """JavaScript for the number beside the slider of this label."""
    return (
        "(() => { const label = [...document.querySelectorAll('label')].find(l => l.innerText.trim() === "
        f"{label!r}); return document.getElementById(label.htmlFor); }})()"
    )


def test_the_page_shows_as_many_robots_as_asked_and_they_move(tab: Tab) -> None:
    parts = tab.evaluate("window.instances().map(i => i.count)")
    assert parts.count(NUM_ENVS) >= 13, "a part for each of the robot's bodies, in as many places as there are robots"
    places = "window.instances().filter(i => i.count === 3).map(i => i.places)"
    before, simulated = np.array(tab.evaluate(places)), figure(tab, "simulated")
    tab.wait_for(f"!document.body.innerText.includes({simulated!r})")
    time.sleep(0.5)
    after = np.array(tab.evaluate(places))
    assert before.shape == after.shape
    assert (np.abs(after - before).max(axis=-1) > 1e-6).any(axis=0).all(), "each robot moves"


def test_the_picture_shows_robots_on_their_floors(tab: Tab) -> None:
    tab.wait_for("window.instances().length > 13")
    image = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB")).astype(int)
    middle = image[100:300, 100:500]  # left of the panel
    assert middle.std() > 10, "neither sky alone nor a page that is blank"
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) > 500, "shaded, as a sky and floors alone are not"


def test_a_slider_reaches_every_robot(tab: Tab) -> None:
    assert " to " in figure(tab, "commanded forward velocity (m/s)"), "drawn by the task, one for each robot"
    tab.evaluate(f"{slider(tab, 'forward velocity (m/s)')}.querySelector('[role=slider]').focus()")
    tab.press("End")
    tab.press("ArrowLeft", 10)
    tab.wait_for("document.body.innerText.includes('+0.90')")
    assert figure(tab, "commanded forward velocity (m/s)") == "+0.90"
    assert not tab.evaluate("document.querySelector('input[type=checkbox]').checked"), "who moves a slider takes over"


def test_tabs_share_sliders_and_see_the_same(browser: Chromium, process: tuple[subprocess.Popen[str], str], tab: Tab) -> None:
    other = browser.open(process[1])
    other.wait_for("document.body?.innerText.includes('simulated')", 120)
    tab.evaluate(f"{slider(tab, 'yaw rate (rad/s)')}.querySelector('[role=slider]').focus()")
    tab.press("Home")
    other.wait_for("document.body.innerText.includes('-1.00')")
    assert figure(other, "commanded yaw rate (rad/s)") == "-1.00"
    other.send("Page.close")


def test_pause_holds_and_play_goes_on(tab: Tab) -> None:
    def press(name: str) -> None:
        tab.evaluate(f"[...document.querySelectorAll('button')].find(b => b.innerText.trim() === {name!r}).click()")

    press("Pause")
    tab.wait_for("document.body.innerText.includes('paused')")
    held = figure(tab, "simulated")
    time.sleep(1.0)
    assert figure(tab, "simulated") == held
    press("Play")
    tab.wait_for("!document.body.innerText.includes('paused')")
    tab.wait_for(f"!document.body.innerText.includes({held!r})")


def test_nothing_is_fetched_from_elsewhere(browser: Chromium, process: tuple[subprocess.Popen[str], str], tab: Tab) -> None:
    asked = [event["request"]["url"] for event in browser.events("Network.requestWillBeSent")]
    asked += [event["url"] for event in browser.events("Network.webSocketCreated")]
    ours = process[1].removeprefix("http")
    assert any(url.startswith(f"http{ours}") for url in asked)
    foreign = [url for url in asked if not url.startswith((f"http{ours}", f"ws{ours}", f"blob:http{ours}", "data:", "about:"))]
    assert not foreign
    assert not browser.events("Runtime.exceptionThrown")


def test_a_signal_ends_it_cleanly(process: tuple[subprocess.Popen[str], str], tab: Tab) -> None:
    view, _ = process
    view.send_signal(signal.SIGTERM)
    out, errors = view.communicate(timeout=60)
    assert view.returncode == 0
    assert "Traceback" not in errors
    assert out == ""


def test_a_port_that_is_taken_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PageError, match=rf"port {port}: .*--port"), open_server("127.0.0.1", port):
            pass


@pytest.mark.parametrize(
    "host, port, told", [("192.0.2.1", 0, "192.0.2.1"), ("no.such.invalid", 0, "--host"), ("127.0.0.1", 70000, "70000")]
)
def test_an_address_that_cannot_be_is_told(host: str, port: int, told: str) -> None:
    with pytest.raises(PageError, match=told), open_server(host, port):
        pass


def test_the_server_listens_on_this_machine_only_and_shares_nothing() -> None:
    with open_server("127.0.0.1", 0) as server:
        assert address(server) == f"http://127.0.0.1:{server.get_port()}"
        assert server.request_share_url() is None
        with socket.socket() as probe:  # another address of this machine
            assert probe.connect_ex(("127.0.0.2", server.get_port())) != 0


def test_without_viser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "viser":
                raise ModuleNotFoundError("No module named 'viser'", name="viser")

    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "viser", raising=False)
    with pytest.raises(PageError, match=r"pip install 'zerogap\[view\]'"), open_server("127.0.0.1", 0):
        pass
