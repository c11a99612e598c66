"""ClickHouse, the event store: Debian's 18.16, the oldest version that Shoplight's SQL has to run on."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from infra.services.loopback import ask
from infra.services.problems import NotServing
from infra.services.service import Service

CONFIG = """<?xml version="1.0"?>
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <listen_host>127.0.0.1</listen_host>
    <tcp_port>{main}</tcp_port>
    <http_port>{http}</http_port>
    <path>{data}/</path>
    <tmp_path>{data}/tmp/</tmp_path>
    <user_files_path>{data}/user_files/</user_files_path>
    <format_schema_path>{data}/format_schemas/</format_schema_path>
    <users_config>{users}</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <timezone>UTC</timezone>
    <max_connections>512</max_connections>
    <max_concurrent_queries>64</max_concurrent_queries>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <mark_cache_size>67108864</mark_cache_size>
</yandex>
"""
# max_memory_usage bounds one query, the second all of them together; 18.16 has no bound of the whole server
USERS = """<?xml version="1.0"?>
<yandex>
    <profiles><default>
        <max_memory_usage>536870912</max_memory_usage>
        <max_memory_usage_for_all_queries>1073741824</max_memory_usage_for_all_queries>
        <max_threads>2</max_threads>
        <use_uncompressed_cache>0</use_uncompressed_cache>
    </default></profiles>
    <users><default>
        <password></password>
        <networks><ip>127.0.0.1</ip></networks>
        <profile>default</profile>
        <quota>default</quota>
    </default></users>
    <quotas><default></default></quotas>
</yandex>
"""


class ClickHouse(Service):
    """clickhouse-server of Debian."""

    name = "clickhouse"
    asks = "SELECT 1"
    port_names = ("main", "http")

    def missing_packages(self) -> list[str]:
        return [] if self.is_installed() else ["clickhouse-server"]

    def is_installed(self) -> bool:
        return shutil.which("clickhouse-server") is not None

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)
        users = self.folder / "users.xml"
        users.write_text(USERS)
        (self.folder / "config.xml").write_text(CONFIG.format(**self.ports, data=self.data, users=users))

    def command(self) -> Sequence[str | Path]:
        return ["clickhouse-server", f"--config-file={self.folder / 'config.xml'}"]

    def check(self) -> None:
        text = ask(self.ports["http"], f"/?{urlencode({'query': self.asks})}")
        if text.strip() != b"1":
            raise NotServing(text.decode(errors="replace"))

    @property
    def address(self) -> str:
        return f"clickhouse://default@127.0.0.1:{self.port}/default"

    def settings(self) -> dict[str, str]:
        return {"SHOPLIGHT_EVENTS_CLICKHOUSE_URL": self.address}
