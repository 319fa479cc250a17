"""One request to an OpenAI-compatible chat server, its answer streamed and watched.

Streaming lets a loop be cut off where it shows instead of being paid for to the last token; the
server stops generating when the connection closes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from ocr.engines.answers import CHECK_EVERY, looping

_MAX_ANSWER = 16 << 20  # bytes of a response
_RETRY_AFTER = 120.0  # seconds a server may ask for


class Unavailable(Exception):
    """The server could not answer now: no connection, 429, 5xx, time-out, cut stream.
    `retry_after`: seconds it asked for, or None."""

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(Exception):
    """The server will not take this request, however often it is sent (4xx)."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """finish: stop | length | content_filter | loop | malformed, as the server or we saw it."""

    text: str
    finish: str
    tokens_in: int = 0
    tokens_out: int = 0


async def complete(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], seconds: float
) -> Answer:
    """POST a chat completion.  Raises Unavailable and Rejected."""
    try:
        async with session.post(
            url, json=body, timeout=aiohttp.ClientTimeout(total=seconds)
        ) as response:
            if response.status != 200:
                _raise_for(response, await _head(response))
            collector = _Collector()
            async for chunk in response.content.iter_any():
                if collector.feed(chunk):
                    break
            return collector.answer()
    except TimeoutError:
        raise Unavailable(f"no full answer in {seconds:g} s") from None
    except (aiohttp.ClientError, OSError, UnicodeError) as exc:
        raise Unavailable(f"{type(exc).__name__}: {exc}"[:200]) from None


async def _head(response: aiohttp.ClientResponse) -> str:
    return (await response.content.read(500)).decode("utf-8", "replace")


def _raise_for(response: aiohttp.ClientResponse, head: str) -> None:
    message = " ".join(f"HTTP {response.status} {head}".split())[:200]
    if response.status in (408, 409, 425, 429) or response.status >= 500:
        raise Unavailable(message, _seconds(response.headers.get("Retry-After", "")))
    raise Rejected(message, response.status)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER) if seconds == seconds else None


class _Collector:
    """Bytes of a response -> Answer; server-sent events, or one JSON object where the server does
    not stream."""

    def __init__(self) -> None:
        self.waiting = b""
        self.size = self.checked = self.chunks = 0
        self.text = self.finish = ""
        self.tokens_in = self.tokens_out = 0
        self.events = self.done = False

    def feed(self, chunk: bytes) -> bool:
        """Take bytes in; True when no more are wanted."""
        self.size += len(chunk)
        if self.size > _MAX_ANSWER:
            self.finish = "malformed"
            return True
        self.waiting += chunk
        if not self.events and not self.waiting.lstrip()[:5].startswith((b"data:", b":", b"event")):
            return False
        *lines, self.waiting = self.waiting.split(b"\n")
        self.events = self.events or bool(lines)
        for line in lines:
            self._event(line.strip())
        if len(self.text) - self.checked >= CHECK_EVERY:
            self.checked = len(self.text)
            if looping(self.text):
                self.finish = "loop"
        return self.done or self.finish in ("loop", "malformed")

    def _event(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.done = True
        elif not self._take(data, "delta"):
            self.finish = "malformed"

    def _take(self, data: bytes, part: str) -> bool:
        """One JSON object into the answer; False when it is none of the kind expected."""
        try:
            message = json.loads(data)
            usage = message.get("usage") or {}
            self.tokens_in = int(usage.get("prompt_tokens") or self.tokens_in)
            self.tokens_out = int(usage.get("completion_tokens") or self.tokens_out)
            choices = message["choices"] if part == "message" else message.get("choices")
            if part == "message" or choices:
                choice = choices[0]
                piece = (choice.get(part) or {}).get("content") or ""
                if not isinstance(piece, str):
                    return False
                self.text += piece
                self.chunks += bool(piece)
                self.finish = str(choice.get("finish_reason") or self.finish)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            return False
        return True

    def answer(self) -> Answer:
        """Raises Unavailable when the stream ended before the answer did."""
        if self.events:
            if self.waiting.strip():
                self._event(self.waiting.strip())
            if not self.done and not self.finish:
                raise Unavailable("the stream was cut")
        elif not self.finish and not self._take(self.waiting, "message"):
            self.finish = "malformed"
        tokens_out = self.tokens_out or self.chunks  # a stream sends about a token at a time
        return Answer(self.text, self.finish or "stop", self.tokens_in, tokens_out)
