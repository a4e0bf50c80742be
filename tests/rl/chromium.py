"""A headless Chromium to look at pages with, driven over its debugging port."""

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from websockets.sync.client import connect

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def find_chromium() -> str:
    """The browser's command; the test that asks is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip("no Chromium: install one (Debian: apt install chromium)")


# three.js tells what it makes to whom it finds under this name. Each thing that is drawn in many places counts them.
_WATCH_THREE = """
const seen = new Set();
window.__THREE_DEVTOOLS__ = { dispatchEvent: e => { if (e.type === 'observe' && e.detail.isScene) seen.add(e.detail); } };
window.instances = () => {
  const found = [];
  for (const scene of seen) scene.traverse(o => {
    if (!o.isInstancedMesh2 || !o.matricesTexture) return;
    const count = o.instancesCount, places = [];
    for (let i = 0; i < count; i++) places.push(Array.from(o.matricesTexture._data.slice(16 * i, 16 * i + 16)));
    found.push({ count, places });
  });
  return found;
};
"""


class Chromium:
    """A browser with an empty profile in `folder`."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 720):
        self._folder = folder
        self._size = f"--window-size={width},{height}"

    def __enter__(self) -> "Chromium":
        command = [find_chromium(), *_FLAGS, self._size, f"--user-data-dir={self._folder}", "about:blank"]
        with (self._folder.parent / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        port = self._folder / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (port.exists() and len(port.read_text().splitlines()) == 2):
            assert self._process.poll() is None, (self._folder.parent / "chromium.log").read_text()
            assert time.monotonic() < deadline, "Chromium opened no debugging port"
            time.sleep(0.1)
        number, path = port.read_text().splitlines()
        self._socket = connect(f"ws://127.0.0.1:{number}{path}", max_size=None, compression=None)
        self._asked = 0
        self._events: list[dict[str, Any]] = []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)

    def open(self, url: str) -> "Tab":
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Network", "Runtime"):
            tab.send(f"{domain}.enable")
        tab.send("Page.addScriptToEvaluateOnNewDocument", source=_WATCH_THREE)
        tab.send("Page.navigate", url=url)
        return tab

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=120))
            if answer.get("id") == self._asked:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if answer.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated", "Runtime.exceptionThrown"):
                self._events.append(answer)

    def events(self, method: str) -> list[dict[str, Any]]:
        """What was reported by all tabs until now."""
        return [event["params"] for event in self._events if event["method"] == method]


class Tab:
    def __init__(self, browser: Chromium, session: str):
        self._browser, self._session = browser, session

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 60.0) -> Any:
        """The value of an expression once it is true; while a page loads it may well have none."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(f"(() => {{ try {{ return {expression}; }} catch {{ return null; }} }})()")):
            assert time.monotonic() < deadline, f"{expression} is not true after {seconds} s: {self.text()}"
            time.sleep(0.2)
        return value

    def text(self) -> str:
        return self.evaluate("document.body.innerText")

    def press(self, key: str, times: int = 1) -> None:
        """Keys go to what has the focus."""
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def screenshot(self) -> bytes:
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])


_KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35}
