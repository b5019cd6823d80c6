"""`python -m tests.app.browse LOGIN_URL OUTDIR`: the application's page, used in a browser as a person would.

LOGIN_URL is what bin/app prints. Somebody is looked for, what is like their first recommendation is shown, a model is
trained and its progress watched, another version is promoted, and what cannot be found is. It ends with status 1 at the
first thing that is not so, and at the end where the page broke its content security policy, raised, was wider than its
window, or moved under the reader. The pictures, at two widths, light and dark, are for a person to look at.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.look import BROWSERS, SCHEMES, WIDTHS, Browser, browser

# Before any script of the page: what it must not do, and how much of it moves by itself (as "cumulative layout shift").
WATCH = """
window.faults = [];
window.moved = 0;
addEventListener('error', event => faults.push(String(event.message)));
addEventListener('unhandledrejection', event => faults.push(String(event.reason)));
document.addEventListener('securitypolicyviolation', event =>
  faults.push(event.violatedDirective + ' ' + event.blockedURI));
new PerformanceObserver(list =>
  list.getEntries().forEach(entry => { if (!entry.hadRecentInput) moved += entry.value; }))
  .observe({type: 'layout-shift', buffered: true});
"""
# What browsers' makers call good: https://web.dev/articles/cls
MOST_MOVED = 0.1
SOON_S = 10.0
TRAINED_S = 180.0


class NotSoError(Exception):
    """Something on the page is not as it should be; the message says what."""


class Page:
    """The page in one window, by its selectors."""

    def __init__(self, shown: Browser, folder: Path) -> None:
        self._shown = shown
        self._folder = folder
        self.faults: list[str] = []
        self.most_moved = 0.0
        shown.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def open(self, url: str, width: int = WIDTHS[0], scheme: str = SCHEMES[0]) -> None:
        """Show an address, and wait until it is connected and has what it asks for."""
        self._note()
        self._shown.open(url, width, scheme)
        self.wait("location.pathname != '/' || document.querySelector('[data-phx-main].phx-connected')")
        self.wait("!document.querySelector('.skeleton')")

    def ask(self, expression: str) -> Any:
        """The value of an expression."""
        return self._shown.evaluate(expression)

    def text(self, selector: str) -> str:
        """What an element says; nothing where there is none."""
        found: str = self.ask(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return found

    def wait(self, expression: str, seconds: float = SOON_S) -> Any:
        """The value of an expression once that is true. Raises NotSoError where it does not come to it."""
        until = time.monotonic() + seconds
        # An element is as good as true, and can't be brought here.
        value = f"(found => found instanceof Element || found)({expression})"
        while not (found := self.ask(value)):
            if time.monotonic() > until:
                raise NotSoError(f"after {seconds:.0f} s it is not so: {expression}")
            time.sleep(0.05)
        return found

    def click(self, selector: str) -> None:
        """Press the mouse on an element, where it is."""
        quoted = json.dumps(selector)
        self.wait(f"document.querySelector({quoted}) && !document.querySelector({quoted}).disabled")
        box = self.ask(
            f"(e => (e.scrollIntoView({{block: 'center'}}), e = e.getBoundingClientRect(),"
            f" [e.x + e.width / 2, e.y + e.height / 2]))(document.querySelector({quoted}))"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._shown.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Have an element's text be this, typed."""
        self.click(selector)
        self.ask(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self._shown.call("Input.insertText", text=text)
        else:
            for kind in ("keyDown", "keyUp"):
                self._shown.call("Input.dispatchKeyEvent", type=kind, key="Delete", windowsVirtualKeyCode=46)

    def picture(self, name: str) -> None:
        """What is shown, as a file."""
        (self._folder / f"{name}.png").write_bytes(self._shown.picture())

    def pictures(self, name: str, url: str) -> None:
        """An address at all widths and in all schemes. Raises NotSoError where it is wider than the window."""
        for width in WIDTHS:
            for scheme in SCHEMES:
                self.open(url, width, scheme)
                self.picture(f"{name}-{width}-{scheme}")
                wide = self.ask("document.documentElement.scrollWidth")
                if wide > width:
                    raise NotSoError(f"{url} is {wide} px wide in a window of {width} px")

    def _note(self) -> None:
        self.faults += self.ask("window.faults ?? []")
        self.most_moved = max(self.most_moved, self.ask("window.moved ?? 0"))

    def check(self) -> None:
        """Raises NotSoError where any address did what it must not."""
        self._note()
        if self.faults:
            raise NotSoError(f"the page's faults: {self.faults}")
        if self.most_moved > MOST_MOVED:
            raise NotSoError(f"the page moved by {self.most_moved:.3f}, more than {MOST_MOVED}")


def visit(page: Page, login: str) -> Iterator[str]:
    """Everything; yields a line for each thing that was so."""
    home = "{0.scheme}://{0.netloc}/".format(urlsplit(login))
    page.open(home)
    if not page.ask("document.querySelector('#retrain button').disabled"):
        raise NotSoError("somebody who has not signed in can train")
    page.pictures("visitor", home)
    yield f"without a session: {page.text('#administrators')}"

    page.open(login)
    page.wait("location.pathname == '/' && document.querySelector('.viewer-name')")
    yield f"signed in: {page.text('.viewer-name')}"
    if not page.text("#serving"):
        page.pictures("no-model", home)
        yield "there is no model yet"
    yield from find(page)
    yield from train(page, "ALS")
    yield from like(page)
    yield from train(page, "ItemCF")
    yield from promote(page)
    page.pictures("user", page.ask("location.href"))
    yield from miss(page, home)
    page.check()
    yield f"no faults; moved by {page.most_moved:.3f} at most"


def find(page: Page) -> Iterator[str]:
    """Look for the first of the users by a part of their name, and choose them."""
    name = page.wait("document.querySelector('#found .name')?.innerText")
    part = name[1:5]
    page.type("#q", part)
    page.wait(f"[...document.querySelectorAll('#found .name')].every(e => e.innerText.includes({json.dumps(part)}))")
    page.click("#found a")
    page.wait("document.querySelectorAll('#recommended > li').length == 10")
    origin = page.text("#fallback") or page.text("#origin")
    yield f"found {page.text('#who')}: {origin}"


def train(page: Page, algorithm: str) -> Iterator[str]:
    """Train, and watch it: the bar moves, and the version that has been trained is there in the end."""
    before = page.ask("[...document.querySelectorAll('#versions tbody tr')].map(e => e.id)")
    page.ask(f"document.querySelector('#algorithm').value = '{algorithm}'")
    page.click("#retrain button")
    page.wait("document.querySelector('#latest-run progress')")
    seen, pictured = set(), False
    until = time.monotonic() + TRAINED_S
    while (value := page.ask("document.querySelector('#latest-run progress')?.value")) is not None:
        seen.add(value)
        if value > 0 and not pictured:
            page.picture(f"training-{algorithm}")
            pictured = True
        if time.monotonic() > until:
            raise NotSoError(f"the training of {algorithm} has not ended after {TRAINED_S:.0f} s")
        time.sleep(0.05)
    if len(seen) < 2:
        raise NotSoError(f"the progress of {algorithm} did not move: {seen}")
    page.wait(f"document.querySelectorAll('#versions tbody tr').length > {len(before)}")
    page.picture(f"trained-{algorithm}")
    shares = ", ".join(f"{value:.0f}%" for value in sorted(seen))
    yield f"trained {algorithm}: {shares}; {' '.join(page.text('#latest-run .run').split())}"


def like(page: Page) -> Iterator[str]:
    """What is like the first recommendation, which the model has made by now, without being asked anew."""
    page.wait("document.querySelector('#origin')")
    yield f"now by the model: {page.text('#origin')}"
    page.click("#recommended > li:first-child > button")
    page.wait("document.querySelectorAll('#similar .row').length == 5")
    page.picture("similar")
    first, alike = page.text("#recommended .name"), page.text("#similar li .name")
    page.click("#recommended > li:first-child > button")
    page.wait("!document.querySelector('#similar')")
    yield f"like {first}: {alike}"


def promote(page: Page) -> Iterator[str]:
    """Have a version serve that does not, and see the recommendations follow."""
    button = "#versions button[phx-click=promote]"
    version = page.wait(f"document.querySelector('{button}')?.getAttribute('phx-value-version')")
    page.click(button)
    page.wait(f"document.querySelector('#serving code')?.innerText == {json.dumps(version)}", 30)
    page.wait(f"document.querySelector('#origin code')?.innerText == {json.dumps(version)}")
    yield f"promoted {version}, by which the recommendations are now"


def miss(page: Page, home: str) -> Iterator[str]:
    """What is not there."""
    page.open(home)
    page.type("#q", "nobody at all")
    page.wait("document.querySelector('.people .empty')")
    page.picture("nobody")
    yield page.text(".people .empty")
    page.pictures("unknown", f"{home}?user=00000000-0000-4000-8000-000000000000")
    page.pictures("login", f"{home}login")


def main(words: list[str]) -> int:
    if len(words) != 2:
        sys.stderr.write("usage: python -m tests.app.browse LOGIN_URL OUTDIR\n")
        return 2
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.stderr.write(f"browse: expected a browser on the PATH, one of {', '.join(BROWSERS)}; got none\n")
        return 3
    folder = Path(words[1])
    folder.mkdir(parents=True, exist_ok=True)
    with browser(program) as shown:
        page = Page(shown, folder)
        try:
            for line in visit(page, words[0]):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        except (NotSoError, RuntimeError) as error:
            page.picture("not-so")
            sys.stderr.write(f"browse: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
