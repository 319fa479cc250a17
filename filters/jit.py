"""How kernels are compiled: two decorators for numba functions.

Kernels own no memory: arrays come in as arguments, so reference counting is switched off (it
costs more than the work, one atomic operation per call and array). ``kernel`` is for functions
that Python calls; their machine code is kept on disk. ``inner`` is for functions that only
kernels call. Neither releases or needs anything of the interpreter (``nogil``).

Numba's disk cache looks at the kernel's own file only: after a change to an ``inner`` function,
remove ``filters/__pycache__``.
"""

from __future__ import annotations

from numba import njit

_COMMON = {"nogil": True, "error_model": "numpy", "_nrt": False}

kernel = njit(cache=True, **_COMMON)
inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_COMMON)
