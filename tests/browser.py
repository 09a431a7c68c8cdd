"""A headless Chromium, driven over its DevTools protocol: open a page, press keys, move the pointer, read the page."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, "Tab": 9, "Enter": 13}


def find_chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise AssertionError("there is no Chromium to test the page in: bash scripts/install_browser.sh")
    return found


@contextmanager
def chromium():
    """A running browser: the address of its DevTools."""
    # --no-sandbox: containers run as root, where Chromium's sandbox does not start; only our own page is opened.
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--remote-debugging-port=0", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [find_chromium(), *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = Path(folder) / "DevToolsActivePort"  # the port, then the path
            wait(lambda: port.exists() and port.read_text().count("\n"), "Chromium to start", 30)
            number, path = port.read_text().split("\n")[:2]
            yield f"ws://127.0.0.1:{number}{path}"
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def tab(browser, width=1000, height=800, dark=False):
    """A new tab; at its end there must have been no error and no request for anything but the page."""
    with connect(browser, max_size=None) as socket:
        page = Page(socket)
        target = page.send("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.resize(width, height)
        if dark:
            page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        try:
            yield page
            page.evaluate("1")  # what was reported until now is read
            assert not page.errors, page.errors
            fetched = [url for url in page.requests if not url.startswith(("file:", "data:", "about:"))]
            assert not fetched, fetched
        finally:
            page.session = None
            page.send("Target.closeTarget", targetId=target)


class Page:
    def __init__(self, socket):
        self.socket, self.session, self.count = socket, None, 0
        self.errors, self.requests = [], []

    def send(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            try:
                answer = json.loads(self.socket.recv(timeout=30))
            except (TimeoutError, ConnectionClosed):
                raise AssertionError(f"Chromium does not answer {method}") from None
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.hear(answer.get("method"), answer.get("params", {}))

    def hear(self, event, params):
        match event:
            case "Runtime.exceptionThrown":
                self.errors.append(params["exceptionDetails"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(params["args"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.errors.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    def open(self, path, hash=""):
        """A fresh load of the page."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=f"{Path(path).as_uri()}{hash}")
        self.wait("document.readyState == 'complete' && !!document.querySelector('#main > *')")

    def evaluate(self, script):
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition):
        wait(lambda: self.evaluate(condition), condition)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def texts(self, selector):
        return self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(n => n.textContent)")

    def focus(self, selector):
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(self, key, times=1):
        for _ in range(times):
            typed = {"text": "\r"} if key == "Enter" else {}
            named = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]} | typed
            self.send("Input.dispatchKeyEvent", type="keyDown", **named)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def type(self, text):
        self.send("Input.insertText", text=text)

    def place(self, selector):
        """The middle of an element, scrolled to, in pixels of the window."""
        return self.evaluate(
            f"(() => {{ const n = document.querySelector({json.dumps(selector)});"
            "n.scrollIntoView({block: 'center'});"
            "const b = n.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )

    def point(self, selector):
        x, y = self.place(selector)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector):
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def resize(self, width, height=800):
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )


def wait(done, what, seconds=10):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"after {seconds} seconds still waiting for: {what}"
        time.sleep(0.02)
