"""How a process computes: device, number type, one thread, memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

import torch

from catalogs.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

# glibc's mallopt parameters (malloc.h)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def resolve_device(name: str) -> torch.device:
    """The device that `name` stands for; ``auto`` is the GPU when there is one.

    Raises
    ------
    UserError
        When `name` asks for a GPU and torch sees none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device '{name}': torch sees no GPU here; use 'auto' or 'cpu'")
    return torch.device(name)


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number type of matrix products; ``auto`` is bfloat16 where the hardware multiplies it.

    Weights, norms, softmax and the loss are float32 in any case. On a CPU without bfloat16
    instructions (AVX512-BF16, AMX) they would be emulated, slower than float32.

    Raises
    ------
    UserError
        When `name` is neither ``auto`` nor one of `DTYPES`.
    """
    if name == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise UserError(f"dtype '{name}' is unknown (valid: auto, {', '.join(DTYPES)})")
    return DTYPES[name]


def _cpu_has_bfloat16() -> bool:
    return any(
        getattr(torch.cpu, probe, bool)()
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one torch thread: proxies fill a machine by processes, one to a core.

    A second thread does not help matrices this small, and its spinning stalls the neighbours.
    """
    _keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _keep_freed_memory() -> None:
    # By default glibc gives blocks above its threshold back to the kernel at every free: each
    # activation of a step is then mapped, zeroed and faulted in again, at 20 times the price of
    # the arithmetic on it.
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
