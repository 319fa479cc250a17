"""Plain documents out of package formats: R data, dictd, Wikipedia XML, POD, reST, HTML manuals.

Each reader yields records `{"text", "title", ...}`; line breaks inside paragraphs are joined where
the format wraps its lines. Nothing is written here.
"""

from __future__ import annotations

import bz2
import gzip
import html
import io
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from sample_packages import Packages, h, pick

CHAPTER = re.compile(r"(?:chapter|volume)\s+(?:[ivxlc]+|\d+|the\s+\w+)\b[\s.()\d]*$", re.I)
Record = dict[str, str]


def paragraphs(lines: Iterable[str]) -> str:
    """Join wrapped lines into paragraphs; indented blocks (verse, code) keep their lines."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", "\n".join(lines)):
        rows = [row.rstrip() for row in block.split("\n") if row.strip()]
        if rows and any(row.startswith("    ") for row in rows):
            out.append("\n".join(rows))
        elif rows:
            out.append(" ".join(row.strip() for row in rows))
    return "\n\n".join(out)


# -- books --------------------------------------------------------------------------------------


def r_strings(path: Path) -> Iterator[list[str]]:
    """Character vectors of an R lazy-load database (.rdb): zlib chunks of serialised vectors.

    Format: R Internals, section 1.8 (serialization, XDR, version 3).
    """
    data, at = path.read_bytes(), 0
    while at < len(data):
        inflate = zlib.decompressobj()
        raw = inflate.decompress(data[at + 4 :])
        at = len(data) - len(inflate.unused_data)
        start = 14 + 4 + struct.unpack_from(">I", raw, 14)[0]  # header, then the native encoding
        kind, count = struct.unpack_from(">II", raw, start)
        if kind & 0xFF != 16:  # STRSXP
            continue
        place, lines = start + 8, []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", raw, place + 4)
            lines.append(raw[place + 8 : place + 8 + max(size, 0)].decode())
            place += 8 + max(size, 0)
        yield lines


def novels(packages: Packages) -> Iterator[Record]:
    """Chapters of Jane Austen's novels."""
    rdb = "r-cran-janeaustenr:usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
    for lines in r_strings(packages.file(rdb)):
        book = lines[0].title()
        starts = [i for i, line in enumerate(lines) if CHAPTER.match(line.strip())]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            text = paragraphs(lines[start:end])
            if len(text) > 2000:
                title = f"{book}, {lines[start].strip()}"
                yield {"text": text, "title": title, "author": "Jane Austen"}


def devils_dictionary(packages: Packages) -> Iterator[Record]:
    """The Devil's Dictionary, a few entries a document."""
    folder = packages.folder("dict-devil") / "usr/share/dictd"
    (path,) = folder.glob("*.dict*")
    text = gzip.decompress(path.read_bytes()).decode("latin-1").split("\nabcdefghij")[0]
    entries = re.split(r"\n(?=[A-Z][A-Z' -]+, (?:n|v|adj|adv|pp|x|prep|interj)\b)", text)[1:]
    for i in range(0, len(entries), 12):
        part = entries[i : i + 12]
        words = [entry.split(",")[0].strip() for entry in part]
        yield {
            "text": "\n\n".join(paragraphs(re.sub(r"[{}]", "", e).split("\n")) for e in part),
            "title": f"The Devil's Dictionary, {words[0]} to {words[-1]}",
            "author": "Ambrose Bierce",
        }


# -- encyclopedia -------------------------------------------------------------------------------


def plain_wikitext(text: str) -> str:
    """Prose of an article in wikitext: links and emphasis resolved, templates and tables gone."""
    text = re.sub(
        r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|<gallery.*?</gallery>", "", text, flags=re.S
    )
    text = re.sub(r"<math>(.*?)</math>", r"$\1$", text, flags=re.S)
    text = re.sub(r"\{\{(?:convert|cvt)\|([^|{}]+)\|([^|{}]+)[^{}]*\}\}", r"\1 \2", text)
    text = re.sub(r"\{\{lang\|[^|{}]*\|([^|{}]*)\}\}", r"\1", text)
    for left, right in ((r"\{\{", r"\}\}"), (r"\{\|", r"\|\}")):
        for _ in range(12):
            text, done = re.subn(rf"{left}(?:(?!{left}|{right}).)*{right}", "", text, flags=re.S)
            if not done:
                break
    text = re.sub(r"\[\[(?!File:|Image:|Category:)(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)
    text = re.sub(r"\[\[[^\[\]]*\]\]", "", text)
    text = re.sub(r"\[https?://\S+ ([^\]]*)\]", r"\1", text)
    text = re.sub(r"\[https?://\S+\]|<[^<>]+>|'{2,}|__[A-Z]+__", "", text)
    text = html.unescape(html.unescape(text))
    tail = (
        r"\n==\s*(See also|References|Notes|External links|Further reading|Bibliography|Sources)\b"
    )
    text = re.split(tail, text)[0]
    text = re.sub(r"^[*#:;]+[ \t]*(?=\S)", "- ", text, flags=re.M)
    heading = r"^(=+)\s*(.*?)\s*=+\s*$"
    text = re.sub(heading, lambda m: "#" * len(m[1]) + " " + m[2], text, flags=re.M)
    text = re.sub(r"\((?:\s*[;,])+\s*", "(", text)  # what templates leave of pronunciations
    text = re.sub(r" ?\(\s*\)", "", re.sub(r"(?:\s*[;,])+\s*\)", ")", text))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\xa0]+", " ", text)).strip()


