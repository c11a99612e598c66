"""Metrics have their names in one place, and labels without ids: a series for each tenant would fill any Prometheus."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY

from api.kit.metrics import MetricName

REPO = Path(__file__).resolve().parents[2]
HOME = REPO / "api" / "kit" / "metrics.py"
FACTORIES = {"counter", "gauge", "histogram"}
BOUNDED = {"kind", "logger", "method", "outcome", "part", "partition", "reason", "route", "status", "store", "task"}
BOUNDED |= {"type"}
SOURCES = sorted(path for root in ("api", "workers", "dashboard") for path in (REPO / root).rglob("*.py"))


def made(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls that make a metric: by the factories of kit/metrics.py, or around them."""
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    theirs = [node for node in imports if node.module == "prometheus_client"]
    direct = {alias.asname or alias.name for node in theirs for alias in node.names}
    for node in ast.walk(tree):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if name in FACTORIES | direct - {"generate_latest"}:
            yield name, node


def test_metrics_are_made_out_of_the_enum_alone_with_labels_out_of_closed_sets() -> None:
    found = 0
    for path in SOURCES:
        if path == HOME:
            continue
        for name, node in made(path):
            at = f"{path.relative_to(REPO)}:{node.lineno}"
            assert name in FACTORIES, f"{at}: made around kit/metrics.py"
            first = node.args[0]
            assert isinstance(first, ast.Attribute), f"{at}: a name out of MetricName, no text"
            assert getattr(first.value, "id", "") == "MetricName", at
            labels = set(ast.literal_eval(node.args[1])) if len(node.args) > 1 else set()
            assert labels <= BOUNDED, f"{at}: {labels - BOUNDED} may have any number of values"
            found += 1
    assert found > 10


def test_each_name_is_used_once_says_what_it_tells_and_is_served() -> None:
    for module in ("api.main", "api.events.kafka_log", "api.search.milvus", "workers.cli.main"):
        importlib.import_module(module)

    served = {family.name for family in REGISTRY.collect()}
    for name in MetricName:
        assert name.startswith("shoplight_")
        assert name.help
        assert len([one for one in MetricName if one.help == name.help]) == 1
        assert name.removesuffix("_total") in served, f"{name} is nobody's"
