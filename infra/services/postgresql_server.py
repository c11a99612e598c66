"""PostgreSQL, the relational store. It refuses to run as root, so root runs it as the user `postgres`."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.services.problems import NotServing
from infra.services.service import Service
from infra.services.versions import VERSIONS

MAJOR = VERSIONS["postgresql"].version
PROGRAMS = Path(f"/usr/lib/postgresql/{MAJOR}/bin")
ROLE = "shoplight"


class Postgresql(Service):
    """postgres of Debian, with a cluster of its own."""

    name = "postgresql"
    asks = "select 1"
    ask_to_stop = signal.SIGINT  # "fast": does not wait for clients to leave

    @property
    def user(self) -> str | None:  # type: ignore[override]
        return "postgres" if os.geteuid() == 0 else None

    def missing_packages(self) -> list[str]:
        return [] if self.is_installed() else [f"postgresql-{MAJOR}", f"postgresql-client-{MAJOR}"]

    def is_installed(self) -> bool:
        return (PROGRAMS / "postgres").exists() and (PROGRAMS / "psql").exists()

    @property
    def data(self) -> Path:
        """In the service's folder, or in the home of the user `postgres` when that user cannot reach the folder."""
        if self.user and not _all_may_enter(self.folder):
            return Path(pwd.getpwnam(self.user).pw_dir) / f"shoplight-{self.place.digest}"
        return self.folder / "data"

    def prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)  # what an interrupted initdb left
        self.data.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.data, self.user, self.user)
        done = subprocess.run(
            [PROGRAMS / "initdb", "-D", self.data, "-U", ROLE, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            cwd="/",
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotServing(f"initdb: {done.stderr.strip()}")

    def command(self) -> Sequence[str | Path]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "work_mem": "4MB",
            "maintenance_work_mem": "32MB",
            "max_connections": "200",
            "max_wal_size": "256MB",
            "timezone": "UTC",
        }
        return [
            PROGRAMS / "postgres",
            "-D",
            self.data,
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ]

    def check(self) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        done = subprocess.run(
            [
                PROGRAMS / "psql",
                "-X",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                ROLE,
                "-d",
                "postgres",
                "-Atc",
                self.asks,
            ],
            env={**own, "PGCONNECT_TIMEOUT": "2"},
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
        if done.stdout.strip() != "1":
            raise NotServing(done.stderr.strip() or "no answer")

    @property
    def address(self) -> str:
        return f"postgresql+psycopg://{ROLE}@127.0.0.1:{self.port}/postgres"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_DATABASE_URL": self.address}


def _all_may_enter(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in [folder, *folder.parents])
