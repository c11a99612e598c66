"""Every Prometheus metric by name, with its help text. The module where a thing happens makes its metric here."""

from collections.abc import Sequence
from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram

# from a warm call of half a millisecond to a task that works through a film
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)


class MetricName(StrEnum):
    """Counters get `_total` at the end. Labels are out of closed sets (routes, states, task names), never ids."""

    help: str

    def __new__(cls, value: str, help_text: str) -> "MetricName":
        """A name and what it tells."""
        name = str.__new__(cls, value)
        name._value_ = value
        name.help = help_text
        return name

    http_requests = "shoplight_http_requests", "HTTP requests by route template, method and status"
    http_seconds = "shoplight_http_seconds", "Time to the end of the answer, by route template"
    http_in_flight = "shoplight_http_in_flight", "HTTP requests that are being answered"
    http_refused = "shoplight_http_refused", "HTTP requests cut off for the server's own sake"
    events_accepted = "shoplight_events_accepted", "Events made durable"
    events_rejected = "shoplight_events_rejected", "Events refused by the collector"
    usage_lost = "shoplight_usage_lost", "Paid calls that could not be recorded"
    limited_calls = "shoplight_limited_calls", "Calls refused by a limit"
    spool_waiting_bytes = "shoplight_spool_waiting_bytes", "Bytes of the spool that nobody has taken on yet"
    log_forwarded = "shoplight_log_forwarded", "Records taken on from the spool to Kafka"
    sink_stored = "shoplight_sink_stored", "Records of the event log that became rows"
    sink_dropped = "shoplight_sink_dropped", "Records of the event log that added no row"
    sink_behind_offsets = "shoplight_sink_behind_offsets", "Length of the event log that is not in the store yet"
    task_seconds = "shoplight_task_seconds", "How long tasks run"
    ledger_behind_seconds = "shoplight_ledger_behind_seconds", "How long hours stay open because sinks are behind"
    queue_unsent = "shoplight_queue_unsent", "Hints that the broker did not take; sweeps make up for them"
    store_errors = "shoplight_store_errors", "Calls that a store did not answer"
    index_search_seconds = "shoplight_index_search_seconds", "How long the product index takes for one search"
    ready = "shoplight_ready", "1 while the part answers, 0 while it does not"
    logs_suppressed = "shoplight_logs_suppressed", "Warnings left out of the log because they repeat"


def counter(name: MetricName, labels: Sequence[str] = ()) -> Counter:
    """A count that only grows."""
    return Counter(name, name.help, labels)


def gauge(name: MetricName, labels: Sequence[str] = ()) -> Gauge:
    """A value that goes up and down."""
    return Gauge(name, name.help, labels)


def histogram(name: MetricName, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> Histogram:
    """Durations in seconds."""
    return Histogram(name, name.help, labels, buckets=buckets)


# counted by every store's own module, so it is made here
STORE_ERRORS = counter(MetricName.store_errors, ["store"])
