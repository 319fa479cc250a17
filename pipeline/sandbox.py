"""Untrusted input is parsed in a child process with limits of time, memory and size.

The parent never runs a parser on bytes from outside. A child that hangs, bloats or crashes costs
one document: it is killed and replaced, and the document climbs the retry ladder (same limits, then
twice the memory) before it is reported as failed.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

HEADER = struct.Struct("<Q")
BROKEN_INSTALL = "broken_install"
PIPE_BYTES = 1 << 20  # most pages pass in one write
START_SECONDS = 600.0  # a child that is not ready by then is broken; the first compiles kernels


@dataclass(frozen=True)
class Limits:
    """What one document may cost.

    seconds
        CPU seconds of the child; CPU rather than wall time, so that a busy machine drops no page.
        Sleeping longer than ten times this is a hang as well.
    memory_mb
        Address space of the child, in MiB.
    recycle_after
        Documents after which a child is replaced, against slow leaks of the parsers.
    """

    seconds: float = 20.0
    memory_mb: int = 2048
    recycle_after: int = 5000


@dataclass(frozen=True)
class Outcome:
    """What became of one document: a value, or an error code with a line for people.

    Error codes: ``time_limit``, ``memory_limit``, ``parser_crash``, ``parser_error``. `cpu_seconds`
    is what the child used since its last answer.
    """

    value: Any = None
    error: str | None = None
    detail: str = ""
    cpu_seconds: float = 0.0


class Sandbox:
    """Calls one function, named ``"package.module:function"``, in a limited child process.

    Use as a context manager; the child starts at the first call. Not safe for threads.
    `cpu_seconds` sums what children used, but for what one did that died at work.
    """

    def __init__(self, function: str, limits: Limits, memory_factor: int = 2):
        self.function = function
        self.limits = limits
        self.memory_factor = memory_factor
        self.cpu_seconds = 0.0
        self._child: subprocess.Popen | None = None
        self._closed = False
        self._served = 0
        self._memory_mb = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child for good. A call at work in another thread raises RuntimeError."""
        self._closed = True
        if (child := self._child) is not None:
            child.kill()  # its pipes are left to whoever reads them now
            child.wait()

    def call(self, item: Any, seconds: float | None = None) -> Outcome:
        """Run the function on one item under the limits, climbing the ladder when it fails.

        Time out is final at once: a second try would cost as much and tell the same. A crash or
        want of memory is tried again in a fresh child, then in one with more memory.
        """
        outcome = Outcome(error="parser_crash")
        for memory_mb in (
            self.limits.memory_mb,
            self.limits.memory_mb,
            self.limits.memory_mb * self.memory_factor,
        ):
            outcome = self._once(item, seconds or self.limits.seconds, memory_mb)
            if outcome.error not in ("parser_crash", "memory_limit"):
                break
        return outcome

    def _once(self, item: Any, seconds: float, memory_mb: int) -> Outcome:
        if self._served >= self.limits.recycle_after or memory_mb != self._memory_mb:
            self._stop()
        if self._child is None:
            self._start(memory_mb)
        self._served += 1
        try:
            _send(self._child.stdin.fileno(), (seconds, item))
            outcome = self._receive(seconds * 10 + 30)
        except (BrokenPipeError, EOFError):
            return self._post_mortem(seconds)
        if outcome is None:
            self._stop()
            return Outcome(error="time_limit", detail=f"no answer after {seconds * 10 + 30:g} s")
        if outcome.error == BROKEN_INSTALL:
            raise RuntimeError(f"the installation is broken: {outcome.detail}")
        if outcome.error == "memory_limit":
            self._stop()
        return outcome

    def _receive(self, timeout: float) -> Outcome | None:
        outcome = _receive(self._child.stdout.fileno(), timeout)
        self.cpu_seconds += outcome.cpu_seconds if outcome else 0.0
        return outcome

    def _post_mortem(self, seconds: float) -> Outcome:
        child = self._child
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=2)  # it closed its end: let it die of what it dies of
        self._stop()
        code = child.returncode
        if code == -signal.SIGPROF:
            return Outcome(error="time_limit", detail=f"over {seconds:g} CPU seconds")
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return Outcome(error="parser_crash", detail=f"the parser died ({name})")

    def _start(self, memory_mb: int) -> None:
        if self._closed:
            raise RuntimeError(f"the sandbox for {self.function} is closed")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox_child", self.function, str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):  # a limit of the system
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._memory_mb = memory_mb
        self._served = 0
        try:
            ready = self._receive(START_SECONDS)
        except EOFError:
            ready = None
        if ready is None or ready.error:
            self._stop()
            detail = ready.detail if ready else "it died while importing; is the memory limit low?"
            raise RuntimeError(f"the sandbox for {self.function} does not start: {detail}")

    def _stop(self) -> None:
        if self._child is None:
            return
        self._child.kill()  # it holds nothing that is worth an orderly end
        self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()
        self._child = None


_resting: dict[tuple[str, Limits], Sandbox] = {}


def borrow(function: str, limits: Limits) -> Sandbox:
    """A sandbox, with the child that rests for it if there is one; close it or let it rest."""
    box = _resting.pop((function, limits), None) or Sandbox(function, limits)
    box.cpu_seconds = 0.0
    return box


def rest(box: Sandbox) -> None:
    """Keep the child for who borrows next: starting one costs more than parsing a small file."""
    dismiss()
    _resting[box.function, box.limits] = box


@atexit.register
def dismiss() -> None:
    """End the child that rests, at most one."""
    while _resting:
        _resting.popitem()[1].close()


def child_environment() -> dict[str, str]:
    """One thread per child, and the parent's import path."""
    paths = [path or os.getcwd() for path in sys.path]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **dict.fromkeys(threads, "1")}


def _send(descriptor: int, message: Any) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    for part in (HEADER.pack(len(data)), data):
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view) :]


def _receive(descriptor: int, timeout: float) -> Any:
    """The next message, or None after `timeout` seconds; EOFError when the other side is gone."""
    deadline = time.monotonic() + timeout
    head = _read_exactly(descriptor, HEADER.size, deadline)
    if head is None:
        return None
    data = _read_exactly(descriptor, HEADER.unpack(head)[0], deadline)
    return None if data is None else pickle.loads(data)


def _read_exactly(descriptor: int, count: int, deadline: float) -> bytearray | None:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        read = os.readv(descriptor, [view])
        if not read:
            raise EOFError
        view = view[read:]
    return data
