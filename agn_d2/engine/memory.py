"""Memory that is freed and asked for again in every step of a training on the CPU."""

from __future__ import annotations

import ctypes
import os

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_USERS_OWN = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_")


def keep_freed_memory() -> bool:
    """Have glibc keep the large tensors that a step frees for those of the next one.

    By default glibc hands blocks above 32 MiB back to the kernel, and each new tensor pays for its
    pages again: at 704 x 384 px a quarter of a training step. The process then keeps the memory
    of its peak. Settings of the user's own (``MALLOC_MMAP_THRESHOLD_``, ...) stay.

    Returns:
        whether anything was set; False on systems without glibc.
    """
    if any(name in os.environ for name in _USERS_OWN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 64 * 2**20))
    return all(mallopt(key, value) == 1 for key, value in settings)
