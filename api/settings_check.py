"""Everything that is wrong with the settings, told at once and by name, with what to put there.

Which settings a process needs follows from its role; what they mean stands in settings.py."""

import difflib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from api import setting_values
from api.kit.secrets import parse_token_keys
from api.settings import Settings, environment

PREFIX = "SHOPLIGHT_"
# read elsewhere: by tests, installers and the commands that take a key
_OTHERS = re.compile(r"SHOPLIGHT_(SHARED_DATA|KEY|SERVICES_DIR|TEST_\w+)")
# what Kubernetes puts into every container of a namespace that has a service called "shoplight"
_SERVICE_LINKS = re.compile(r"SHOPLIGHT_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)\w*)?)")
HEX_KEY = "what `openssl rand -hex 32` prints"
_EXAMPLES = {
    "database.url": setting_values.DATABASE,
    "queue.broker_url": setting_values.BROKER,
    "events.kafka_servers": setting_values.KAFKA,
    "events.clickhouse_url": setting_values.CLICKHOUSE,
    "index.milvus_url": setting_values.MILVUS,
    "blobs.s3_bucket": setting_values.BUCKET,
    "http.base_url": f"{setting_values.BASE_URL}, under which people reach this house",
    "secrets.session_key": f"{HEX_KEY}, the same for every process",
    "secrets.token_keys": f"k1: and {HEX_KEY}, newest first, comma separated, the same for every process",
}
_EMBEDDED = {"queue.broker_url": "memory://", "database.url": "sqlite:"}
_ALL = frozenset(_EXAMPLES)
MIN_KEY_CHARS, MIN_KINDS_OF_CHARS, MIN_KINDS_OF_BYTES = 32, 10, 12
_MADE_UP = re.compile(r"(?i)change|secret|passw|example|develop|default|insecure|dummy|sample|test|12345678|abcdef12")
_DEFAULT_PASSWORDS = frozenset({
    "123456", "admin", "changeme", "clickhouse", "default", "example", "guest", "kafka", "milvus", "minioadmin",
    "password", "postgres", "redis", "root", "secret", "shoplight", "test", "testing",
})  # fmt: skip


class Role(StrEnum):
    """What a process is there for."""

    demo = "demo"
    serve = "serve"
    worker = "worker"
    sink = "sink"
    beat = "beat"
    migrate = "migrate"
    seed = "seed"
    command = "command"


# the embedded shape needs nothing; processes that share servers need every one that they touch
NEEDS: Mapping[Role, frozenset[str]] = {
    Role.serve: _ALL,
    Role.worker: _ALL,
    Role.seed: _ALL,
    Role.sink: frozenset({"events.kafka_servers", "events.clickhouse_url"}),
    Role.beat: frozenset({"queue.broker_url"}),
}
_KEYLESS = frozenset({Role.sink, Role.beat, Role.migrate})


class WrongSettings(Exception):
    """`problems`: one line each, beginning with the setting's name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Given(Settings):
    """Settings out of what is passed alone."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # only this one of the sources is wanted
        cls, *_: Any, init_settings: PydanticBaseSettingsSource, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """No environment: `checked` has read it."""
        return (init_settings,)


