"""Runs with pictures, and a browser to look at their report: Debian's Chromium by its own protocol."""

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.data.pair_lists import SourcePairs
from tsmu_jax.data.source import Pair, PairInfo
from tsmu_jax.evaluation.probabilities import histogram
from tsmu_jax.reporting.thumbnails import write_thumbnails

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEIGHT, WIDTH = 24, 36


class Source(list[Pair]):
    """Pairs in memory."""

    fingerprints: ClassVar[dict[str, str]] = {}
    skipped = ()

    def __init__(self, pairs: list[Pair], infos: list[PairInfo]) -> None:
        super().__init__(pairs)
        self.infos = infos


def pair(rng: np.random.Generator, *, dated: bool = True) -> Pair:
    """A scar on a hillside: dark before, bright after."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    centre, size = rng.uniform((8, 10), (16, 26)), rng.uniform(3, 7)
    mask = (np.hypot(row - centre[0], (column - centre[1]) / 1.5) < size).astype(np.uint8)
    hill = np.stack([60 + row, 90 + column, 50 + 0 * row], axis=-1) + rng.normal(0, 8, (HEIGHT, WIDTH, 3))
    before = hill.clip(0, 255).astype(np.uint8)
    after = np.where(mask[..., None] > 0, hill + 90, hill).clip(0, 255).astype(np.uint8)
    return Pair(before if dated else None, after, mask)


@pytest.fixture
def make_pictured_run(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """`make_run` with all that a run of this release leaves: test images, predictions, probabilities, epochs."""

    def make(where: str, method: str, *words: Any, dated: bool = True, **changes: Any) -> Path:
        path = make_run(where, method, *words, **changes)
        lines, sources = [], {}
        for number, file in enumerate(sorted(path.glob("phases/*/phase.json"))):
            record, phase = json.loads(file.read_text()), file.parent.name
            for name, test in record["tests"].items():
                rng = np.random.default_rng([*name.encode()])
                infos = [PairInfo(identity, name, identity) for identity in test["id"]]
                source = Source([pair(rng, dated=dated) for _ in infos], infos)
                masks = np.stack([one.mask for one in source])
                logits = np.where(masks > 0, 1.0, -2.0) + (1.5 - 0.3 * number) * rng.normal(size=masks.shape)
                counts = histogram(logits, masks)
                test["probabilities"] = {field: part.tolist() for field, part in counts._asdict().items()}
                folder = path / "predictions" / phase / name
                folder.mkdir(parents=True)
                for identity, values in zip(test["id"], logits, strict=True):
                    Image.fromarray(255 * (values > 0).astype(np.uint8)).save(folder / f"{identity}.png")
                sources[name] = source
            file.write_text(json.dumps(record))
            lines += [
                {"phase": phase, "step": step, "validation/micro_iou": 1 - 0.9**step, "train/loss": 0.9**step}
                for step in range(1, record["steps"] + 1)
            ]
        whole = Source(
            [one for source in sources.values() for one in source],
            [info for source in sources.values() for info in source.infos],
        )
        tests = {
            name: SourcePairs(whole, [i for i, info in enumerate(whole.infos) if info.ecoregion == name])
            for name in sources
        }
        write_thumbnails(tests, path)
        (path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return path

    return make


class Tab:
    """A page in a headless browser. `complaints`: its console errors, exceptions and requests for anything else."""

    def __init__(self, inlet: int, outlet: int) -> None:
        self._in, self._out, self._buffer = inlet, outlet, b""
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """Calls a method of the DevTools protocol and waits for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params, **self._session}
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path: Path) -> None:
        """Opens a file and waits until all of it is there."""
        self._events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._read()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Presses a letter, or a key that has a name, in whatever has the focus."""
        codes = {"ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, " ": 32}
        is_letter = key not in codes
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if (is_letter or key == " ") and kind == "keyDown" else {}
            code = f"Key{key.upper()}" if is_letter else "Space" if key == " " else key
            number = ord(key.upper()) if is_letter else codes[key]
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number, **text)

    def download(self, script: str, folder: Path) -> Path:
        """The file that the page gives while it runs an expression."""
        folder.mkdir(exist_ok=True)
        allowed = {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": True}
        self.send("Browser.setDownloadBehavior", **allowed)
        self._events.clear()
        self.send("Runtime.evaluate", expression=script, userGesture=True)
        while not any(event["params"].get("state") == "completed" for event in self._events):
            self._read()
        (found,) = folder.iterdir()
        return found

    def resize(self, width: int, height: int) -> None:
        """In CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, scheme: str) -> None:
        """Light or dark."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        """Writes what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._out, 1 << 20)
            assert part, "the browser is gone"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method", ""), message.get("params", {})
        if method:
            self._events.append(message)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" or method == "Log.entryAdded":
            self.complaints.append(json.dumps(params))
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("data:", "file:")):
            self.complaints.append(params["request"]["url"])


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    """A tab of Chromium; skips where there is none. It talks through pipes, which need no port and no package."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    to_browser, inlet = os.pipe()
    outlet, from_browser = os.pipe()
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
    # The browser reads from 3 and writes to 4; a shell renames them, since a fork in Python would run its hooks.
    program = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    browser = subprocess.Popen(
        ["bash", "-c", program, "bash", CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}"],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Tab(inlet, outlet)
    finally:
        os.close(inlet)  # with its input gone it ends
        os.close(outlet)
        browser.terminate()
        browser.wait(timeout=60)
