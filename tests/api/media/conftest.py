"""Real photographs, and the video maker beside these tests."""

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def videos() -> ModuleType:
    """`video_files.py`: makes videos from pixels."""
    spec = importlib.util.spec_from_file_location("video_files", Path(__file__).with_name("video_files.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def street_photos(shared_data: Path) -> list[NDArray[np.uint8]]:
    """Two real street photographs, RGB."""
    paths = sorted((shared_data / "streetstyle").rglob("*.jpg"))[:2]
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
