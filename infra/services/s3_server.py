"""An S3 endpoint: moto, of the project's own development requirements, with its objects kept as files (s3_moto.py).
Objects larger than BUFFER wait in temporary files, not in memory."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.services.loopback import ask
from infra.services.place import REPO
from infra.services.problems import InstallFailed, NotServing
from infra.services.service import Service

MOTO = Path(__file__).with_name("s3_moto.py")
BUFFER = 16_384
BUCKET = "shoplight"
KEY, SECRET = "shoplight", "shoplight-local"  # moto takes any


class S3(Service):
    """moto's server."""

    name = "s3"
    asks = "mc ls"

    def is_installed(self) -> bool:
        return _python_with_moto() is not None

    def build(self) -> None:
        raise InstallFailed("moto is among the development requirements; install them with: make .venv/.dev")

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        python = _python_with_moto() or sys.executable
        return [python, MOTO, str(self.port), self.data]

    def environment(self) -> dict[str, str]:
        return {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(BUFFER)}

    def check(self) -> None:
        if b"ListAllMyBucketsResult" not in ask(self.port, "/"):
            raise NotServing("no list of buckets")

    def after_start(self) -> None:
        ask(self.port, f"/{BUCKET}", method="PUT")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        return {
            "SHOPLIGHT_BLOBS_S3_ENDPOINT": self.address,
            "SHOPLIGHT_BLOBS_S3_BUCKET": BUCKET,
            "SHOPLIGHT_BLOBS_S3_ACCESS_KEY": KEY,
            "SHOPLIGHT_BLOBS_S3_SECRET_KEY": SECRET,
        }


def _python_with_moto() -> Path | None:
    if importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        return Path(sys.executable)
    project = REPO / ".venv" / "bin" / "python"
    asked: list[str | Path] = [project, "-c", "import moto.server"]
    if project.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return project
    return None