def wikipedia(packages: Packages) -> Iterator[Record]:
    """Articles of the shortened English Wikipedia dump that gensim tests with."""
    (path,) = (packages.folder("gensim") / "gensim/test/test_data").glob("enwiki-latest*.bz2")
    for _, page in ET.iterparse(io.BytesIO(bz2.decompress(path.read_bytes()))):
        if not page.tag.endswith("}page"):
            continue
        found = {e.tag.split("}")[1]: e for e in page.iter()}
        if found["ns"].text == "0" and "redirect" not in found:
            title, text = found["title"].text or "", plain_wikitext(found["text"].text or "")
            if 1500 <= len(text) <= 60_000:
                url = "https://en.wikipedia.org/wiki/" + title.replace(" ", "_")
                yield {
                    "text": text,
                    "title": title,
                    "url": url,
                    "date": found["timestamp"].text or "",
                }
        page.clear()


def foldoc(packages: Packages) -> Iterator[Record]:
    """The longer entries of the Free On-line Dictionary of Computing."""
    (path,) = (packages.folder("dict-foldoc") / "usr/share/dictd").glob("*.dict*")
    text = gzip.decompress(path.read_bytes()).decode()
    for entry in re.split(r"\n(?=\S)", text):
        word, _, body = entry.partition("\n")
        prose = paragraphs(row[3:] for row in body.split("\n"))
        prose = re.sub(r"^<[^>]+> ", "", re.sub(r"[{}]", "", prose))
        if len(prose) >= 1000 and not word.startswith("00-"):
            yield {"text": f"# {word.strip()}\n\n{prose}", "title": word.strip()}


# -- law ----------------------------------------------------------------------------------------


def licences(packages: Packages) -> Iterator[Record]:
    """Texts of free licences, contributor agreements and dedications; no AGPL, no proprietary."""
    root = packages.folder("licensedcode-data") / "licensedcode/data/licenses"
    free = r"^category: (Permissive|Copyleft|Copyleft Limited|Public Domain|CLA|Patent License)$"
    for path in pick(root, ["*.LICENSE"], 1_500, 60_000):
        _, head, text = path.read_text("utf-8").split("---\n", 2)
        if re.search(free, head, re.M) and "agpl" not in path.name and "affero" not in text.lower():
            title = re.search(r"^name: (.*)$", head, re.M)
            yield {
                "text": text.strip(),
                "title": title[1] if title else path.stem,
                "path": path.name,
            }


# -- questions and answers ----------------------------------------------------------------------


def plain_pod(text: str) -> str:
    """Text of a POD section: formatting codes and commands resolved."""
    for _ in range(3):
        text = re.sub(
            r"L<(?:([^<>|]*)\|)?([^<>]*)>", lambda m: (m[1] or m[2]).replace('"', ""), text
        )
        text = re.sub(r"[CF]<<+ (.*?) >>+", r"`\1`", text)
        text = re.sub(r"[CF]<([^<>]*)>", r"`\1`", text)
        text = re.sub(r"[BIS]<([^<>]*)>", r"\1", re.sub(r"[XZ]<[^<>]*>", "", text))
        text = re.sub(r"E<(\w+)>", lambda m: html.unescape(f"&{m[1]};"), text)
    text = re.sub(r"^=item (.*)$", r"- \1", text, flags=re.M)
    return re.sub(r"^=(?:over|back|begin|end|for|cut).*$", "", text, flags=re.M)


def perl_faq(packages: Packages) -> Iterator[Record]:
    folder = packages.folder("perl-doc") / "usr/share/perl/5.36.0/pod"
    for path in sorted(folder.glob("perlfaq[1-9].pod")):
        for part in re.split(r"^=head2 ", path.read_text("utf-8"), flags=re.M)[1:]:
            question, _, answer = part.partition("\n")
            yield from qa(plain_pod(question), plain_pod(answer.split("\n=head1")[0]), path.name)


def python_faq(packages: Packages) -> Iterator[Record]:
    folder = packages.folder("python3.11-doc") / "usr/share/doc/python3.11/html/_sources/faq"
    for path in sorted(folder.glob("*.rst.txt")):
        text = path.read_text("utf-8")
        for match in re.finditer(
            r"^([^\n]+)\n[-=]{8,}\n(.*?)(?=^[^\n]+\n[-=]{8,}\n|\Z)", text, re.M | re.S
        ):
            answer = re.sub(r":[\w:]+:`~?([^`<]*?)(?:\s*<[^`>]*>)?`", r"`\1`", match[2])
            answer = re.sub(r"`([^`<]+?)\s*<[^`>]*>`__?", r"\1", answer).replace("``", "`")
            answer = re.sub(
                r"^ *\.\. (?:only|contents|index|seealso|note|_|XXX).*$", "", answer, flags=re.M
            )
            yield from qa(match[1], re.sub(r"::$", ":", answer, flags=re.M), path.name)


