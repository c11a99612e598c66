"""Files seen as memory, read-only. Unlike Python's own maps these keep no file open: a house may have a thousand
catalogs, and a process may have a thousand open files."""

import ctypes
import mmap
import weakref

import numpy as np
from numpy.typing import NDArray

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_FAILED = ctypes.c_void_p(-1).value


def mapped(file: int, size: int) -> NDArray[np.uint8]:
    """The first `size` bytes of an open file, which must have as many; later writes to it show. Let go of with the last
    array that looks into it. Raises OSError."""
    at = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    if at == _FAILED:
        raise OSError(ctypes.get_errno(), "the file cannot be mapped")
    held = (ctypes.c_ubyte * size).from_address(at)
    # not at exit: threads may still look into it then
    weakref.finalize(held, _libc.munmap, at, size).atexit = False
    array: NDArray[np.uint8] = np.frombuffer(memoryview(held), np.uint8)
    array.flags.writeable = False
    return array
