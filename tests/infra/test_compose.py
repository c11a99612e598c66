"""The compose file is held to the settings, to infra/services and to the commands, because no test runs it."""

import re
import secrets
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command

from api.settings import Settings
from api.settings_check import Role, checked
from infra.services.registry import SERVICES
from infra.services.versions import PYTHON_IMAGE, VERSIONS

INFRA = Path(__file__).resolve().parents[2] / "infra"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
ROLES = ("serve", "worker", "sink", "beat")
OURS = (*ROLES, "migrate")
SERVERS = sorted({*SERVICES, *VERSIONS} & {*CONTAINERS})
DOCKERFILE = (INFRA / "images" / "Dockerfile").read_text()
# what makes it the scale-out shape, and what production refuses to start without
REQUIRED = {
    "SHOPLIGHT_ENVIRONMENT",
    "SHOPLIGHT_HTTP_BASE_URL",
    "SHOPLIGHT_SECRETS_SESSION_KEY",
    "SHOPLIGHT_SECRETS_TOKEN_KEYS",
}


def known_settings() -> set[str]:
    """Every SHOPLIGHT_<GROUP>_<NAME> that the settings read."""
    known: set[str] = set()
    for group, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known |= {f"SHOPLIGHT_{group}_{name}".upper() for name in kind.model_fields}
        else:
            known.add(f"SHOPLIGHT_{group}".upper())
    return known


def check_of(container: dict[str, Any]) -> str:
    """The command of a health check, as one line."""
    test = container["healthcheck"]["test"]
    return test if isinstance(test, str) else shlex.join(test)


def test_every_setting_exists() -> None:
    given = {name for each in OURS for name in CONTAINERS[each]["environment"]}
    baked = set(re.findall(r"\bSHOPLIGHT_[A-Z0-9_]+(?==)", DOCKERFILE))
    assert baked
    assert given | baked <= known_settings()


@pytest.mark.parametrize("role", OURS)
def test_every_role_has_every_setting_that_infra_services_would_give_it(role: str) -> None:
    stripe_itself = {"SHOPLIGHT_STRIPE_API_BASE"}  # containers talk to Stripe, not to its mock
    needed = {name for kind in SERVICES.values() for name in kind().settings()} - stripe_itself
    assert needed | REQUIRED <= set(CONTAINERS[role]["environment"])
    assert CONTAINERS[role]["environment"]["SHOPLIGHT_ENVIRONMENT"] == "production"


@pytest.mark.parametrize("role", OURS)
def test_each_role_starts_with_what_the_file_gives(role: str) -> None:
    """Filled in as secrets.env.example says, in production; this raises with all that is wrong."""

    def filled(found: re.Match[str]) -> str:
        given = {"SHOPLIGHT_HTTP_BASE_URL": "https://shop.example.com", "SHOPLIGHT_STRIPE_API_KEY": "sk_live_x"}
        given |= {"SHOPLIGHT_SECRETS_TOKEN_KEYS": f"k1:{secrets.token_hex(32)}"}
        given |= {"SHOPLIGHT_HTTP_TRUSTED_PROXIES": "172.16.0.0/12"}
        return given.get(found[1]) or secrets.token_hex(24)

    given = CONTAINERS[role]["environment"]
    environ = {name: re.sub(r"\$\{(\w+)[^}]*\}", filled, value) for name, value in given.items()}
    settings = checked(Role(role), environ)
    assert settings.environment == "production"
    assert settings.database.url.startswith("postgresql+psycopg://shoplight:")


@pytest.mark.parametrize("name", SERVERS)
def test_images_are_pinned_as_infra_services_pins_them(name: str) -> None:
    pinned, image = VERSIONS[name], CONTAINERS[name]["image"]
    assert image == pinned.image
    tag = image.partition(":")[2]
    assert tag != "latest"
    assert re.search(r"\d", tag)
    if not pinned.newer_image:
        assert re.match(rf"v?{re.escape(pinned.version)}\b", tag), f"{image} is not {name} {pinned.version}"


