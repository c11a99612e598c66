"""The log's two forms: context in each line, no secrets, and no storms."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest

from api.kit import logs, request_ids
from api.settings import TelemetrySettings

Log = Callable[[], list[str]]


@pytest.fixture
def restored() -> Iterator[None]:
    """The root logger is pytest's own afterwards."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level, logging.getLogger("uvicorn.error").level
    yield
    root.handlers[:], level, uvicorn = kept
    root.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(uvicorn)


def configured(form: str) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(TelemetrySettings(log_format=form), stream)
    return stream


@pytest.mark.usefixtures("restored")
def test_a_json_line_has_its_context_and_its_exception() -> None:
    stream = configured("json")

    def work() -> None:
        request_ids.request_id.set("req_1234567")
        with request_ids.within_task("media.analyse", request_ids.carrier()):
            try:
                raise OSError("no\nmore")
            except OSError:
                logging.getLogger("shop").exception("could not look at %s", "it")

    copy_context().run(work)
    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert {name: line[name] for name in ("level", "logger", "message", "request_id", "task")} == {
        "level": "ERROR",
        "logger": "shop",
        "message": "could not look at it",
        "request_id": "req_1234567",
        "task": "media.analyse",
    }
    assert line["exception"].endswith("OSError: no\nmore")
    assert line["time"].endswith("Z")


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_in_addresses_do_not_reach_the_log(form: str) -> None:
    stream = configured(form)
    try:
        raise ValueError("clickhouse://shop:hunter2@ch/db and sk_abcdefghijkl")
    except ValueError:
        logging.getLogger("shop").exception("lost redis://:hunter2@cache/0, password=hunter2")
    assert "hunter2" not in stream.getvalue()
    assert "sk_abc" not in stream.getvalue()
    assert "redis://…@cache/0" in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_a_storm_is_cut_short_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    stream = configured("text")
    log = logging.getLogger("shop")
    for number in range(50):
        log.warning("the database refused request %d", number)
        log.info("progress %d", number)
    log.warning("something else")
    now[0] += logs.EVERY_S + 1
    log.warning("the database refused request %d", 50)
    said = stream.getvalue().splitlines()
    assert sum("refused" in line for line in said) == logs.BURST + 1
    assert "refused request 50 (and 45 more like it)" in said[-1]
    assert sum("progress" in line for line in said) == 50
    assert any("something else" in line for line in said)


@pytest.mark.usefixtures("restored")
def test_other_threads_and_tasks_do_not_inherit_a_request() -> None:
    stream = configured("text")
    context = copy_context()
    context.run(request_ids.request_id.set, "req_elsewhere")
    thread = threading.Thread(target=logging.getLogger("shop").warning, args=("alone",))
    thread.start()
    thread.join()
    assert "req_elsewhere" not in stream.getvalue()
    context.run(logging.getLogger("shop").warning, "together")
    assert stream.getvalue().splitlines()[-1].endswith("together [req_elsewhere]")
