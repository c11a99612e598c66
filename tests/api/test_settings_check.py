"""Settings are told to be wrong at once, by name, with what to write; each role asks for what it needs and no more."""

import secrets

import pytest

from api.kit.secrets import load_secrets
from api.settings import Settings
from api.settings_check import NEEDS, Role, WrongSettings, checked, name_of

KEYS = {
    "SHOPLIGHT_SECRETS_SESSION_KEY": secrets.token_hex(32),
    "SHOPLIGHT_SECRETS_TOKEN_KEYS": f"k2:{secrets.token_hex(32)},k1:{secrets.token_hex(32)}",
}
SCALE_OUT = {
    "SHOPLIGHT_DATABASE_URL": "postgresql+psycopg://shop:9fWk2vQe@db:5432/shoplight",
    "SHOPLIGHT_QUEUE_BROKER_URL": "redis://:t7Yq0pLz@cache:6379/0",
    "SHOPLIGHT_EVENTS_KAFKA_SERVERS": "kafka-1:9092,kafka-2:9092",
    "SHOPLIGHT_EVENTS_CLICKHOUSE_URL": "clickhouse://shop:Zr81mXbN@ch:9000/shoplight",
    "SHOPLIGHT_INDEX_MILVUS_URL": "http://milvus:19530",
    "SHOPLIGHT_BLOBS_S3_BUCKET": "shop-blobs",
    "SHOPLIGHT_HTTP_BASE_URL": "https://shop.example.com",
    **KEYS,
}
PRODUCTION = {**SCALE_OUT, "SHOPLIGHT_ENVIRONMENT": "production"}


def wrong(role: Role, environ: dict[str, str]) -> list[str]:
    with pytest.raises(WrongSettings) as caught:
        checked(role, environ)
    return caught.value.problems


@pytest.mark.parametrize("role", list(Role))
def test_the_whole_set_is_enough_for_every_role_in_production(role: Role) -> None:
    settings = checked(role, PRODUCTION)
    assert (settings.environment, settings.events.kafka_servers) == ("production", "kafka-1:9092,kafka-2:9092")


@pytest.mark.parametrize("role", [Role.demo, Role.migrate, Role.command])
def test_the_embedded_shape_needs_nothing(role: Role) -> None:
    assert checked(role, {}).model_dump() == Settings().model_dump()


@pytest.mark.parametrize("role", [Role.serve, Role.worker, Role.seed, Role.sink, Role.beat])
def test_what_is_missing_is_told_all_at_once_with_what_to_write(role: Role) -> None:
    problems = wrong(role, {})
    assert [line.split(" ")[0] for line in problems] == sorted(name_of(place) for place in NEEDS[role])
    assert all(f"`shoplight {role}` needs it: write " in line for line in problems)


@pytest.mark.parametrize("role", list(NEEDS))
def test_each_role_asks_for_what_it_needs_and_no_more(role: Role) -> None:
    enough = {name_of(place): SCALE_OUT[name_of(place)] for place in NEEDS[role]}
    checked(role, enough)
    for name in enough:
        (problem,) = wrong(role, {other: value for other, value in enough.items() if other != name})
        assert problem.startswith(f"{name} is missing")


