"""Where a version stands a second time, it is the same."""

import re
from pathlib import Path

from infra.services.kafka_server import POM
from infra.services.milvus_server import REQUIREMENTS
from infra.services.versions import VERSIONS

LOCK = Path(__file__).resolve().parents[2] / "requirements-dev.lock"


def test_the_jars_of_kafka_are_those_of_the_table() -> None:
    dependencies = POM.read_text().partition("<dependencies>")[2]
    assert re.findall("<version>(.*)</version>", dependencies) == [VERSIONS["kafka"].version]


def test_the_wheel_of_milvus_is_that_of_the_table_and_hashed() -> None:
    name, digest = REQUIREMENTS.read_text().split()
    assert name == f"milvus=={VERSIONS['milvus'].version}"
    assert digest.startswith("--hash=sha256:")


def test_moto_is_locked() -> None:
    assert "\nmoto==" in LOCK.read_text()
