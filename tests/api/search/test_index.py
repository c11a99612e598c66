"""Both sides keep the contract of the product index."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from api.search.exact import ExactIndex
from api.search.milvus import MilvusIndex
from tests.api.search.index_contract import A, B, IndexContract, IndexFactory


class TestExactIndex(IndexContract):
    @pytest.fixture
    def make(self) -> IndexFactory:
        return ExactIndex


class TestMilvusIndex(IndexContract):
    @pytest.fixture
    def make(self, milvus: MilvusIndex) -> IndexFactory:
        for catalog_id in (A, B):
            milvus.remove(catalog_id, milvus.product_ids(catalog_id))  # a tenth of what dropping them takes
        return lambda _: milvus


def test_matrix_products_run_on_one_thread() -> None:
    ExactIndex(4)
    [library] = (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")
    assert ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_() == 1
