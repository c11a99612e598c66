"""From the event log to the event store: one list of steps, run over and over. See pipeline.STEPS."""

from workers.sink.pipeline import Sink

__all__ = ["Sink"]
