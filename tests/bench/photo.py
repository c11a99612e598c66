"""From a photo to matches over HTTP: five objects, 100,000 products, a filter that leaves a tenth, one caller. Beside
it the usual pipeline (usual_pipeline.py), by turns, so that what else the machine does hits both. Each turn begins
with a rest: threads of PyTorch and OpenBLAS spin on for a tenth of a second when they are done, on the other's cores.

The usual pipeline runs where PyTorch is: in this Python, or in the one that SHOPLIGHT_BENCH_PEER_PYTHON names.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from api.accounts.scopes import TenantKind
from api.vision.service import Eyes
from tests.bench import house, stock
from tests.bench.load import send
from tests.bench.measure import Outcome, peak_mb
from tests.bench.search import search_request
from tests.bench.server import running

OBJECTS, PRODUCTS, ROUNDS, PHOTOS_A_ROUND = 5, 100_000, 7, 6
REST_S = 0.5
PATH = "/v1/search?limit=10&brand=Brand%203"
PEER_NEEDS = "import sklearn, torch, torchvision, ultralytics"
PEER_FILE = Path(__file__).with_name("usual_pipeline.py")


def run() -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        with house.opened(Path(folder, "data")) as ports:
            brand = house.member(ports, TenantKind.brand)
            stock.fill(ports, brand.tenant_id, PRODUCTS)
            picture = with_objects(ports.eyes)
        photo = Path(folder, "photo.jpg")
        photo.write_bytes(picture)
        sent = search_request(PATH, picture, brand.secret)
        with running("search", Path(folder, "data")) as (port, pid), usual(photo) as (peer, peer_pid):
            ours, theirs = [], []

            def ask(count: int) -> list[float]:
                load = send(port, itertools.repeat(sent, count), connections=1, seconds=120, status=200)
                found = json.loads(load.answers[0])["objects"]
                if any({match["product"]["brand"] for match in item["matches"]} != {"Brand 3"} for item in found):
                    raise RuntimeError("an object has no match, or one that the filter forbids")
                return load.latencies_ms

            ask(PHOTOS_A_ROUND)
            for _ in range(ROUNDS):
                time.sleep(REST_S)
                ours += ask(PHOTOS_A_ROUND)
                time.sleep(REST_S)
                theirs.append(peer())
            ours_mb, peer_mb = peak_mb(pid), peak_mb(peer_pid) if peer_pid else 0.0
    ours_ms = statistics.median(ours)
    peer_ms = statistics.median(sum(stages.values()) for stages in theirs)
    told = {name: statistics.median(stages[name] for stages in theirs) for name in theirs[0]}
    return Outcome(
        name="photo",
        what=f"a photo of {OBJECTS} objects to matches in {PRODUCTS:,} products, 10 % filter, over HTTP",
        unit="ms",
        ours=ours_ms,
        peer=peer_ms,
        peer_is=f"{told_of(told)}; peak {peer_mb:,.0f} MB" if peer_pid else NO_PEER,
        ratio=peer_ms / ours_ms,
        rss_mb=ours_mb,
        note=f"p95 {statistics.quantiles(ours, n=20)[-1]:.0f} ms; peak memory, decoders too; ClickHouse runs elsewhere",
    )


NO_PEER = "not run: needs PyTorch, torchvision, Ultralytics and scikit-learn (SHOPLIGHT_BENCH_PEER_PYTHON)"


def told_of(stages: dict[str, float]) -> str:
    return "YOLO11n + ResNet50 + scikit-learn: " + ", ".join(f"{name} {ms:.0f}" for name, ms in stages.items())


def with_objects(eyes: Eyes) -> bytes:
    """The first street photo on which as many objects are found as the usual pipeline is given crops."""
    for picture in house.street_photos():
        if len(eyes.detect(eyes.decode(picture), 0.25, OBJECTS + 1)) == OBJECTS:
            return picture
    raise RuntimeError(f"this benchmark needs a street photo with {OBJECTS} objects: see ../shared/data")


@contextmanager
def usual(photo: Path) -> Iterator[tuple[Callable[[], dict[str, float]], int]]:
    """Ask it for one photo's stages in ms; its process id, 0 where it cannot run."""
    python = os.environ.get("SHOPLIGHT_BENCH_PEER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", PEER_NEEDS], capture_output=True, check=False).returncode:
        yield lambda: {"detect": 0.0}, 0
        return
    command = [python, str(PEER_FILE), str(photo), str(PRODUCTS), str(OBJECTS)]
    quiet = {**os.environ, "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(photo.parent)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=photo.parent, env=quiet
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the usual pipeline has no ends to talk to")
        wanted, told = process.stdin, process.stdout

        def one() -> dict[str, float]:
            wanted.write(b"photo\n")
            wanted.flush()
            return dict(json.loads(told.readline()))

        try:
            while (line := told.readline().strip()) != b"ready":
                if not line and process.poll() is not None:
                    raise RuntimeError("the usual pipeline did not start")
            yield one, process.pid
        finally:
            process.kill()
