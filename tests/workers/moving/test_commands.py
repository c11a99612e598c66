"""`shoplight backup` and `restore` at the command line, and what `migrate --from` and its kin are made of."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api.settings import Settings
from tests.workers.moving.conftest import Lived
from workers.cli import backup as commands
from workers.cli import moving

app = typer.Typer()
app.command("backup")(commands.backup)
app.command("restore")(commands.restore)
run = CliRunner().invoke


def said(done: Result) -> str:
    """What stands on standard error, which is as wide as its terminal, in one line."""
    return " ".join(done.stderr.split())


def test_a_house_goes_into_a_file_and_out_of_it(old: Lived, tmp_path: Path) -> None:
    folder = str(old.settings.datadir)
    made = run(app, ["backup", str(tmp_path / "a.zip"), "--data-dir", folder])
    assert made.exit_code == 0, made.output
    assert "whoever reads it can be anybody" in said(made)
    assert "7 blobs" in made.stdout
    again = run(app, ["backup", str(tmp_path / "a.zip"), "--data-dir", folder])
    assert (again.exit_code, "is there already" in said(again)) == (1, True)
    shutil.rmtree(folder)
    done = run(app, ["restore", str(tmp_path / "a.zip"), "--data-dir", folder, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["settled"]["reconciliation"]["differences"] == []
    assert told["counts"]["rows/products"] == 6
    full = run(app, ["restore", str(tmp_path / "a.zip"), "--data-dir", folder])
    assert (full.exit_code, "is not empty" in said(full)) == (1, True)


def test_json_is_all_that_stands_on_standard_output(old: Lived, tmp_path: Path) -> None:
    made = run(app, ["backup", str(tmp_path), "--data-dir", str(old.settings.datadir), "--no-secrets", "--json"])
    told = json.loads(made.stdout)
    assert Path(told["path"]).parent == tmp_path
    assert {part["name"] for part in told["parts"]} >= {"rows/tenants.arrow", "events/usage.arrow", "blobs.arrow"}


@pytest.mark.parametrize("words", [["backup", "a.zip"], ["restore", "none.zip"]])
def test_what_is_not_there_is_told_without_a_trace(words: list[str], tmp_path: Path) -> None:
    done = run(app, [*words, "--data-dir", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert "there is no" in said(done)
    assert "Traceback" not in done.output
    assert not (tmp_path / "nowhere").exists()


def test_a_data_directory_is_told_apart_from_the_servers_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is embedded must not be opened on the servers that the environment names."""
    monkeypatch.setenv("SHOPLIGHT_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("SHOPLIGHT_EVENTS_KAFKA_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("SHOPLIGHT_EVENTS_CLICKHOUSE_URL", "clickhouse://127.0.0.1:9/none")
    monkeypatch.setenv("SHOPLIGHT_INDEX_MILVUS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOPLIGHT_BLOBS_S3_BUCKET", "bucket")
    found = moving.embedded(tmp_path)
    plain = Settings.model_construct()
    assert (found.database_url, found.datadir) == (f"sqlite:///{tmp_path / 'shoplight.db'}", tmp_path)
    for group in ("database", "events", "index", "blobs", "queue"):
        assert getattr(found, group) == getattr(plain, group), group


def test_both_ways_of_saying_where_refuse_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ask in (moving.move_from, moving.move_into):
        with pytest.raises(typer.Exit):
            ask(tmp_path / "nowhere", as_json=True)
    with pytest.raises(typer.Exit):
        moving.open_again(as_json=True, folder=tmp_path / "nowhere")
    assert capsys.readouterr().err.count("migrate: ") == 3
