"""The embedded shape runs without the libraries of the second one: `make demo` installs none of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# what the packages of the extra `scale` and `train` are called when they are imported
ABSENT = (
    "boto3", "clickhouse_driver", "crc32c", "kafka", "opentelemetry.sdk", "opentelemetry.exporter", "psycopg",
    "pymilvus", "redis", "torch", "ultralytics", "onnx",
)  # fmt: skip
PROGRAM = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {absent!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import workers.cli.main, workers.cli.demo, api.main, workers.tasks
"""


def test_every_command_is_there_without_the_libraries_of_the_second_shape() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(absent=ABSENT)], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_the_list_names_every_library_of_the_second_shape() -> None:
    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]["scale"]
    known = {name.split(".")[0] for name in ABSENT} | {"kafka_python"}
    for line in extras:
        name = line.split(">")[0].split("[")[0].replace("-", "_")
        assert name in known or name.startswith("opentelemetry"), name
