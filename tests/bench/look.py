"""`python -m tests.bench.look REPORT.json OUTDIR`: the page of a report as a browser shows it, as four pictures.

At 1280 and 390 pixels, light and dark. By hand, and not a test: a person has to look. Chromium's own window is not made
narrower than some 500 pixels, so the size and the colour scheme are set through its DevTools protocol, whose pipe
(`--remote-debugging-pipe`) needs no library: JSON messages that end with a zero byte, on descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from port_worker.bench.html import write
from port_worker.bench.report_file import read_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")


class Browser:
    """One page of a headless browser."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._calls = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command's result. Raises RuntimeError for what the browser refuses, and where it has ended."""
        self._calls += 1
        session = {} if self._session is None else {"sessionId": self._session}
        message = {"id": self._calls, "method": method, "params": params, **session}
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            found = self._message()
            if found.get("id") == self._calls:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                result: dict[str, Any] = found["result"]
                return result

    def open(self, url: str, width: int, scheme: str) -> None:
        """Show a page in a window of that width, and wait until it has loaded."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    def _message(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser has ended")
            text += byte
        found: dict[str, Any] = json.loads(text)
        return found


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A browser with a profile of its own, ended afterwards."""
    to_read, commands = os.pipe()
    answers, to_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = f"--headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir={profile}"
        # The shell puts the pipes on 3 and 4, where the browser looks for them.
        script = f'exec "$0" {flags} --remote-debugging-pipe 3<&{to_read} 4>&{to_write}'
        command = ["bash", "-c", script, program]
        process = subprocess.Popen(command, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        try:
            with os.fdopen(commands, "wb") as out, os.fdopen(answers, "rb") as into:
                yield Browser(out, into)
        finally:
            process.terminate()
            process.wait(timeout=20)


def look(report: Path, folder: Path, program: str) -> Iterator[str]:
    """Make the page and its pictures; yields a line for each."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{report.stem}.html"
    write(read_report(report), page)
    with browser(program) as shown:
        for width in WIDTHS:
            for scheme in SCHEMES:
                shown.open(page.resolve().as_uri(), width, scheme)
                picture = folder / f"{report.stem}-{width}-{scheme}.png"
                picture.write_bytes(shown.picture())
                wide = shown.evaluate("document.documentElement.scrollWidth")
                is_dark = shown.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
                yield f"{picture}: {wide} px wide in {width}, {'dark' if is_dark else 'light'}"


def main(words: list[str]) -> int:
    if len(words) != 2:
        sys.stderr.write("usage: python -m tests.bench.look REPORT.json OUTDIR\n")
        return 2
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.stderr.write(f"look: expected a browser on the PATH, one of {', '.join(BROWSERS)}; got none\n")
        return 3
    try:
        for line in look(Path(words[0]), Path(words[1]), program):
            sys.stdout.write(f"{line}\n")
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"look: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
