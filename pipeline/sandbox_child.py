"""The child side of the sandbox: ``python -m pipeline.sandbox_child MODULE:FUNCTION MEMORY_MB``.

Reads pickled ``(seconds, item)`` frames from standard input, writes pickled outcomes to what was
standard output. The kernel ends the process when a document uses up its CPU time (SIGPROF, which
also stops C code) or its parent dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import replace

from pipeline.sandbox import BROKEN_INSTALL, Outcome, _receive, _send

PR_SET_PDEATHSIG = 1
FOREVER = 10.0 * 365 * 86400
STACK_BYTES = 256 << 20  # deep pages recurse; only touched pages cost memory


def limit_process(memory_mb: int) -> None:
    """Bound address space, forbid core dumps, and let the kernel pick this process first."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def die_with_parent() -> None:
    """Ask the kernel (Linux) for SIGKILL when the parent ends, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(name: str, memory_mb: int) -> None:
    """Answer frames until standard input closes.

    What a function has as its attribute ``prepare`` runs once, before any limit holds.
    """
    answers = os.dup(1)
    os.dup2(2, 1)  # what parsers print must not mix with the answers
    told = 0.0

    def answer(outcome: Outcome) -> None:
        nonlocal told
        spent = time.process_time()
        _send(answers, replace(outcome, cpu_seconds=spent - told))
        told = spent

    try:
        module_name, function = name.split(":")
        module = importlib.import_module(module_name)
        call = getattr(module, function)
        getattr(call, "prepare", lambda: None)()
    except Exception as error:
        answer(Outcome(error="parser_error", detail=_line(error)))
        return
    limit_process(memory_mb)
    answer(Outcome(value="ready"))
    while True:
        try:
            seconds, item = _receive(0, FOREVER)
        except (EOFError, TypeError):
            return
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            outcome = Outcome(value=call(item))
        except ImportError as error:  # the installation is broken, not the document
            outcome = Outcome(error=BROKEN_INSTALL, detail=_line(error))
        except MemoryError as error:
            outcome = Outcome(error="memory_limit", detail=f"over {memory_mb} MiB {error}".strip())
        except RecursionError as error:
            outcome = Outcome(error="parser_error", detail=_line(error))
        except Exception as error:
            outcome = Outcome(error="parser_error", detail=_line(error))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answer(outcome)
        if outcome.error == "memory_limit":
            return


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def main() -> None:
    die_with_parent()
    threading.stack_size(STACK_BYTES)
    # a thread, because only a thread's stack size can be chosen; parsers see one thread at a time
    thread = threading.Thread(target=serve, args=(sys.argv[1], int(sys.argv[2])))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
