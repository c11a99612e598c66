"""The embedded product index keeps the contract. Milvus joins with the scale-out shape."""

import pytest

from api.search.exact import ExactIndex
from tests.api.search.index_contract import IndexContract, IndexFactory


class TestExactIndex(IndexContract):
    @pytest.fixture
    def make(self) -> IndexFactory:
        return ExactIndex