def test_servers_of_one_process_are_none_for_several() -> None:
    alone = {"SHOPLIGHT_DATABASE_URL": "sqlite:///x.db", "SHOPLIGHT_QUEUE_BROKER_URL": "memory://"}
    problems = wrong(Role.serve, {**SCALE_OUT, **alone})
    assert [line.split(" is ")[0] for line in problems] == list(alone)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SHOPLIGHT_HTTP_PORT", "80000", ": '80000' is not right: write a whole number from 0 to 65535"),
        ("SHOPLIGHT_HTTP_PORT", "http", "a whole number from 0 to 65535"),
        ("SHOPLIGHT_HTTP_REUSE_PORT", "perhaps", "write true or false"),
        ("SHOPLIGHT_HTTP_TRUSTED_PROXIES", "10.0.0.1,*", "holds '*', which is no address or network"),
        ("SHOPLIGHT_HTTP_TRUSTED_PROXIES", "10.0.0.1/8", "write 127.0.0.1,10.0.0.0/8"),
        ("SHOPLIGHT_TELEMETRY_LOG_FORMAT", "xml", "write one of text, json"),
        ("SHOPLIGHT_TELEMETRY_TRACE_RATIO", "2", "write a number from 0 to 1"),
        ("SHOPLIGHT_FETCH_TIMEOUT_S", "soon", "write a number"),
        ("SHOPLIGHT_ENVIRONMENT", "staging", "write one of development, production"),
        ("SHOPLIGHT_DATABASE_URL", "postgres://u:pw@h/x", "must begin with postgresql+psycopg://"),
        ("SHOPLIGHT_DATABASE_URL", "postgresql+psycopg://u:pw@h:5432", "names no database"),
        ("SHOPLIGHT_DATABASE_URL", "postgresql+psycopg://u:pw@h:port/x", "is no address"),
        ("SHOPLIGHT_QUEUE_BROKER_URL", "amqp://mq", "must begin with redis:// or rediss://"),
        ("SHOPLIGHT_QUEUE_BROKER_URL", "redis://h:6379/tasks", "the number of a Redis database"),
        ("SHOPLIGHT_EVENTS_KAFKA_SERVERS", "kafka-1:9092,kafka-2", "holds 'kafka-2', which is no host:port"),
        ("SHOPLIGHT_EVENTS_CLICKHOUSE_URL", "http://ch:8123", "must begin with clickhouse://"),
        ("SHOPLIGHT_EVENTS_CLICKHOUSE_URL", "clickhouse://ch/a-b", "names no database"),
        ("SHOPLIGHT_INDEX_MILVUS_URL", "milvus:19530", "write http://host:19530"),
        ("SHOPLIGHT_BLOBS_S3_BUCKET", "My_Bucket", "is no name of a bucket"),
        ("SHOPLIGHT_HTTP_BASE_URL", "https://shop.example.com/api?x=1", "is more than scheme, host and port"),
        ("SHOPLIGHT_TELEMETRY_OTLP_ENDPOINT", "collector:4318", "write http://host:4318"),
        ("SHOPLIGHT_FETCH_ALLOW", "localhost", "is no host:port"),
        ("SHOPLIGHT_SECRETS_TOKEN_KEYS", "k1:zz", "SHOPLIGHT_SECRETS_TOKEN_KEYS: write id:hex"),
        ("SHOPLIGHT_HTP_PORT", "1", "SHOPLIGHT_HTP_PORT is no setting: did you mean SHOPLIGHT_HTTP_PORT?"),
        ("SHOPLIGHT_HTTP", "{}", "SHOPLIGHT_HTTP is no setting"),
        ("SHOPLIGHT_QUITE_ELSEWHERE_ENTIRELY", "1", "is no setting: take it away"),
    ],
)
def test_a_wrong_value_is_told_by_name_with_what_to_write(name: str, value: str, advice: str) -> None:
    (problem,) = wrong(Role.demo, {name: value})
    assert problem.startswith(name)
    assert advice in problem


def test_wrong_unknown_and_missing_are_told_together() -> None:
    given = {**SCALE_OUT, "SHOPLIGHT_HTTP_PORT": "-1", "SHOPLIGHT_HTP_HOST": "x", "SHOPLIGHT_INDEX_MILVUS_URL": ""}
    assert [line.split(" ")[0].rstrip(":") for line in wrong(Role.serve, given)] == [
        "SHOPLIGHT_HTP_HOST",
        "SHOPLIGHT_HTTP_PORT",
        "SHOPLIGHT_INDEX_MILVUS_URL",
    ]


def test_what_is_wrong_is_told_without_the_password_in_it() -> None:
    given = {
        "SHOPLIGHT_DATABASE_URL": "mysql://shop:hunter2@db/x",
        "SHOPLIGHT_SECRETS_TOKEN_KEYS": "hunter2",
        "SHOPLIGHT_EVENTS_CLICKHOUSE_URL": "clickhouse://u:hunter2@h:x/y",
    }
    assert "hunter2" not in " ".join(wrong(Role.demo, given))


