"""The real servers that tests talk to: found where the environment names one, else started through infra/services and
stopped again when the last test session that uses them ends."""

import atexit
import os
from typing import NoReturn

import pytest

from infra.services.problems import ServiceProblem
from infra.services.registry import SERVICES, service

_known: dict[str, str] = {}


def url_of(name: str) -> str:
    """The address of a running server, in the form our settings take. Where it cannot be had the test fails under
    CI=true and is skipped elsewhere."""
    if name not in SERVICES:
        raise ValueError(f"no service is called {name}; there are {', '.join(SERVICES)}")
    given = os.environ.get(f"SHOPLIGHT_TEST_{name.upper()}")
    if given:
        return given
    if name not in _known:
        opened = service(name)
        try:
            loan = opened.lend()
        except ServiceProblem as problem:
            missing(name, problem)
        atexit.register(loan.give_back)
        _known[name] = opened.address
    return _known[name]


def missing(name: str, problem: ServiceProblem) -> NoReturn:
    """A missing service fails in continuous integration; it never skips there."""
    message = f"{name} is not to be had: {problem}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(message)
    pytest.skip(message)