def checked(role: Role, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the environment, fit for this role. Raises WrongSettings with all that is wrong."""
    given = {name.upper(): value for name, value in (environment() if environ is None else environ).items()}
    given = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    known = _known()
    problems = list(_unknown(given, known))
    values = {known[name][0]: value for name, value in given.items() if name in known and value != ""}
    try:
        settings = _settings(values)
    except ValidationError as error:
        found = dict(_invalid(error, values))
        problems += found.values()
        # what is missing is told at the same time: as if the wrong ones had not been given
        wrong = set(found)
        settings = _settings({place: value for place, value in values.items() if place not in wrong})
        problems += [line for place, line in _unfit(settings, role) if place not in wrong]
    else:
        problems += [line for _, line in _unfit(settings, role)]
    if problems:
        raise WrongSettings(sorted(problems))
    return settings


def name_of(place: str) -> str:
    """`http.port` -> `SHOPLIGHT_HTTP_PORT`."""
    return PREFIX + place.replace(".", "_").upper()


def _known() -> dict[str, tuple[str, FieldInfo]]:
    """Every name there is, with its place and field."""
    known = {}
    for group, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, inner in kind.model_fields.items():
                known[name_of(f"{group}.{name}")] = f"{group}.{name}", inner
        else:
            known[name_of(group)] = group, field
    return known


def _unknown(given: Mapping[str, str], known: Mapping[str, object]) -> Iterator[str]:
    for name, value in given.items():
        linked = _SERVICE_LINKS.fullmatch(name) and (value.startswith("tcp://") or "_SERVICE_" in name)
        if name in known or _OTHERS.fullmatch(name) or linked or re.fullmatch(r"SHOPLIGHT_PORT_\d+_\w+", name):
            continue
        near = difflib.get_close_matches(name, known, 1, 0.75)
        yield f"{name} is no setting" + (f": did you mean {near[0]}?" if near else ": take it away")


def _settings(values: Mapping[str, str]) -> Settings:
    nested: dict[str, Any] = {}
    for place, value in values.items():
        group, _, name = place.partition(".")
        if name:
            nested.setdefault(group, {})[name] = value
        else:
            nested[group] = value
    return _Given(**nested)


def _invalid(error: ValidationError, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    fields = dict(_known().values())
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"][:2])
        if item["type"] == "value_error":
            yield place, f"{name_of(place)} {item['ctx']['error']}"
            continue
        secret = place.endswith(("key", "keys", "secret", "token", "password", "url"))
        shown = "" if secret else f" {values.get(place, '')[:80]!r}"
        yield place, f"{name_of(place)}:{shown} is not right: write {_expected(fields[place])}"


def _expected(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) in {Union, UnionType}:
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if kind is bool:
        return "true or false"
    if kind in {int, float}:
        return ("a whole number" if kind is int else "a number") + _bounds(field)
    pattern = next((found for item in field.metadata if (found := getattr(item, "pattern", None))), None)
    return f"what matches {pattern}" if pattern else f"something like {field.default}"


def _bounds(field: FieldInfo) -> str:
    parts = []
    for item in field.metadata:
        if isinstance(item, Ge):
            parts.append(f" from {item.ge}")
        elif isinstance(item, Gt):
            parts.append(f" above {item.gt}")
        elif isinstance(item, Le):
            parts.append(f" to {item.le}")
    return "".join(parts)


def _unfit(settings: Settings, role: Role) -> Iterator[tuple[str, str]]:
    """Place and line of what this role cannot begin with."""
    for place in sorted(NEEDS.get(role, ())):
        value = _value(settings, place)
        embedded = _EMBEDDED.get(place)
        if not value or (embedded and value.startswith(embedded)):
            yield place, f"{name_of(place)} is missing, `shoplight {role}` needs it: write {_EXAMPLES[place]}"
    token_keys = settings.secrets.token_keys
    try:
        raw = parse_token_keys(token_keys) if token_keys else {}
    except ValueError as error:
        raw = {}
        yield "secrets.token_keys", str(error)
    if settings.environment != "development":
        yield from _unsafe(settings, role, raw)


def _value(settings: Settings, place: str) -> str:
    group, _, name = place.partition(".")
    return str(getattr(getattr(settings, group), name))


def _unsafe(settings: Settings, role: Role, token_keys: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """What will do for development alone."""
    session_key = settings.secrets.session_key
    for place in ("secrets.session_key", "secrets.token_keys"):
        if not _value(settings, place) and role not in _KEYLESS and place not in NEEDS.get(role, ()):
            yield place, f"{name_of(place)} is missing outside development: write {_EXAMPLES[place]}"
    short = len(session_key) < MIN_KEY_CHARS or len(set(session_key)) < MIN_KINDS_OF_CHARS
    if session_key and (short or _MADE_UP.search(session_key)):
        yield "secrets.session_key", f"{name_of('secrets.session_key')} can be guessed: write {HEX_KEY}"
    for key_id, raw in token_keys.items():
        if len(set(raw)) < MIN_KINDS_OF_BYTES:
            place = "secrets.token_keys"
            yield place, f"{name_of(place)}: key {key_id} can be guessed: write {key_id}: and {HEX_KEY}"
    for group, name, value in settings.texts():
        password = unquote(urlsplit(value).password or "") if name.endswith("url") else ""
        password = value if name in {"s3_secret_key", "kafka_password", "milvus_token"} else password
        if password.rpartition(":")[2].lower() in _DEFAULT_PASSWORDS:
            place = f"{group}.{name}"
            yield place, f"{name_of(place)} holds a password that everybody knows: give the server another one"
    if settings.events.headless_is_net:
        place = "events.headless_is_net"
        yield place, f"{name_of(place)} bills what robots see: take it away outside development"