def debian_faq(packages: Packages) -> Iterator[Record]:
    path = packages.file("debian-faq:usr/share/doc/debian/FAQ/debian-faq.en.txt.gz")
    text = gzip.decompress(path.read_bytes()).decode().replace("\xa0", " ")
    text = text[re.search(r"^Chapter 1\. Def", text, re.M).start() :]
    text = re.sub(r"^Chapter \d+\..*$", "", text, flags=re.M)
    for match in re.finditer(r"^\d+\.\d+\. (.*?)\n\n(.*?)(?=^\d+\.\d+\. |\Z)", text, re.M | re.S):
        answer = re.sub(r"^ {4}", "", match[2], flags=re.M)
        yield from qa(" ".join(match[1].split()), answer, path.name)


def qa(question: str, answer: str, path: str) -> Iterator[Record]:
    question, answer = question.strip(), paragraphs(answer.strip("\n").split("\n"))
    if len(answer) >= 200:  # the rest are headings and one-line references
        text = f"Question: {question}\n\nAnswer: {answer}"
        yield {"text": text, "title": question, "path": path}


# -- mathematics --------------------------------------------------------------------------------


class Manual(HTMLParser):
    """Text of a GAPDoc page: blocks apart, <pre> as it stands, navigation left out."""

    SKIP = ("chlink", "ChapSects", "contents", "pcenter")
    BLOCK = ("p", "div", "h3", "h4", "h5", "pre", "tr", "li", "dt", "dd", "table", "br")

    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        self.depth = self.skip = self.pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "title"}:
            self.skip = self.skip or -1
        if tag in {"div", "p"}:
            self.depth += tag == "div"
            if not self.skip and (dict(attrs).get("class") or "").startswith(self.SKIP):
                self.skip = self.depth if tag == "div" else -1
        if not self.skip and tag in self.BLOCK:
            self.out.append("\n\n" + ("\f## " if tag == "h4" else "") if tag != "br" else "\n")
        self.pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.skip = 0 if self.skip == self.depth else self.skip
            self.depth -= 1
        if self.skip == -1 and tag in {"script", "style", "title", "p"}:
            self.skip = 0
        self.pre -= tag == "pre"

    def handle_data(self, data: str) -> None:
        if not self.skip:
            self.out.append(data if self.pre else re.sub(r"\s+", " ", data))


def gap_manual(packages: Packages) -> Iterator[Record]:
    """Sections of the reference manual and tutorial of the algebra system GAP, maths in TeX."""
    root = packages.folder("gap-doc") / "usr/share/gap/doc"
    for path in sorted([*root.glob("ref/chap*_mj.html"), *root.glob("tut/chap*_mj.html")]):
        if not re.search(r"chap[1-9]\d*_mj", path.name):
            continue
        page = Manual()
        page.feed(path.read_text("utf-8"))
        for section in "".join(page.out).split("\f## ")[1:]:
            text = re.sub(r"\n\s*\n\s*", "\n\n", section.replace("\xa0", " ")).strip()
            title = text.split("\n")[0].strip()
            if len(text) >= 800:
                name = path.relative_to(root).as_posix()
                yield {"text": f"## {text}", "title": title, "path": name}


# -- the sources --------------------------------------------------------------------------------

READERS = {  # source: (file, package, reader)
    "books": (
        ("austen", "r-cran-janeaustenr", novels),
        ("bierce", "dict-devil", devils_dictionary),
    ),
    "encyclopedia": (("wikipedia", "gensim", wikipedia), ("foldoc", "dict-foldoc", foldoc)),
    "law": (("licences", "licensedcode-data", licences),),
    "qa": (
        ("perl", "perl-doc", perl_faq),
        ("python", "python3.11-doc", python_faq),
        ("debian", "debian-faq", debian_faq),
    ),
    "math": (("gap", "gap-doc", gap_manual),),
}


def documents(
    source: str, budgets: dict[str, int], packages: Packages
) -> Iterator[tuple[str, list[Record]]]:
    """Files of a source as (name, records): for each, at most so many bytes of text."""
    for name, package, reader in READERS[source]:
        left, taken = budgets[name], []
        origin = {"package": package, "licence": packages.licence(package)}
        for i, row in sorted(enumerate(reader(packages)), key=lambda item: h(item[1]["text"])):
            size = len(row["text"].encode())
            if size <= left:
                left -= size
                taken.append((i, row | origin))
        yield name, [row for _, row in sorted(taken, key=lambda item: item[0])]
