"""Keeps NumPy's matrix library to one thread: a product of half a millisecond waited up to 37 for a second, busy core.

Measured on two cores with fourteen runnable threads. Queries run beside each other anyway, so nothing is lost.
"""

import ctypes
from pathlib import Path

import numpy as np

SETTERS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


def use_one_thread() -> bool:
    """For the whole process. False where NumPy brings no OpenBLAS of its own; its threads then stay as they are."""
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))  # NumPy has loaded it: this is the same one
        for name in SETTERS:
            if hasattr(library, name):
                getattr(library, name)(1)
                return True
    return False