@pytest.mark.parametrize(
    "environ",
    [
        {"SHOPLIGHT_SHARED_DATA": "/data", "SHOPLIGHT_KEY": "sk_x", "SHOPLIGHT_SERVICES_DIR": "/srv"},
        {"SHOPLIGHT_TEST_POSTGRESQL": "x"},
        {"SHOPLIGHT_SERVICE_HOST": "10.0.0.1", "SHOPLIGHT_SERVICE_PORT": "80", "SHOPLIGHT_PORT": "tcp://10.0.0.1:80"},
        {"SHOPLIGHT_PORT_80_TCP_ADDR": "10.0.0.1", "SHOPLIGHT_API_SERVICE_PORT_HTTP": "80"},
        {"shoplight_http_port": "8001"},
        {"SHOPLIGHT_HTTP_PORT": "", "PATH": "/bin"},
    ],
)
def test_what_belongs_to_others_or_is_empty_is_no_mistake(environ: dict[str, str]) -> None:
    checked(Role.demo, environ)


@pytest.mark.parametrize(
    "key", ["short", "changeme" * 8, "0" * 64, "secret-session-key-of-the-compose-file-0123", "ab" * 32]
)
def test_a_key_that_can_be_guessed_will_do_for_development_alone(key: str) -> None:
    given = {"SHOPLIGHT_SECRETS_SESSION_KEY": key}
    checked(Role.serve, {**SCALE_OUT, **given})
    (problem,) = wrong(Role.serve, {**PRODUCTION, **given})
    assert problem.startswith("SHOPLIGHT_SECRETS_SESSION_KEY can be guessed")
    assert key not in problem


def test_a_token_key_that_can_be_guessed_is_named_by_its_id() -> None:
    given = {"SHOPLIGHT_SECRETS_TOKEN_KEYS": f"{KEYS['SHOPLIGHT_SECRETS_TOKEN_KEYS']},k0:{'00' * 32}"}
    (problem,) = wrong(Role.serve, {**PRODUCTION, **given})
    assert "key k0 can be guessed" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOPLIGHT_DATABASE_URL", "postgresql+psycopg://shop:postgres@db/shoplight"),
        ("SHOPLIGHT_QUEUE_BROKER_URL", "redis://:changeme@cache/0"),
        ("SHOPLIGHT_EVENTS_CLICKHOUSE_URL", "clickhouse://default:password@ch/shoplight"),
        ("SHOPLIGHT_BLOBS_S3_SECRET_KEY", "minioadmin"),
        ("SHOPLIGHT_INDEX_MILVUS_TOKEN", "root:Milvus"),
        ("SHOPLIGHT_EVENTS_KAFKA_PASSWORD", "kafka"),
    ],
)
def test_default_passwords_do_not_leave_development(name: str, value: str) -> None:
    checked(Role.serve, {**SCALE_OUT, name: value})
    (problem,) = wrong(Role.serve, {**PRODUCTION, name: value})
    assert problem.startswith(f"{name} holds a password that everybody knows")


def test_robots_are_not_billed_outside_development() -> None:
    (problem,) = wrong(Role.sink, {**PRODUCTION, "SHOPLIGHT_EVENTS_HEADLESS_IS_NET": "true"})
    assert problem.startswith("SHOPLIGHT_EVENTS_HEADLESS_IS_NET")


def test_the_demo_and_commands_bring_their_keys_outside_development() -> None:
    for role in (Role.demo, Role.command):
        assert len(wrong(role, {"SHOPLIGHT_ENVIRONMENT": "production"})) == 2
    for role in (Role.migrate,):
        checked(role, {"SHOPLIGHT_ENVIRONMENT": "production"})


def test_keys_are_never_made_up_outside_development(settings: Settings) -> None:
    with pytest.raises(ValueError, match="SHOPLIGHT_SECRETS_SESSION_KEY"):
        load_secrets(settings.model_copy(update={"environment": "production"}))
    assert not settings.datadir.exists()
