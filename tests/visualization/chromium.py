"""Headless Chromium over its DevTools pipe: pages as a person meets them, without further packages.

Commands and answers are JSON messages that end in a zero byte, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}


class Chromium:
    """One browser with one page; use it as a context manager."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1400, 900)) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        # Descriptors 3 and 4 may be those of the pipes: move them out of the way first.
        def connect() -> None:
            ends = [os.dup(fd) for fd in (to_browser, from_browser)]
            high = [os.dup2(fd, 20 + k) for k, fd in enumerate(ends)]
            for k, fd in enumerate(high):
                os.dup2(fd, 3 + k)

        self._process = subprocess.Popen(
            [
                EXECUTABLE,
                *_FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            preexec_fn=connect,
            close_fds=False,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets", session=None)["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        attach = {"targetId": target, "flatten": True}
        self._session = self.send("Target.attachToTarget", attach, session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    _session: str | None = None

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self.send("Browser.close", session=None)  # it takes its helpers with it
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def send(
        self, method: str, params: dict[str, Any] | None = None, session: str | None = "page"
    ) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._in, 1 << 20)
            assert data, "Chromium ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str) -> None:
        """Load a page and wait until it and its visible images are there."""
        self.send("Page.navigate", {"url": url})
        self.run(
            "new Promise(done => document.readyState === 'complete' ? done() : "
            "addEventListener('load', () => done()))"
        )

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for.

        Raises:
            AssertionError: it threw.
        """
        result = self.send(
            "Runtime.evaluate",
            {"expression": expression, "returnByValue": True, "awaitPromise": True},
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, x: float, y: float) -> None:
        """Press and release the left mouse button."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            press = {"type": kind, "x": x, "y": y}
            if kind != "mouseMoved":
                press |= {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", press)

    def click_on(self, selector: str) -> None:
        """Click the middle of the first element that a CSS selector finds, in view."""
        self.click(*self._middle(selector))

    def point_at(self, selector: str) -> None:
        """Move the pointer there, and wait until the page has heard of it."""
        x, y = self._middle(selector)
        self.send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        # Such events come with the next picture.
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def _middle(self, selector: str) -> tuple[float, float]:
        return self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )

    def press(self, key: str) -> None:
        """Press a key by its name, such as "n" or "ArrowLeft"."""
        code = _KEYS.get(key) or ord(key.upper())
        for kind in ("keyDown", "keyUp"):
            stroke = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
            if kind == "keyDown" and len(key) == 1:
                stroke["text"] = key
            self.send("Input.dispatchKeyEvent", stroke)

    def choose(self, selector: str, value: str) -> None:
        """Give a field or a list of choices a value, as typing or choosing does."""
        self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f"e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input')); }})()"
        )

    def save_to(self, folder: Path) -> None:
        """Let the page save files, into this folder."""
        params = {"behavior": "allow", "downloadPath": str(folder)}
        self.send("Browser.setDownloadBehavior", params, session=None)

    @staticmethod
    def saved(path: Path, seconds: float = 30) -> Path:
        """Wait for a file that the page saves.

        Raises:
            AssertionError: it does not come.
        """
        end = time.monotonic() + seconds
        while not path.is_file():
            assert time.monotonic() < end, f"{path} was not saved"
            time.sleep(0.05)
        return path

    def of(self, method: str) -> list[dict[str, Any]]:
        """The events of a kind so far."""
        self.run("0")  # what was said before this answer is read with it
        return [event for event in self.events if event["method"] == method]

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        data = self.send("Page.captureScreenshot", {"format": "png"})["data"]
        path.write_bytes(base64.b64decode(data))
