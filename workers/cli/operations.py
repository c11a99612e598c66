"""`shoplight reindex`, `rollup` and `reconcile`: on the servers that the settings name; else through the process that
runs on a data directory, or on it directly.

There the event log and the event store belong to one process, so whoever holds the data directory does the work.
"""

import json
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError
from api.events.log import LogUnavailable
from api.events.migrations import require_schema
from api.events.store import StoreUnavailable
from api.kit.migrations import schema_problem, upgrade
from api.kit.readiness import reason_of
from api.moving.service import moving_problem
from api.operations.service import Operations
from api.ports import Ports, open_ports
from api.settings import Settings
from api.settings_check import Role
from workers import celery_app
from workers.cli.processes import settings_for
from workers.cli.remote import AsJson, DataDir, Key, Url, err, fail, out, remote

LINE, MEMBERS = "demo.json", "demo-members.json"


class InUse(Exception):
    """Another process holds the data directory."""


def reindex(url: Url = "", key: Key = "", data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Throw the product index away and rebuild it from the stored vectors."""
    done = _outcome("reindex", url, key, data_dir, quiet=as_json)
    _tell(done, f"{done['products']} products are searchable, {done['unusable']} vectors unusable.", as_json=as_json)


def rollup(url: Url = "", key: Key = "", data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Throw the roll-ups away and rebuild them from the de-duplicated events."""
    done = _outcome("rollup", url, key, data_dir, quiet=as_json)
    _tell(done, f"{done['events']} events are rolled up.", as_json=as_json)


def reconcile(url: Url = "", key: Key = "", data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Compare the counts of the event log, the stored rows and the roll-ups; status 1 when they differ."""
    done = _outcome("reconcile", url, key, data_dir, quiet=as_json)
    if not as_json:
        out.print(_counts(done))
    verdict = "; ".join(done["differences"]) or "All counts agree."
    on_the_way = f" {done['waiting']} bytes of events are still on their way." if done["waiting"] else ""
    _tell(done, verdict + on_the_way, as_json=as_json)
    if done["differences"]:
        raise typer.Exit(1)


def _outcome(name: str, url: str, key: str, data_dir: Path, *, quiet: bool) -> dict[str, Any]:
    with nullcontext() if quiet else err.status(f"{name} …"):
        if url or key:
            return _there(name, url, key, data_dir)
        settings = settings_for(Role.command)
        if settings.on_servers:
            return _on_servers(name, settings)
        try:
            return _here(name, settings, data_dir)
        except InUse:
            return _there(name, url, key, data_dir)


def _on_servers(name: str, settings: Settings) -> dict[str, Any]:
    """All that these need lies on servers. A folder of our own for the rest: processes hold theirs."""
    with tempfile.TemporaryDirectory(prefix="shoplight-") as folder:
        return _directly(name, settings.model_copy(update={"datadir": Path(folder)}))


def _here(name: str, settings: Settings, data_dir: Path) -> dict[str, Any]:
    """Nothing runs on the data directory: open it."""
    if not (data_dir / "spool").is_dir():
        fail(f"There is no Shoplight in {data_dir}; name another with --data-dir, or a server with --url and --key.")
    return _directly(name, settings.model_copy(update={"datadir": data_dir.resolve()}))


def _directly(name: str, settings: Settings) -> dict[str, Any]:
    try:
        ports = open_ports(settings, celery_app.configure(settings))
    except LogUnavailable as error:
        raise InUse from error
    try:
        if settings.on_servers:
            _refuse_older(name, ports)
        else:
            upgrade(ports.database)
        if problem := moving_problem(ports.database):
            fail(f"{name}: {problem}")
        done: dict[str, Any] = getattr(Operations(ports), name)().model_dump()
    except (ApiError, StoreUnavailable, LogUnavailable, SQLAlchemyError) as error:
        fail(f"{name}: {reason_of(error, settings.secret_values())}")
    finally:
        ports.close()
    return done


def _refuse_older(name: str, ports: Ports) -> None:
    problem = schema_problem(ports.database)
    if problem:
        fail(f"{name}: {problem}")
    require_schema(ports.event_store)


def _there(name: str, url: str, key: str, data_dir: Path) -> dict[str, Any]:
    """A server runs: ask it. It may take as long as it needs."""
    url = url or str(_kept(data_dir / LINE).get("base_url", ""))
    key = key or str(_kept(data_dir / MEMBERS).get("operator", {}).get("secret", ""))
    if not url or not key:
        fail(f"Another process uses {data_dir}, and no operator's key is kept there; give --url and --key.")
    with remote(url, key, data_dir, "operator_key") as server:
        return server.call("POST", f"/v1/operations/{name}", timeout=None)


def _kept(path: Path) -> dict[str, Any]:
    """What the demo keeps in its data directory; empty when there is no demo."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _tell(done: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(done))  # noqa: T201 - what --json is for
    else:
        out.print(f"{text} ({done['took_ms']} ms)", markup=False)


def _counts(done: dict[str, Any]) -> Table:
    table = Table("where", "what", "count")
    for where in ("log", "store"):
        for what, count in done[where].items():
            table.add_row(where, what.replace("_", " "), str(count))
    return table
