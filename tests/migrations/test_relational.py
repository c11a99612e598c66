"""The relational migrations, on SQLite and PostgreSQL: from nothing to exactly the tables of the models, and never half
of it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import BigInteger, Enum, inspect
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlmodel import SQLModel, select

from api.accounts.models import Tenant
from api.accounts.scopes import TenantKind
from api.accounts.service import AccountsDesk
from api.kit import migrations, tables
from api.kit.clock import SystemClock
from api.kit.db import Database
from api.kit.migrations import current_and_head, schema_problem, upgrade
from api.kit.paging import Cursor
from api.media.models import Media, MediaKind, MediaState, Tag, TagVote, Verdict
from api.sites.models import Site

assert tables  # the import fills the metadata
REPO = Path(__file__).resolve().parents[2]
UPGRADE = """
import sys
from api.kit import tables
from api.kit.db import Database
from api.kit.migrations import upgrade
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
upgrade(database)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.db'}"
        return
    with request.getfixturevalue("test_databases").empty() as made:
        yield made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def test_they_make_the_tables_of_the_models(database: Database) -> None:
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_one_that_fails_leaves_nothing_of_those_before_it(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE search_verdicts (somebody_elses INTEGER)")
    with pytest.raises(SQLAlchemyError, match="already exists"):
        upgrade(database)
    assert inspect(database.engine).get_table_names() == ["search_verdicts"]


def test_a_second_run_changes_nothing(database: Database) -> None:
    assert current_and_head(database)[0] is None
    upgrade(database)
    upgrade(database)
    current, head = current_and_head(database)
    assert current == head is not None


def test_processes_that_start_at_once_migrate_once(url: str, database: Database) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, url], cwd=REPO, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in started if process.stdout] == ["ready\n"] * 3
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], told
    assert schema_problem(database) is None
    assert set(SQLModel.metadata.tables) < set(inspect(database.engine).get_table_names())


def test_a_missing_an_older_and_a_newer_schema_are_told_with_the_command(database: Database) -> None:
    missing = schema_problem(database)
    assert missing is not None
    assert "shoplight migrate" in missing
    upgrade(database)
    assert schema_problem(database) is None
    for revision, word in (("0001", "needs"), ("9999", "newer")):
        with database.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608 - ours
        told = schema_problem(database)
        assert told is not None
        assert revision in told
        assert word in told
        assert "shoplight migrate" in told


def test_a_store_that_is_away_is_no_schema_problem() -> None:
    nobody = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(OperationalError):
        schema_problem(nobody)
    nobody.close()


def test_texts_sort_by_bytes_in_the_database_as_in_python(database: Database) -> None:
    """Cursors are compared in both. The server's language would sort `a` before `B`."""
    upgrade(database)
    ids = ["tnt_b", "tnt_B", "tnt_a", "tnt_A", "tnt-z", "tnt_é", "tnt_1", "tnt__"]
    with database.write() as session:
        now = SystemClock().now()
        session.add_all([Tenant(id=one, kind=TenantKind.brand, name=one, created_at=now) for one in ids])
    with database.read() as session:
        assert list(session.exec(select(Tenant.id).order_by(Tenant.id))) == sorted(ids)
        desk, seen, after = AccountsDesk(session, now), [], None
        while page := desk.tenants(Cursor(after, 2))[:2]:
            seen += [row.id for row in page]
            after = seen[-1]
    assert seen == sorted(ids)


def test_amounts_and_times_fit(database: Database) -> None:
    """Micros need 64 bits, and no text column of PostgreSQL sorts by a language."""
    for table in SQLModel.metadata.tables.values():
        for column in table.columns:
            if column.name.endswith("_micros"):
                assert isinstance(column.type, BigInteger), f"{table.name}.{column.name}"
            if column.name.endswith("_at") or column.name in {"hour", "at"}:
                assert getattr(column.type, "impl", column.type).timezone, f"{table.name}.{column.name}"
    upgrade(database)
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            other = connection.exec_driver_sql(
                "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
                "JOIN pg_collation o ON o.oid = a.attcollation WHERE c.relkind = 'r' AND o.collname <> 'C' "
                "AND c.relnamespace = current_schema()::regnamespace"
            )
            assert other.all() == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_every_value_of_an_enum_can_be_stored(database: Database) -> None:
    """Alembic's comparison does not look into them, and PostgreSQL takes none that a migration has not named (SQLite
    takes any text)."""
    upgrade(database)
    wanted = {
        column.type.name: set(column.type.enums)
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Enum)
    }
    assert wanted
    with database.engine.connect() as connection:
        query = "SELECT t.typname, e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid"
        held: dict[str, set[str]] = {}
        for name, value in connection.exec_driver_sql(query):
            held.setdefault(name, set()).add(value)
    assert held == wanted


def _before(database: Database, revision: str) -> None:
    config = migrations._config()
    with database.engine.execution_options(write=True).connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()
    assert current_and_head(database)[0] == revision


def test_words_from_before_there_were_voters_are_voters_of_their_own(database: Database) -> None:
    """0008 on a store that has them, after a way down that leaves them there."""
    upgrade(database)
    now = SystemClock().now()
    owner = {"tenant_id": "tnt_a", "site_id": "sit_a"}
    with database.write() as session:
        session.add(Tenant(id="tnt_a", kind=TenantKind.publisher, name="A", created_at=now))
        session.flush()
        session.add(
            Site(id="sit_a", tenant_id="tnt_a", name="A", key="pk_a", origins=[], media_hosts=[], created_at=now)
        )
        session.flush()
        for nonce in ("one", "two"):
            word = {"tag_id": "tag_a", "nonce": nonce, "product_id": "prd_a", "verdict": Verdict.right, "voter": "same"}
            session.add(TagVote(**owner, **word, at=now))
    _before(database, "0007")
    upgrade(database)
    with database.read() as session:
        assert {word.voter for word in session.exec(select(TagVote))} == {"one", "two"}


def test_what_was_objected_to_before_is_found_after(database: Database) -> None:
    """0009, down and up again."""
    upgrade(database)
    now = SystemClock().now()
    owner = {"tenant_id": "tnt_a", "site_id": "sit_a"}
    media = Media(id="med_a", kind=MediaKind.image, state=MediaState.ready, due_at=now, created_at=now, **owner)
    seen = {"label": "bag", "score": 0.9, "x": 0, "y": 0, "w": 1, "h": 1, "vectors": b"", "embedder_version": "1"}
    with database.write() as session:
        session.add(Tenant(id="tnt_a", kind=TenantKind.publisher, name="A", created_at=now))
        session.flush()
        session.add(
            Site(id="sit_a", tenant_id="tnt_a", name="A", key="pk_a", origins=[], media_hosts=[], created_at=now)
        )
        session.flush()
        session.add(media)
        session.flush()
        for verdict in Verdict:
            tag_id = f"tag_{verdict.value}"
            session.add(Tag(id=tag_id, tenant_id="tnt_a", media_id="med_a", created_at=now, updated_at=now, **seen))
            session.add(TagVote(tag_id=tag_id, nonce="one", product_id="prd_a", verdict=verdict, at=now, **owner))
    _before(database, "0008")
    upgrade(database)
    with database.read() as session:
        assert list(session.exec(select(Tag.id).where(Tag.objected))) == ["tag_not_this"]
