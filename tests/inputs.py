"""Small real inputs that the tests write for themselves."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import yaml

SUBJECTS = "the miller|a careful reader|our neighbour|the old archive|every engineer|the river"
VERBS = "keeps|measures|describes|remembers|repairs|compares|carries|explains"
OBJECTS = "the stone wheel|a long report|three letters|the water level|each page|that promise"
TAILS = "before the winter comes|with great patience|in the early morning|for those who ask"


def corpusmill(*arguments, **options) -> subprocess.CompletedProcess:
    """The command, run as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "corpusmill", *map(str, arguments)],
        capture_output=True,
        text=True,
        **{"timeout": 280, **options},
    )


def prose(seed: int, sentences: int = 60) -> str:
    """English-looking prose that passes the filters; another text for each seed."""
    rng = random.Random(seed)
    parts = [words.split("|") for words in (SUBJECTS, VERBS, OBJECTS, TAILS)]
    lines = []
    for _ in range(sentences):
        words = [rng.choice(part) for part in parts]
        number = rng.randrange(10_000)
        lines.append(f"{' '.join(words).capitalize()}, and number {number} is of that kind.")
    return "\n".join(" ".join(lines[at : at + 4]) for at in range(0, sentences, 4))


def html(seed: int, head: str = "", foot: str = "") -> bytes:
    """A page whose main text is `prose(seed)`."""
    body = "".join(f"<p>{line}</p>" for line in prose(seed).split("\n"))
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Page {seed}</title>"
        f"{head}</head><body><nav><a href='/'>Home</a> <a href='/all'>All pages</a></nav>"
        f"<main><article><h1>Page {seed}</h1>{body}</article></main><footer>{foot}</footer>"
        "</body></html>"
    ).encode()


def response(uri: str, body: bytes, status: str = "200 OK", kind: str = "text/html") -> bytes:
    """One gzip member that holds one WARC response record."""
    http = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: {uri}\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n"
        f"WARC-Record-ID: <urn:test:{uri}>\r\n"
        "Content-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    ).encode()
    return gzip.compress(head + http + b"\r\n\r\n", mtime=0)


def write_warc(path: Path, pages: range, **changes: bytes) -> None:
    members = [response(f"https://example.org/{n}", html(n)) for n in pages]
    path.write_bytes(b"".join(members))


def write_jsonl(path: Path, seeds: range) -> None:
    rows = [{"text": prose(n), "url": f"https://example.org/text/{n}"} for n in seeds]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_recipe(folder: Path, sources: dict, name: str = "test", **fields) -> Path:
    """A recipe in `folder` whose run folder is ``folder/run``."""
    path = folder / "recipe.yaml"
    recipe = {"name": name, "out": "run", "sources": sources, "filters": [], **fields}
    path.write_text(yaml.safe_dump(recipe))
    return path


def small_sources(folder: Path) -> dict:
    """Three WARCs, two of them sharing pages, and a JSONL file that repeats some of their text."""
    write_warc(folder / "a.warc.gz", range(40))
    write_warc(folder / "b.warc.gz", range(30, 70))
    write_warc(folder / "c.warc.gz", range(70, 100))
    write_jsonl(folder / "texts.jsonl", range(200, 260))
    return {
        "web": {"reader": "warc", "paths": "*.warc.gz"},
        "texts": {"reader": "jsonl", "paths": "texts.jsonl", "options": {"uri_field": "url"}},
    }


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
