"""What /readyz is made of: parts tried side by side within a time-out, reasons without secrets, changes in the log."""

import logging
import ssl
import threading
from collections.abc import Collection
from concurrent import futures
from concurrent.futures import Future

import pytest

from api.kit import readiness as module
from api.kit.readiness import Readiness, reason_of
from tests.patience import HANGS_S, until


def well() -> None:
    """A part that answers."""


def broken() -> None:
    raise ConnectionRefusedError("nobody listens")


def test_all_well_is_ready() -> None:
    report = Readiness({"database": well}, {"database"}).report()
    assert (report.status, report.serves, report.parts["database"].ok) == ("ready", True, True)


def test_without_a_part_that_is_not_needed_it_goes_on_degraded_and_names_it() -> None:
    report = Readiness({"database": well, "index": broken}, {"database"}).report()
    assert (report.status, report.serves) == ("degraded", True)
    assert report.parts["index"].as_json() == {
        "ok": False,
        "needed": False,
        "ms": 0,
        "reason": "ConnectionRefusedError: nobody listens",
    }


def test_without_a_needed_part_no_work_is_to_be_sent_here() -> None:
    report = Readiness({"database": broken, "index": well}, {"database"}).report()
    assert (report.status, report.serves) == ("not ready", False)


def test_parts_are_tried_side_by_side() -> None:
    meeting = threading.Barrier(3)
    readiness = Readiness(dict.fromkeys("abc", lambda: meeting.wait(HANGS_S)), (), timeout_s=HANGS_S)
    assert readiness.report().status == "ready"


def test_black_holes_cost_one_time_out_together_and_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[tuple[int, float]] = []

    def wait(attempts: Collection[Future[float]], timeout: float) -> None:
        waits.append((len(attempts), timeout))
        futures.wait(attempts, timeout)

    monkeypatch.setattr(module, "wait", wait)
    hole = threading.Event()
    readiness = Readiness(dict.fromkeys("abc", hole.wait), {"a"}, timeout_s=0.05, keep_s=0)
    for _ in range(3):
        report = readiness.report()
    assert (report.status, report.parts["b"].reason) == ("not ready", "no answer within 0.05 s")
    assert waits == [(3, 0.05)] * 3
    names = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("check-"))
    assert names == ["check-a", "check-b", "check-c"]
    hole.set()
    until(lambda: readiness.report().status == "ready")


def test_answers_are_kept_for_a_second() -> None:
    asked, now = [], [100.0]
    readiness = Readiness({"database": lambda: asked.append(1)}, (), keep_s=1.0, monotonic=lambda: now[0])
    readiness.report()
    now[0] += 1.0
    readiness.report()
    assert len(asked) == 1
    now[0] += 0.1
    readiness.report()
    assert len(asked) == 2


def test_a_process_that_ends_says_so_whatever_its_parts_do() -> None:
    readiness = Readiness({"database": well}, {"database"})
    readiness.report()
    readiness.stop()
    report = readiness.report()
    assert (report.status, report.serves) == ("stopping", False)


def test_changes_are_logged_once_not_each_time_that_somebody_asks(caplog: pytest.LogCaptureFixture) -> None:
    away = threading.Event()
    away.set()
    readiness = Readiness({"kafka": lambda: broken() if away.is_set() else None}, (), keep_s=0)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            readiness.report()
        away.clear()
        readiness.report()
        readiness.report()
    said = [record.getMessage() for record in caplog.records]
    assert said == ["kafka: ConnectionRefusedError: nobody listens (degraded)", "kafka answers again"]


def test_a_reason_is_one_line_without_secrets() -> None:
    error = OSError("cannot reach\n  postgresql://shop:hunter2@db/x with password=hunter3 and k3y-material")
    said = reason_of(error, ["k3y-material"])
    assert said == "OSError: cannot reach postgresql://…@db/x with password=… and …"
    assert len(reason_of(OSError("x" * 9999))) < 300


def test_a_certificate_underneath_is_named() -> None:
    try:
        try:
            raise ssl.SSLCertVerificationError(1, "certificate verify failed: certificate has expired")
        except ssl.SSLError as error:
            raise RuntimeError("the store does not answer") from error
    except RuntimeError as error:
        said = reason_of(error)
    assert "does not answer" in said
    assert "certificate has expired" in said


def test_an_error_without_words_is_named_by_its_type() -> None:
    assert reason_of(TimeoutError()) == "TimeoutError"
