"""Kafka, the event log: one broker that is its own controller (KRaft). Jars by Maven, OpenJDK 17, bounded by -Xmx."""

import re
import shutil
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from infra.services import install
from infra.services.problems import NotServing, StartFailed
from infra.services.service import Service
from infra.services.versions import VERSIONS

VERSION = VERSIONS["kafka"].version
JAVA = VERSIONS["java"].version
POM = Path(__file__).with_name("pom.xml")
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
CONFIG = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{main},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{main}
controller.listener.names=CONTROLLER
log.dirs={data}/log
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.bytes=67108864
"""
# a small heap, and the quick compiler: a test server lives for minutes
HEAP = ("-Xmx384m", "-Xms128m", "-XX:MaxDirectMemorySize=128m", "-XX:MaxMetaspaceSize=128m")
SPEED = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")
# a Metadata request of version 1 for all topics: key 3, correlation 7, a client name, no list
METADATA = struct.pack(">hhih", 3, 1, 7, 9) + b"shoplight" + struct.pack(">i", -1)


class Kafka(Service):
    """kafka.Kafka of the jars."""

    name = "kafka"
    asks = "kafka-topics.*--list"
    port_names = ("main", "controller")
    stop_s = 20

    @property
    def jars(self) -> Path:
        """Where the jars are."""
        return self.place.installed / "kafka"

    def missing_packages(self) -> list[str]:
        packages = [] if _has_java() else [f"openjdk-{JAVA}-jre-headless"]
        return packages if shutil.which("mvn") else [*packages, "maven"]

    def is_installed(self) -> bool:
        return install.is_stamped(self.jars, VERSION) and _has_java()

    def build(self) -> None:
        with install.fresh(self.jars, VERSION) as folder:
            quiet = ("mvn", "-q", "-B", "-f", POM)
            install.step(self.name, [*quiet, COPY, f"-DoutputDirectory={folder}", "-DincludeScope=runtime"])

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)
        config = self.folder / "server.properties"
        config.write_text(CONFIG.format(**self.ports, data=self.data))
        if (self.data / "log" / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = self._java("kafka.tools.StorageTool", "format", "-t", f"A{cluster[1:]}", "-c", config)
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"the log of kafka could not be made: {done.stdout} {done.stderr}")

    def command(self) -> Sequence[str | Path]:
        return self._java("kafka.Kafka", self.folder / "server.properties")

    def _java(self, *arguments: str | Path) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={Path(__file__).with_name('kafka-log4j2.properties')}"
        return ["java", *HEAP, *SPEED, logging, "-cp", f"{self.jars}/*", *map(str, arguments)]

    def check(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
            line.settimeout(5)
            line.sendall(struct.pack(">i", len(METADATA)) + METADATA)
            answer = _exactly(line, struct.unpack(">i", _exactly(line, 4))[0])
        correlation, brokers = struct.unpack_from(">ii", answer)
        if correlation != 7 or brokers != 1:  # a broker that is still fenced lists none
            raise NotServing(f"{brokers} brokers are in service")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_EVENTS_KAFKA_SERVERS": self.address}


def _has_java() -> bool:
    if not shutil.which("java"):
        return False
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return found is not None and int(found[1]) >= int(JAVA)


def _exactly(line: socket.socket, count: int) -> bytes:
    if not 0 <= count <= 1_000_000:
        raise NotServing(f"an answer of {count} bytes")
    read = b""
    while len(read) < count:
        part = line.recv(count - len(read))
        if not part:
            raise NotServing("the connection was closed")
        read += part
    return read
