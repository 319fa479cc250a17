"""What goes wrong on the way to a remote object: what may pass, what stays, and who is silent."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass, replace

UNREACHED = {
    r"ProxyError": "the proxy to {} is not reached",
    r"NameResolutionError|gaierror|curlCode: 6\b": "no host has the name {}",
    r"Connection ?[Rr]efused|curlCode: 7\b": "{} refuses connections",
    r"Network is unreachable|No route to host": "no route leads to {}",
    r"ConnectTimeout": "no connection to {} in time",
}
"""What errors say when no connection came about, as a person reads it."""


class Transient(Exception):
    """A fault that may pass. `wait` is what the server asked for, in seconds.

    `slow_down` tells that the server asked for fewer requests; `silence`, where no connection came
    about, how long the host has been so.
    """

    def __init__(
        self,
        why: str,
        wait: float | None = None,
        *,
        slow_down: bool = False,
        silence: Silence | None = None,
    ):
        super().__init__(why)
        self.wait, self.slow_down, self.silence = wait, slow_down, silence


@dataclass
class Silence:
    """A host to which no connection comes about.

    Attributes
    ----------
    since
        Monotonic time of the first attempt in vain since its last answer; None while it answers.
    known
        Whether it ever answered this process: one that never did may not be there at all.
    """

    since: float | None = None
    known: bool = False

    def answered(self) -> None:
        self.since, self.known = None, True

    def met(self) -> Silence:
        """Note an attempt in vain; returns how it stands now."""
        self.since = time.monotonic() if self.since is None else self.since
        return replace(self)


class RemoteError(Exception):
    """An object that cannot be read; the message is one line.

    No OSError, which readers may take for damage of the file.
    """


class NoRanges(Exception):
    """The server sends whole objects only."""


HOSTS: defaultdict[str, Silence] = defaultdict(Silence)
"""How each host stands, by its name and port."""


def no_answer(error: BaseException, host: str) -> Transient:
    """What a request without an answer means; `host` with its port, or what stands for it."""
    text = repr(error)
    found = next((told for sign, told in UNREACHED.items() if re.search(sign, text)), None)
    if found is None:
        return Transient(reason(error))
    return Transient(found.format(host), silence=HOSTS[host].met())


def reason(error: BaseException) -> str:
    name = type(error).__name__
    known = {
        "ReadTimeout": "the server stalled",
        "ReadTimeoutError": "the server stalled",
        "ProtocolError": "the connection broke",
        "IncompleteRead": "the answer was cut",
    }
    return known.get(name) or f"{name}: {one_line(error)}"


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
