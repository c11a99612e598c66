"""Milvus, the product index: a server inside a Python wheel. Its port opens long before it serves, so ready means that
a collection was made, indexed, loaded and searched. Bounded by GOMEMLIMIT."""

import importlib.util
import json
import re
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.services import install
from infra.services.loopback import ask
from infra.services.problems import NotServing
from infra.services.service import Service
from infra.services.versions import VERSIONS

VERSION = VERSIONS["milvus"].version
REQUIREMENTS = Path(__file__).with_name("milvus-requirements.txt")
UNPACK = "import sys, milvus; milvus._initialize_data_files(sys.argv[1])"
DEFAULT = re.compile(r"\{\{\s*(\w+)(?:\(\w+\))?(?::\s*([^}]*?))?\s*\}\}")
# the etcd inside takes its addresses from a file of its own only
ETCD = """name: default
listen-client-urls: http://127.0.0.1:{etcd}
advertise-client-urls: http://127.0.0.1:{etcd}
listen-peer-urls: http://127.0.0.1:{etcd_peer}
initial-advertise-peer-urls: http://127.0.0.1:{etcd_peer}
initial-cluster: default=http://127.0.0.1:{etcd_peer}
"""
QUICKER = {
    "ip": "127.0.0.1",  # what its parts call each other by; Milvus has no setting for where it listens
    "ttl": "6",  # after a kill its parts wait so many seconds for the session of their former selves to lapse
}
VECTOR = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


class Milvus(Service):
    """milvus of the wheel, without the wheel's own launcher: that one outlives its server and finds ports by itself."""

    name = "milvus"
    asks = "/v1/vector/collections"  # and then that one can be made, indexed, loaded and searched
    start_s = 120
    stop_s = 2  # asked to end it stops serving, but never ends; it recovers from its own log
    port_names = (
        "main",
        "metrics",
        "etcd",
        "etcd_peer",
        "root_coord",
        "proxy_internal",
        "query_coord",
        "query_node",
        "index_coord",
        "index_node",
        "data_coord",
        "data_node",
    )

    @property
    def programs(self) -> Path:
        """Where the wheel was unpacked."""
        return self.place.installed / "milvus"

    def missing_packages(self) -> list[str]:
        return [] if importlib.util.find_spec("ensurepip") else ["python3-venv"]

    def is_installed(self) -> bool:
        return install.is_stamped(self.programs, VERSION)

    def build(self) -> None:
        with install.fresh(self.programs, VERSION) as folder:
            venv = folder / "venv"
            python = venv / "bin" / "python"
            install.step(self.name, [sys.executable, "-m", "venv", venv])
            install.step(self.name, [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", REQUIREMENTS])
            install.step(self.name, [python, "-c", UNPACK, folder])
            wheel = next(venv.glob("lib/python*/site-packages/milvus/data"))
            shutil.copy(wheel / "config.yaml.template", folder)
            shutil.copy(wheel / "glog.conf", folder)
            shutil.rmtree(venv)  # the programs are unpacked; only they run

    def prepare(self) -> None:
        configs = self.data / "configs"
        configs.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.programs / "glog.conf", configs)
        chosen = {f"{name}_port": str(port) for name, port in self.ports.items()} | {
            "proxy_port": str(self.port),
            "etcd_data_dir": str(self.data / "etcd"),
            "etcd_log_path": str(self.folder / "etcd.log"),
            "etcd_log_level": "warn",
            "local_storage_dir": str(self.data / "storage"),
            "rocksmq_data_dir": str(self.data / "rocksmq"),
            "system_log_path": "",  # all to standard output, which is the log of the service
        }
        template = (self.programs / "config.yaml.template").read_text()
        filled = DEFAULT.sub(lambda found: chosen.get(found[1], found[2] or ""), template)
        etcd = configs / "etcd.yaml"
        etcd.write_text(ETCD.format(**self.ports))
        filled = filled.replace("\netcd:\n", f"\netcd:\n  config:\n    path: {etcd}\n", 1)
        for key, value in QUICKER.items():
            filled = re.sub(rf"^(\s+{key}:).*$", rf"\1 {value}", filled, flags=re.MULTILINE)
        filled = re.sub(r"^(log:\n\s+level:) info", r"\1 warn", filled, flags=re.MULTILINE)
        (configs / "milvus.yaml").write_text(filled)

    def command(self) -> Sequence[str | Path]:
        return [self.programs / "bin" / "milvus", "run", "standalone"]

    def environment(self) -> dict[str, str]:
        return {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.ports["metrics"]),
            "MILVUS_RUN_DIR": str(self.data / "run"),
            "LD_LIBRARY_PATH": str(self.programs / "bin"),
            "GOMEMLIMIT": "1GiB",
        }

    def check(self) -> None:
        probe = f"services_probe_{uuid.uuid4().hex[:8]}"
        self._ask("collections/create", collectionName=probe, dimension=len(VECTOR), metricType="IP")
        try:
            self._ask("insert", collectionName=probe, data=[{"vector": VECTOR}])
            found = self._ask("search", collectionName=probe, vector=VECTOR, limit=1)
        finally:
            self._ask("collections/drop", collectionName=probe)
        if len(found) != 1:
            raise NotServing(f"a search for one of one vectors found {len(found)}")

    def _ask(self, what: str, **body: Any) -> Any:
        path, headers = f"/v1/vector/{what}", {"Content-Type": "application/json"}
        told = json.loads(
            ask(self.port, path, method="POST", body=json.dumps(body).encode(), headers=headers, timeout_s=30)
        )
        if told.get("code") != 200:
            raise NotServing(f"{what}: {told.get('message')}")
        return told["data"]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_INDEX_MILVUS_URL": self.address}