def test_the_image_of_shoplight_is_pinned_and_runs_as_nobody() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == [PYTHON_IMAGE] * 2
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!root|0)\w+", last, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for path in source.split():
            assert (INFRA.parent / path).exists(), path


def test_what_the_image_copies_is_let_through() -> None:
    """Dockerfile.dockerignore starts from nothing: a folder that is copied but not listed would be missing."""
    listed = {line[1:] for line in (INFRA / "images" / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        path for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for path in line.split()
    }
    assert copied == listed


@pytest.mark.parametrize("name", SERVERS)
def test_health_checks_ask_what_infra_services_asks(name: str) -> None:
    asks = SERVICES[name].asks
    assert asks
    assert re.search(asks, check_of(CONTAINERS[name]))


@pytest.mark.parametrize("name", CONTAINERS)
def test_everything_is_bounded_and_watched(name: str) -> None:
    container = CONTAINERS[name]
    assert re.fullmatch(r"\d+[mg]", container["mem_limit"])
    runs_to_its_end = container.get("restart") == "no"
    assert bool(container["healthcheck"].get("disable")) == runs_to_its_end
    if not runs_to_its_end:
        assert {"test", "interval", "timeout", "retries"} <= set(container["healthcheck"])


@pytest.mark.parametrize("role", OURS)
def test_roles_are_commands_of_shoplight(role: str) -> None:
    from workers.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert CONTAINERS[role]["command"] == [role]
    assert role in commands


@pytest.mark.parametrize("role", ROLES)
def test_each_process_keeps_its_spool_on_a_volume_of_its_own(role: str) -> None:
    baked = dict(re.findall(r"(SHOPLIGHT_[A-Z_]+)=(\S+)", DOCKERFILE))
    assert CONTAINERS[role]["volumes"] == [f"{role}:{baked['SHOPLIGHT_DATADIR']}"]
    assert f":{baked['SHOPLIGHT_HTTP_PORT']}/healthz" in check_of(CONTAINERS[role])
    assert CONTAINERS[role]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_reference_resolves(name: str) -> None:
    container = CONTAINERS[name]
    assert set(container.get("networks", [])) <= set(COMPOSE["networks"])
    for volume in container.get("volumes", []):
        source = volume.split(":")[0]
        assert (INFRA / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
    for other, how in container.get("depends_on", {}).items():
        ends = CONTAINERS[other].get("restart") == "no"
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
    if "build" in container:
        root = INFRA / container["build"]["context"]
        assert (root / container["build"]["dockerfile"]).is_file()
    for host in re.findall(r"(?:@|//)([a-z0-9]+):\d+", str(container.get("environment", ""))):
        assert host in CONTAINERS, f"{host} is no container"


def test_every_volume_is_used_once() -> None:
    used = [volume.split(":")[0] for each in CONTAINERS.values() for volume in each.get("volumes", [])]
    assert sorted(one for one in used if not one.startswith("./")) == sorted(COMPOSE["volumes"])


def test_only_the_api_is_reached_from_outside_and_servers_not_at_all() -> None:
    assert [name for name, each in CONTAINERS.items() if "ports" in each] == ["serve"]
    assert all(port.startswith("127.0.0.1:") for port in CONTAINERS["serve"]["ports"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all(CONTAINERS[name]["networks"] == ["inside"] for name in SERVERS)


def test_secrets_come_from_outside_and_have_no_defaults() -> None:
    text = (INFRA / "compose.yaml").read_text()
    asked = re.findall(r"\$\{(\w+)([^}]*)\}", text)
    assert asked
    assert {default for _, default in asked} <= {":?", "?"}, "a missing secret must stop `up`"
    example = (INFRA / "images" / "secrets.env.example").read_text()
    lines = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    assert set(lines) == {name for name, _ in asked}
    assert set(lines.values()) == {""}
    for each in CONTAINERS.values():
        for name, value in each.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", name):
                assert str(value).startswith("${"), f"{name} stands in the file"
