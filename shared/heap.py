"""Keep a process as small as what it holds: memory that large arrays leave goes back to the system at once.

Left alone, glibc keeps up to 32 MiB of it after each, for the next one of the same size; the small objects of a tick
can't have that. Changes nothing elsewhere, where there is no such setting.
"""

import ctypes

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's malloc.h; with a value that was set, it is no longer raised by itself."""
_LARGE_BYTES = 1 << 20


def give_back_large_arrays() -> None:
    """From now on, until the process ends."""
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is not None:
        setting(_MMAP_THRESHOLD, _LARGE_BYTES)
