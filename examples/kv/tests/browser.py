"""A headless Chromium, driven over the DevTools protocol through a pipe.

Debian's `chromium` and Python's standard library suffice: no driver, no port, no download. A
`Page` keeps what a test asks for afterwards: which addresses were asked for anything, and what the
page complained of.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Far beyond what anything needs, and only so that a failure ends.
PATIENCE_S = 60.0
POLL_S = 0.1

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--metrics-recording-only",
    "--remote-debugging-pipe",
    "about:blank",
)


class BrowserError(Exception):
    """The browser, or the page in it, did not do what was asked."""


class Browser:
    """One process of Chromium."""

    def __init__(self, profile: Path) -> None:
        command = shutil.which("chromium") or shutil.which("google-chrome")
        if command is None:
            raise BrowserError("there is no chromium: apt-get install chromium")
        from_us, ours = os.pipe()
        theirs, to_us = os.pipe()
        self.log = (profile / "chromium.log").open("wb")
        # Chromium reads from descriptor 3 and writes to 4.
        shell = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "bash", command, f"--user-data-dir={profile}", *FLAGS],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            pass_fds=(from_us, to_us),
            start_new_session=True,
        )
        os.close(from_us)
        os.close(to_us)
        self._out = os.fdopen(ours, "wb", buffering=0)
        self._in = os.fdopen(theirs, "rb")
        self._count = 0
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Ends it; by force if it does not go."""
        with contextlib.suppress(BrowserError, OSError):
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        self._out.close()
        self._in.close()
        self.log.close()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Makes one call, and gives its result."""
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        answers = self._answers[number] = queue.Queue()
        try:
            self._out.write(json.dumps(message).encode() + b"\0")
            answer = answers.get(timeout=PATIENCE_S)
        except (OSError, queue.Empty):
            raise BrowserError(f"no answer to {method}") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> None:
        buffer = b""
        while part := os.read(self._in.fileno(), 1 << 16):
            *messages, buffer = (buffer + part).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    if waiting := self._answers.get(message["id"]):
                        waiting.put(message)
                elif page := self._pages.get(message.get("sessionId", "")):
                    page.on_event(message["method"], message["params"])

    @contextlib.contextmanager
    def page(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Page]:
        """Opens a page, and closes it again."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        try:
            for domain in ("Page", "Runtime", "Network", "Log"):
                page.call(f"{domain}.enable")
            page.resize(width, height)
            page.set_dark(dark)
            page.call("Page.navigate", url=url)
            yield page
        finally:
            del self._pages[session]
            with contextlib.suppress(BrowserError):
                self.call("Target.closeTarget", targetId=target)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session
        self.requested: list[str] = []
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def on_event(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            entry = parameters["entry"]
            # That a node is gone, or refuses something, is what the page has to bear.
            if entry["level"] in ("error", "warning") and entry["source"] != "network":
                self.complaints.append(entry["text"])

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str, what: str = "", timeout_s: float = PATIENCE_S) -> Any:
        """Waits until an expression is true, and gives its value."""
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(BrowserError):
                if value := self.evaluate(expression):
                    return value
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText")
                raise BrowserError(f"waited in vain for {what or expression}\n{text}\n{self.complaints}")
            time.sleep(POLL_S)

    def text(self, selector: str) -> str:
        """The text of an element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    def click(self, selector: str) -> None:
        """Presses the first element that matches, as a mouse would: one that is off does nothing."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{found}.scrollIntoView({{block: 'center'}})")
        place = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({found}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def fill(self, selector: str, value: str) -> None:
        """Types a text into a field, in place of what is there."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()"
        )
        self.call("Input.insertText", text=value)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses a key on the keyboard."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def set_dark(self, dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        """Writes the whole page, not only what fits into the window, as a PNG."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, optimizeForSpeed=False)
        path.write_bytes(base64.b64decode(picture["data"]))


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="kv-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        try:
            yield browser
        finally:
            browser.close()
