"""A vision-language model behind an OpenAI-compatible endpoint (vLLM, SGLang, LMDeploy, a cloud).

One thread and one event loop: pages are rendered between answers, at most `concurrency` requests
are in flight.  A server that is busy, slow or gone is waited for without using up a try; an answer
that loops, is cut off, refuses or cannot be read costs a try, and the next is warmer (olmOCR).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp
import cv2
import numpy as np

from ocr.characters import clean
from ocr.engines import PageImage, Reading, Usage
from ocr.engines.answers import loops_anywhere, refuses
from ocr.engines.chat_client import Answer, Rejected, Unavailable, complete
from ocr.engines.vlm_profiles import Page, profile_of

_LONGEST_WAIT = 60.0  # seconds between two requests to a server that is busy
_DOWN_AFTER = 3  # pages in a row that found no server, after which it is taken to be down …
_DOWN_SECONDS = 60.0  # … for so long
_NO_SERVER = (401, 403, 404)  # statuses that concern every request, not this page


class VlmEngine:
    """Options of the engine.

    base_url: of the API, ending before /chat/completions; model: as the server names it.
    profile: generic, olmocr, rolmocr, deepseek-ocr or nougat; prompt, longest_side, max_tokens
        replace the profile's own.
    concurrency: requests in flight; tries: answers asked for a page; timeout: seconds of one
        request; page_seconds: of all requests for a page.
    patience: how often a request is repeated to a server that is busy or gone, after `wait`
        seconds, then twice that, and so on.
    api_key_env: environment variable with the key, sent as a bearer token where it is set.
    price_in, price_out: per million tokens, for the cost of each page.
    """

    name = "vlm"

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        profile: str = "generic",
        prompt: str | None = None,
        longest_side: int | None = None,
        max_tokens: int | None = None,
        concurrency: int = 8,
        timeout: float = 300.0,
        page_seconds: float = 900.0,
        tries: int = 8,
        patience: int = 5,
        wait: float = 1.0,
        api_key_env: str = "OPENAI_API_KEY",
        price_in: float = 0.0,
        price_out: float = 0.0,
    ) -> None:
        self.check(base_url=base_url, model=model, profile=profile, concurrency=concurrency)
        self.version = model
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.profile = profile_of(
            profile, prompt=prompt, longest_side=longest_side, max_tokens=max_tokens
        )
        self.concurrency = concurrency
        self.timeout, self.page_seconds = timeout, page_seconds
        self.temperatures = self.profile.temperatures[: max(1, tries)]
        self.patience, self.wait = patience, wait
        key = os.environ.get(api_key_env, "")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.prices = price_in / 1e6, price_out / 1e6
        self._missed = 0  # pages in a row that found no server
        self._down_until, self._down_why = 0.0, ""

    @staticmethod
    def check(
        *, base_url: str = "", model: str = "", profile: str = "generic", **more: Any
    ) -> None:
        """Raise ValueError for options that cannot work."""
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"engine 'vlm': base_url must be an http(s) address, got {base_url!r}")
        if not model:
            raise ValueError("engine 'vlm': model is missing (the name the server gives it)")
        if more.get("concurrency", 1) < 1:
            raise ValueError("engine 'vlm': concurrency must be at least 1")
        profile_of(profile)

    def read(self, pages: Iterable[PageImage]) -> Iterator[Reading]:
        yield from asyncio.run(self._read_all(iter(pages)))

    async def _read_all(self, pages: Iterator[PageImage]) -> list[Reading]:
        gate = asyncio.Semaphore(self.concurrency)
        connector = aiohttp.TCPConnector(limit=self.concurrency)
        async with aiohttp.ClientSession(connector=connector, headers=self.headers) as session:

            async def one(page: PageImage) -> Reading:
                begin = time.monotonic()
                usage = Usage()
                try:
                    async with asyncio.timeout(self.page_seconds):
                        reading = await self._page(session, page, usage)
                except TimeoutError:
                    reading = Reading(error=f"no usable answer in {self.page_seconds:g} s")
                except MemoryError:
                    raise
                except Exception as exc:  # one page must not end the others
                    reading = Reading(error=f"{type(exc).__name__}: {exc}"[:300])
                finally:
                    gate.release()
                usage.cost = usage.tokens_in * self.prices[0] + usage.tokens_out * self.prices[1]
                reading.usage, reading.seconds = usage, time.monotonic() - begin
                return reading

            tasks = []
            while True:
                await gate.acquire()  # before the next page is rendered: few are held at a time
                page = next(pages, None)
                if page is None:
                    break
                tasks.append(asyncio.create_task(one(page)))
            return await asyncio.gather(*tasks)

    async def _page(self, session: aiohttp.ClientSession, page: PageImage, usage: Usage) -> Reading:
        turn, seen, why = 0, {0}, ""
        for number, temperature in enumerate(self.temperatures):
            body = self._body(
                _png(page.pixels, turn, self.profile.longest_side), temperature, number
            )
            usage.tries += 1
            try:
                answer = await self._ask(session, body)
            except (Unavailable, Rejected) as exc:
                return Reading(error=str(exc), turn=-turn % 360)
            usage.tokens_in += answer.tokens_in
            usage.tokens_out += answer.tokens_out
            try:
                found = self._judge(answer)
            except ValueError as exc:
                why = str(exc)
                continue
            further = (turn + found.turn) % 360
            if found.turn and further not in seen:  # turn the picture and ask again
                turn, why = further, "the page would not stand upright"
                seen.add(turn)
                continue
            height, width = page.pixels.shape[:: -1 if turn in (90, 270) else 1]
            markdown = clean(found.markdown)
            return Reading(markdown=markdown, width=width, height=height, turn=-turn % 360)
        return Reading(error=f"no usable answer in {usage.tries} tries, last: {why}")

    def _judge(self, answer: Answer) -> Page:
        """The page in an answer.  Raises ValueError when there is none."""
        if answer.finish == "length":
            raise ValueError(f"cut off after {answer.tokens_out} tokens")
        if answer.finish == "malformed":
            raise ValueError("the response is not the JSON of a chat completion")
        if answer.finish == "loop" or loops_anywhere(answer.text):
            raise ValueError("the answer loops")
        if answer.finish != "stop":
            raise ValueError(f"the answer ended with {answer.finish[:40]!r}")
        if refuses(answer.text):
            raise ValueError(f"refused: {' '.join(answer.text.split())[:80]!r}")
        return self.profile.parse(answer.text)

    def _body(self, png: bytes, temperature: float, number: int) -> dict[str, Any]:
        text = {"type": "text", "text": self.profile.prompt}
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        image = {"type": "image_url", "image_url": {"url": url}}
        digest = hashlib.blake2b(png, digest_size=4, salt=bytes([number])).digest()
        return {
            "model": self.version,
            "messages": [
                {
                    "role": "user",
                    "content": [image, text] if self.profile.image_first else [text, image],
                }
            ],
            "max_tokens": self.profile.max_tokens,
            "temperature": temperature,
            "seed": int.from_bytes(digest) >> 1,
            "stream": True,
            **self.profile.body,
        }

    async def _ask(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> Answer:
        """An answer, waiting for a server that is busy.  Raises Unavailable and Rejected."""
        attempt = 0
        while True:
            if time.monotonic() < self._down_until:
                raise Unavailable(f"the server is taken to be down: {self._down_why}")
            try:
                answer = await complete(session, self.url, body, self.timeout)
                self._missed = 0
                return answer
            except Unavailable as exc:
                if attempt >= self.patience:
                    self._miss(str(exc))
                    raise
                pause = exc.retry_after
                if pause is None:
                    pause = min(self.wait * 2**attempt, _LONGEST_WAIT)
                attempt += 1
                await asyncio.sleep(pause)
            except Rejected as exc:
                if exc.status in _NO_SERVER:
                    self._miss(str(exc))
                raise

    def _miss(self, why: str) -> None:
        self._missed += 1
        if self._missed >= _DOWN_AFTER:
            self._down_until, self._down_why = time.monotonic() + _DOWN_SECONDS, why


def _png(pixels: np.ndarray, turn: int, longest_side: int) -> bytes:
    """The page turned clockwise by `turn` degrees, its longest side as asked for."""
    scale = longest_side / max(pixels.shape)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in pixels.shape)
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(np.rot90(pixels, -turn // 90))
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()
