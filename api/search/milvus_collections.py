"""The collections behind the index: one alias that everybody names, and what it points to in turn."""

import logging
import time

from pymilvus import DataType, MilvusClient
from pymilvus.client.types import LoadState

from api.search.index import IndexMissing, IndexUnavailable
from api.search.milvus_rows import MAX_COLOURS, MAX_DEPTH
from api.search.milvus_server import MilvusServer
from api.settings import IndexSettings

log = logging.getLogger(__name__)
PARTITIONS = 16
BUILD_S = 60.0  # to create or load a collection; 2.6 s measured when there is nothing in it
SERVICE_S = 900.0  # for an approximate index of millions to be built
INDEXES = {"flat": ("FLAT", {}), "hnsw": ("HNSW", {"M": 16, "efConstruction": 200})}


class Collections:
    """Creates, switches and drops. `alias` is what everybody else uses."""

    def __init__(self, server: MilvusServer, settings: IndexSettings, alias: str, dim: int) -> None:
        self._server = server
        self._kind = settings.kind
        self.alias = alias
        self._dim = dim

    def create(self) -> str:
        """A new, empty collection, loaded; its name."""
        name = f"{self.alias}__{time.time_ns():x}"
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, max_length=500, is_primary=True)
        # a search over few catalogs then looks into few partitions
        schema.add_field("catalog", DataType.INT64, is_partition_key=True)
        schema.add_field("categories", DataType.ARRAY, element_type=DataType.INT64, max_capacity=MAX_DEPTH)
        schema.add_field("colours", DataType.ARRAY, element_type=DataType.INT64, max_capacity=MAX_COLOURS)
        for field in ("brand", "price", "currency", "audience", "pattern"):
            schema.add_field(field, DataType.INT64)
        schema.add_field("in_stock", DataType.BOOL)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dim)
        index = MilvusClient.prepare_index_params()
        kind, params = INDEXES[self._kind]
        # unit vectors: their inner product is the cosine, and exactly what the embedded side computes
        index.add_index("vector", index_type=kind, metric_type="IP", params=params)
        self._server.call(
            lambda client, seconds: client.create_collection(
                name, schema=schema, index_params=index, num_partitions=PARTITIONS, timeout=seconds
            ),
            BUILD_S,
        )
        return name

    def put_in_service(self, name: str, rows: int) -> None:
        """Point the alias to this collection once all `rows` of it can be found, and drop those before it."""
        if self._kind != "flat":  # which needs no building: exact from the first row
            self._await_index(name, rows)
        self._server.call(  # Strong: answered when everything put so far is there for everybody
            lambda client, seconds: client.query(
                name, filter="", output_fields=["count(*)"], consistency_level="Strong", timeout=seconds
            ),
            BUILD_S,
        )
        if self.current() is None:
            self._server.call(lambda client, seconds: client.create_alias(name, self.alias, timeout=seconds))
        else:
            self._server.call(lambda client, seconds: client.alter_alias(name, self.alias, timeout=seconds))
        self._drop_all_but(name)

    def destroy(self) -> None:
        """Everything of this alias."""
        if self.current() is not None:
            self._server.call(lambda client, seconds: client.drop_alias(self.alias, timeout=seconds))
        self._drop_all_but(None)

    def current(self) -> str | None:
        """The collection that serves."""
        try:
            found = self._server.call(lambda client, seconds: client.describe_alias(self.alias, timeout=seconds))
        except IndexMissing:
            return None
        return str(found["collection_name"])

    def drop(self, name: str) -> None:
        self._server.call(lambda client, seconds: client.drop_collection(name, timeout=seconds), BUILD_S)

    def _drop_all_but(self, kept: str | None) -> None:
        for other in self._server.call(lambda client, seconds: client.list_collections(timeout=seconds)):
            if other.startswith(f"{self.alias}__") and other != kept:
                self.drop(other)

    def check(self) -> None:
        """Raises unless the collection exists and is loaded; has it loaded where it is not."""
        state = self._server.call(lambda client, seconds: client.get_load_state(self.alias, timeout=seconds))["state"]
        if state == LoadState.NotExist:
            raise IndexMissing("The product index is empty; it is being filled from what we have stored.")
        if state == LoadState.NotLoad:
            log.warning("the collection %s was released; it is loaded again", self.alias)
            self._server.call(lambda client, seconds: client.load_collection(self.alias, timeout=seconds, _async=True))
        if state != LoadState.Loaded:
            raise IndexUnavailable("The product index is being loaded.")

    def _await_index(self, name: str, rows: int) -> None:
        self._server.call(lambda client, seconds: client.flush(name, timeout=seconds), BUILD_S)
        until = time.monotonic() + SERVICE_S
        while time.monotonic() < until:
            told = self._server.call(lambda client, seconds: client.describe_index(name, "vector", timeout=seconds))
            # right after the flush it does not know of the rows yet, and says that none of them waits
            if told.get("total_rows", 0) >= rows and told.get("pending_index_rows", 0) == 0:
                # built is not yet in service: only this makes the nodes let go of what they searched till then
                self._server.call(lambda client, seconds: client.refresh_load(name, timeout=seconds), BUILD_S)
                return
            time.sleep(1)
        raise IndexUnavailable("The new product index was not built in time.")
