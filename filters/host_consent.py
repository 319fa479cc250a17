"""Opt-outs that a host declares in files of its own: robots.txt, ai.txt, tdmrep.json.

Each file is judged for one URL. What cannot be read is told as an error, which is no permission;
what is not known is nobody's statement, and the caller decides what silence means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from filters.robots import PAGE, Robots, matches, normalise, parse_robots, target

PATHS = {
    "/robots.txt": "robots",
    "/ai.txt": "ai-txt",
    "/.well-known/ai.txt": "ai-txt",
    "/.well-known/tdmrep.json": "tdmrep",
}
"""Paths of such files, and what kind they are."""
AI_AGENTS = (
    *("AI2Bot", "Ai2Bot-Dolma", "Amazonbot", "anthropic-ai", "Applebot-Extended", "Bytespider"),
    *("CCBot", "Claude-Web", "ClaudeBot", "cohere-ai", "cohere-training-data-crawler", "Diffbot"),
    *("FacebookBot", "Google-CloudVertexBot", "Google-Extended", "GPTBot", "ICC-Crawler"),
    *("img2dataset", "Kangaroo Bot", "meta-externalagent", "omgili", "omgilibot", "PanguBot"),
    *("PerplexityBot", "Timpibot", "VelenPublicWebCrawler", "webzio-extended", "YouBot"),
)
"""Crawlers that collect for the training of models, by the product tokens they announce."""
_HTML = re.compile(r"/[^/.]*$|/$")
_SHOWN = 8  # names of agents in the evidence


class Finding(NamedTuple):
    """A signal of `filters.consent.HOST_SIGNALS` (or ``tdm-reservation`` …) and its evidence."""

    signal: str
    evidence: str


def file_kind(url: str) -> str | None:
    """Which kind of file a URL names, or None."""
    path = re.sub(r"^\w+://[^/]*", "", url).partition("?")[0].partition("#")[0]
    return PATHS.get(path)


def judge_robots(
    status: int | None, body: bytes, url: str, agents: Iterable[str] = (*AI_AGENTS, "*")
) -> list[Finding] | None:
    """What a robots.txt says of a URL; None if the answer of the host says nothing.

    By RFC 9309, 2.3.1: 2xx is read, 4xx allows all (the file is not there), 5xx refuses all
    (``robots-unreachable``). A redirect or any other status says nothing. `status` None is 200.
    """
    status = status or 200
    if 400 <= status < 500:
        return []
    if status >= 500:
        return [Finding("robots-unreachable", f"robots.txt: HTTP status {status}")]
    if not 200 <= status < 300:
        return None
    robots = _robots(body)
    if robots.error:
        return [Finding("robots-error", f"robots.txt: {robots.error}")]
    found = []
    refused: dict[str, list[str]] = {}
    for agent in sorted(agents):
        if agent != "*" and robots.names(agent):
            rule = robots.rule(agent, url)
            if rule is not None and not rule[1]:
                refused.setdefault(rule[0], []).append(agent)
    for pattern, names in refused.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        names = f"{', '.join(names[:_SHOWN])}{more}"
        found.append(Finding("robots-ai", f"robots.txt: {names}: Disallow: {pattern}"))
    rule = robots.rule("*", url) if "*" in agents else None
    if rule is not None and not rule[1]:
        found.append(Finding("robots-all", f"robots.txt: *: Disallow: {rule[0]}"))
    found += [Finding("content-usage", f"robots.txt: {said}"[:300]) for said in robots.refusals[:1]]
    found += [Finding("rsl", f"robots.txt: License: {said}"[:300]) for said in robots.terms[:1]]
    return found


def judge_ai_txt(status: int | None, body: bytes, url: str) -> list[Finding]:
    """What an ai.txt (Spawning) says of a URL: rules as in robots.txt, or for kinds of files.

    ``Disallow: *.html`` is about pages, those whose URL has no suffix included.
    """
    if not 200 <= (status or 200) < 300:
        return []
    robots = _robots(body)
    if robots.error == PAGE:
        return []  # the server answers with a page where there is no such file
    if robots.error:
        return [Finding("ai-txt-error", f"ai.txt: {robots.error}")]
    path = target(url).partition("?")[0]
    candidates = [url] + ([path.rstrip("/") + "/index.html"] if _HTML.search(path) else [])
    agents = robots.groups or ["*"]
    for agent in agents:
        for candidate in candidates:
            rule = robots.rule(agent, candidate)
            if rule is not None and not rule[1]:
                return [Finding("ai-txt", f"ai.txt: {agent}: Disallow: {rule[0]}")]
    return []


def judge_tdmrep(status: int | None, body: bytes, url: str) -> list[Finding]:
    """What a tdmrep.json (TDM Reservation Protocol, W3C community group 2024) says of a URL.

    Of several locations that match, the longest decides; of equal ones, the one that reserves.
    """
    if not 200 <= (status or 200) < 300:
        return []
    rules = _tdm_rules(body)
    if isinstance(rules, str):
        return [Finding("tdm-error", f"tdmrep.json: {rules}")]
    path = target(url)
    fitting = [rule for rule in rules if matches(rule[0], path)]
    if not fitting:
        return []
    pattern, reserved = max(fitting, key=lambda rule: (len(rule[0]), rule[1]))
    if not reserved:
        return []
    return [Finding("tdm-reservation", f"tdmrep.json: {pattern}: tdm-reservation: 1")]


JUDGES: dict[str, Callable[..., list[Finding] | None]] = {
    "robots": judge_robots,
    "ai-txt": judge_ai_txt,
    "tdmrep": judge_tdmrep,
}


@lru_cache(maxsize=4096)
def _robots(body: bytes) -> Robots:
    return parse_robots(body)


@lru_cache(maxsize=1024)
def _tdm_rules(body: bytes) -> tuple[tuple[str, bool], ...] | str:
    """Location and whether it is reserved; or what is wrong with the file."""
    if body.lstrip().startswith(b"<"):
        return ()  # the server answers with a page where there is no such file
    try:
        data = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return "no JSON"
    entries = data if isinstance(data, list) else [data]
    rules = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("location"), str):
            return "an entry without location"
        location = entry["location"]
        location = location if location.startswith(("/", "*")) else f"/{location}"
        # any value but 0 reserves: an error is no permission
        reserved = str(entry.get("tdm-reservation")).strip() not in ("0", "False")
        rules.append((normalise(location, pattern=True), reserved))
    return tuple(rules)
