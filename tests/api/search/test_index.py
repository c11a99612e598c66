"""The embedded product index keeps the contract. Milvus joins with the scale-out shape."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from api.search.exact import ExactIndex
from tests.api.search.index_contract import IndexContract, IndexFactory


class TestExactIndex(IndexContract):
    @pytest.fixture
    def make(self) -> IndexFactory:
        return ExactIndex


def test_matrix_products_run_on_one_thread() -> None:
    ExactIndex(4)
    [library] = (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")
    assert ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_() == 1
