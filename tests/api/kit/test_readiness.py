"""What /readyz is made of: parts tried side by side within a time-out, reasons without secrets, changes in the log."""

import logging
import ssl
import threading
import time

import pytest

from api.kit.readiness import Readiness, reason_of


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


def test_black_holes_cost_one_time_out_together_and_one_thread_each() -> None:
    hole = threading.Event()
    readiness = Readiness(dict.fromkeys("abc", hole.wait), {"a"}, timeout_s=0.2, keep_s=0)
    before, started = threading.active_count(), time.monotonic()
    for _ in range(3):
        report = readiness.report()
    took = time.monotonic() - started
    assert (report.status, report.parts["b"].reason) == ("not ready", "no answer within 0.2 s")
    assert 0.6 <= took < 1.5
    assert threading.active_count() - before <= 3
    hole.set()
    time.sleep(0.05)
    assert readiness.report().status == "ready"


def test_answers_are_kept_for_a_second() -> None:
    asked = []
    readiness = Readiness({"database": lambda: asked.append(1)}, (), keep_s=0.2)
    readiness.report()
    readiness.report()
    assert len(asked) == 1
    time.sleep(0.25)
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
