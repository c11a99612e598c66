"""Imports every module that registers tasks."""

import importlib

TASK_MODULES = (
    "workers.catalog",
    "workers.media",
    "workers.video",
    "workers.billing",
    "workers.search",
    "workers.feedback",
)


def load_tasks() -> None:
    """Register all tasks with the Celery application."""
    for module in TASK_MODULES:
        importlib.import_module(module)
