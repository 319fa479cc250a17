"""The sample's crawl: pages of documentation packages as HTTP exchanges in WARC/1.0 files.

Records follow ISO 28500 (WARC/1.0); digests are SHA-1 in base32, as Common Crawl writes them.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import re
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sample_packages import Packages, h, pick

MIN_PAGE, MAX_PAGE = 1_500, 70_000  # bytes of an HTML page, so that it holds some text


@dataclass(frozen=True)
class Page:
    """One HTTP exchange of the crawl, before it becomes a WARC record."""

    uri: str
    body: bytes
    media: str = "text/html"
    status: str = "200 OK"
    package: str = ""
    kind: str = "page"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def charset(self) -> str:
        """Encoding that the page itself declares, else utf-8."""
        found = re.search(rb"""charset=["']?([-\w]+)""", self.body[:4000], re.I)
        return found[1].decode().lower() if found else "utf-8"


@dataclass
class Warc:
    """A WARC/1.0 file with one gzip member a record, and the counts a reader should find in it."""

    start: dt.datetime
    chunks: list[bytes] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    dates: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def when(self) -> dt.datetime:
        return self.start + dt.timedelta(seconds=3 * len(self.chunks))

    def add(self, kind: str, uri: str, media: str, block: bytes, **extra: str) -> int:
        """Append a record; returns the offset of its gzip member."""
        date = f"{self.when():%Y-%m-%dT%H:%M:%SZ}"
        seed = f"{kind} {uri} {date} {hashlib.sha1(block).hexdigest()}"
        head = {
            "WARC-Type": kind,
            "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}>",
            "WARC-Date": date,
            **({"WARC-Target-URI": uri} if kind != "warcinfo" else {"WARC-Filename": uri}),
            **{k.replace("_", "-"): v for k, v in extra.items()},
            "WARC-Block-Digest": digest(block),
            "Content-Type": media,
            "Content-Length": str(len(block)),
        }
        text = "WARC/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n"
        member = gzip.compress(text.encode() + block + b"\r\n\r\n", 9, mtime=0)
        self.chunks.append(member)
        self.counts[kind] += 1
        self.dates[uri] = date
        self.size += len(member)
        return self.size - len(member)

    def respond(self, page: Page, **extra: str) -> int:
        """Append the response record of a page, and around some of them request and metadata."""
        if h("request", page.uri) % 24 == 0:
            path, host = page.uri.split("/", 3)[3], page.uri.split("/", 3)[2]
            get = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
            self.add("request", page.uri, "application/http; msgtype=request", get.encode())
            took = f"fetchTimeMs: {h('took', page.uri) % 900 + 20}\r\n"
            self.add("metadata", page.uri, "application/warc-fields", took.encode())
        head, body, payload = http(page, self.when())
        self.counts[f"status_{page.status[:3]}"] += 1
        self.counts[f"media_{page.media or 'missing'}"] += 1
        self.counts[f"kind_{page.kind}"] += 1
        for coding in ("gzip", "chunked"):
            self.counts[f"coding_{coding}"] += coding in head.lower().split("content-type")[0]
        if page.media == "text/html" and page.charset != "utf-8":
            self.counts[f"charset_{page.charset}"] += 1
        return self.add(
            "response",
            page.uri,
            "application/http; msgtype=response",
            head.encode() + body,
            **{"WARC_Payload_Digest": digest(payload), **extra},
        )

    def revisit(self, page: Page, date: str) -> None:
        """Append a revisit record: the page of `date` was met again, unchanged."""
        head, _, payload = http(page, self.when())
        self.add(
            "revisit",
            page.uri,
            "application/http; msgtype=response",
            head.encode(),
            WARC_Profile="http://netpreserve.org/warc/1.0/revisit/identical-payload-digest",
            WARC_Payload_Digest=digest(payload),
            WARC_Refers_To_Target_URI=page.uri,
            WARC_Refers_To_Date=date,
        )

    def spoil(self, page: Page) -> dict:
        """Append the response of a page as a damaged gzip member; returns where it lies."""
        counts = self.counts.copy()
        offset = self.respond(page)
        for kind in ("request", "metadata"):  # may stand before it, and can be read
            counts[kind] = self.counts[kind]
        self.counts = counts + Counter(broken_members=1)
        self.chunks[-1] = damage(self.chunks[-1])
        return {"offset": offset, "length": len(self.chunks[-1]), "uri": page.uri}


def digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def http(page: Page, when: dt.datetime) -> tuple[str, bytes, bytes]:
    """Status line and headers, body as sent, and payload (body less the transfer coding)."""
    chance, host = h("http", page.uri) % 100, page.uri.split("/")[2]
    payload, coding = page.body, []
    if page.kind == "page" and chance < 8:
        payload = gzip.compress(payload, 9, mtime=0)
        coding.append("Content-Encoding: gzip")
    body = payload
    if page.kind == "page" and (4 <= chance < 12):
        parts = [payload[i : i + 4096] for i in range(0, len(payload), 4096)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        coding.append("Transfer-Encoding: chunked")
    else:
        coding.append(f"Content-Length: {len(body)}")
    media = page.media
    if media == "text/html" and h("charset", page.uri) % 10 < 6:
        media += f"; charset={page.charset}"
    server = ("nginx", "Apache/2.4.57 (Debian)", "nginx/1.22.1")[h("server", host) % 3]
    lines = [
        f"HTTP/1.1 {page.status}",
        f"Date: {when:%a, %d %b %Y %H:%M:%S} GMT",
        f"Server: {server}",
        *coding,
        *(f"{k}: {v}" for k, v in page.headers),
        *([f"Content-Type: {media}"] if media else []),
    ]
    return "\r\n".join(lines) + "\r\n\r\n", body, payload


def pages(entry: dict, packages: Packages) -> list[Page]:
    """The pages of one `[[web]]` entry."""
    root = packages.folder(entry["package"]) / entry["root"]
    chosen = [root / name for name in entry.get("always", [])]
    for glob, take in entry["globs"].items():
        fresh = [p for p in pick(root, [glob], MIN_PAGE, MAX_PAGE) if p not in chosen]
        if len(fresh) < take:
            print(f"  {entry['package']} {glob}: only {len(fresh)} of {take} pages")
        chosen += fresh[:take]
    return [
        Page(
            entry["site"] + p.relative_to(root).as_posix(), p.read_bytes(), package=entry["package"]
        )
        for p in chosen
    ]


INFO = (
    b"software: corpusmill examples/build_sample.py\r\n"
    b"format: WARC File Format 1.0\r\nisPartOf: sample-%d\r\n"
)
NOTES = {
    1: "one response cut at 6000 bytes, marked WARC-Truncated",
    2: "one gzip member damaged: `expected.broken` says which",
    3: "mirrored = same bytes at a second URL; reskinned = own header and footer put in; opt_out ="
    " header added; transcoded = UTF-8 page written as windows-1252; invalid_utf8 = bytes put in;"
    " untyped = no Content-Type; error, redirect and empty are made up",
}
BANNER = (
    b'<div id="top"><a href="/">Documentation mirror</a> | <a href="/search">Search</a> |'
    b' <a href="/about">About this mirror</a><p>This copy is kept by volunteers.</p></div>'
)
FOOTER = (
    b'<div id="foot"><p>Mirrored copy; the publisher&#39;s own page may be newer.'
    b' <a href="/report">Report a broken link</a> | <a href="/privacy">Privacy</a></p></div>'
)


def reskin(body: bytes) -> bytes:
    """The same page as another site would serve it: header and footer put in."""
    body = re.sub(rb"(<body[^>]*>)", lambda m: m[1] + BANNER, body, count=1, flags=re.I)
    return re.sub(rb"(</body>)", lambda m: FOOTER + m[1], body, count=1, flags=re.I)


def odd_pages(odd: dict, known: list[Page], packages: Packages) -> list[Page]:
    """Copies, other media and awkward pages: what any crawl also holds."""
    order = sorted((p for p in known if len(p.body) > 4000), key=lambda p: h("odd", p.uri))
    handbook = {p.uri.split("handbook.example.org/")[-1]: p for p in known}
    book = packages.folder("debian-handbook") / "usr/share/doc/debian-handbook/html"

    def moved(page: Page, host: str) -> str:
        return f"https://{host}/" + re.sub(r"^https?://(?:www\.)?", "", page.uri)

    def whole(path: str) -> bytes:
        return handbook[path].body if path in handbook else (book / path).read_bytes()

    out = [
        replace(p, uri=moved(p, "mirror.example.net"), kind="mirrored")
        for p in order[: odd["mirrored"]]
    ]
    order = order[odd["mirrored"] :]
    skinned = [p for p in order if re.search(rb"</body>", p.body, re.I)][: odd["reskinned"]]
    out += [
        replace(p, uri=moved(p, "archive.example.com"), body=reskin(p.body), kind="reskinned")
        for p in skinned
    ]
    order = [p for p in order if p not in skinned]
    for i, p in enumerate(order[: odd["opted_out"]]):
        signal = (("X-Robots-Tag", "noai, noimageai"), ("tdm-reservation", "1"))[i % 2]
        out.append(
            replace(p, uri=moved(p, "reserved.example.org"), headers=(signal,), kind="opt_out")
        )
    for i, place in enumerate(odd["png"]):
        body, name = packages.file(place).read_bytes(), place.split(":")[0]
        out.append(
            Page(f"https://docs.example.org/{i}.png", body, "image/png", package=name, kind="file")
        )
    for i, place in enumerate(odd["pdf"]):
        body, name = packages.file(place).read_bytes(), place.split(":")[0]
        uri = f"https://papers.example.org/{i}/{place.rsplit('/', 1)[1]}"
        out.append(Page(uri, body, "application/pdf", package=name, kind="file"))
    for key, media in (("css", "text/css"), ("text", "text/plain")):
        body, name = packages.file(odd[key]).read_bytes(), odd[key].split(":")[0]
        uri = f"https://docs.example.org/{odd[key].rsplit('/', 1)[1]}"
        out.append(Page(uri, body, media, package=name, kind="file"))
    text = whole(odd["transcoded"]).decode()
    text = re.sub(r"(?i)utf-8", "windows-1252", text, count=2)
    out.append(
        Page(
            "https://legacy.example.org/" + odd["transcoded"],
            text.encode("cp1252", "xmlcharrefreplace"),
            package="debian-handbook",
            kind="transcoded",
        )
    )
    body = whole(odd["invalid"])
    third = len(body) // 3
    body = body[:third] + b"\xff\xfe\x80" + body[third : 2 * third] + b"\xc3(" + body[2 * third :]
    uri = "https://legacy.example.org/" + odd["invalid"]
    out.append(Page(uri, body, package="debian-handbook", kind="invalid_utf8"))
    out.append(
        replace(order[10], uri=moved(order[10], "untyped.example.org"), media="", kind="untyped")
    )
    out.append(Page("https://docs.example.org/empty", b"", kind="empty"))
    for i, status in enumerate(["404 Not Found"] * 3 + ["410 Gone", "503 Service Unavailable"]):
        body = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
        out.append(
            Page(
                f"https://docs.example.org/lost/{i}.html",
                body.encode(),
                status=status,
                kind="error",
            )
        )
    for p in order[20:25]:
        status = "301 Moved Permanently" if h(p.uri) % 2 else "302 Found"
        uri = p.uri.replace("https:", "http:").replace("//", "//old.")
        out.append(Page(uri, b"", status=status, headers=(("Location", p.uri),), kind="redirect"))
    return out


def crawl(sources: dict, packages: Packages) -> Iterator[tuple[str, bytes, dict]]:
    """Yield `web/crawl-N.warc.gz` as (name, bytes, manifest fields)."""
    by_crawl: dict[int, list[Page]] = defaultdict(list)
    for entry in sources["web"]:
        by_crawl[entry["crawl"]] += pages(entry, packages)
    known = by_crawl[1] + by_crawl[2]
    by_crawl[3] += odd_pages(sources["odd"], known, packages)
    again = sorted(known, key=lambda p: h("revisit", p.uri))[: sources["odd"]["revisits"]]
    dates: dict[str, str] = {}
    for number, found in sorted(by_crawl.items()):
        name = f"crawl-{number}.warc.gz"
        warc = Warc(dt.datetime(2025, 4 * number - 2, 11, 4, 0, 7))
        warc.add("warcinfo", name, "application/warc-fields", INFO % number)
        found.sort(key=lambda p: h("order", p.uri))
        cut = len(found) // 3 if number == 1 else -1
        half = found[len(found) // 2 :] if number == 2 else []
        bad = next((p for p in half if len(p.body) > 9000), None)
        broken = {}
        for i, page in enumerate(found):
            if page is bad:
                broken = warc.spoil(page)
            elif i == cut:
                short = replace(page, body=page.body[:6000], kind="truncated")
                warc.respond(short, WARC_Truncated="length")
            else:
                warc.respond(page)
        if number == 3:
            for page in again:
                warc.revisit(page, dates[page.uri])
        dates |= warc.dates
        kinds = ("warcinfo", "response", "request", "metadata", "revisit")
        expected = {key: count for key, count in sorted(warc.counts.items()) if count}
        about = {
            "records": sum(warc.counts[kind] for kind in kinds),
            "raw_bytes": sum(len(page.body) for page in found),
            "packages": {page.package for page in found if page.package},
            "notes": NOTES[number],
            "expected": expected | ({"broken": broken} if broken else {}),
        }
        yield f"web/{name}", b"".join(warc.chunks), about


def damage(member: bytes) -> bytes:
    """A gzip member of the same length that no inflater accepts."""
    for at in range(len(member) // 3, len(member) - 64):
        bad = member[:at] + b"\xff" * 48 + member[at + 48 :]
        try:
            zlib.decompress(bad, 31)
        except zlib.error:
            return bad
    raise AssertionError("the member could not be damaged")
