"""Statements on tables are written in repositories alone, and each repository class says whose rows it sees."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for root in ("api", "workers", "dashboard") for path in (REPO / root).rglob("*.py"))
STATEMENTS = {"select", "update", "delete", "insert"}
DIALECTS = {"sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"}
SQL_MODULES = {"sqlmodel", "sqlalchemy", "sqlalchemy.sql", *DIALECTS}


def is_repository(path: Path) -> bool:
    return path.name == "repository.py" or path.name.endswith("_repository.py") or path.parent.name == "repository"


def raw_statements(source: str) -> list[str]:
    """Imports of the statement builders: without them no statement can be written."""
    return [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module in SQL_MODULES
        for alias in node.names
        if alias.name in STATEMENTS
    ]


def unscoped_classes(source: str) -> list[str]:
    """Classes that take a session but neither a tenant (TenantRepository) nor say AcrossTenants."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        takes_session = any(
            any(argument.arg == "session" for argument in part.args.args)
            for part in node.body
            if isinstance(part, ast.FunctionDef) and part.name == "__init__"
        )
        scoped = any(base.endswith(("Repository", "AcrossTenants")) for base in bases)
        if takes_session and not scoped and not node.name.endswith("AcrossTenants"):
            found.append(node.name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_statements_stand_in_repositories_alone(path: Path) -> None:
    if is_repository(path):
        assert unscoped_classes(path.read_text()) == []
    else:
        assert raw_statements(path.read_text()) == []


def test_the_check_catches_what_it_forbids() -> None:
    assert raw_statements("from sqlmodel import Session, select\n") == ["select"]
    assert unscoped_classes("class Rows:\n    def __init__(self, session): ...\n") == ["Rows"]
    assert unscoped_classes("class Rows(TenantRepository):\n    def __init__(self, session): ...\n") == []
