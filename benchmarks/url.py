"""URL lists: building, size, memory of a worker and speed, beside a plain Python set.

    python benchmarks/url.py --domains 10000000 --urls 1000000

The names are made up (seeded); a third of the URLs lie on a listed domain or below one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa

from filters.url import UrlFilter, UrlList

SUFFIXES = ("com", "net", "org", "de", "co.uk", "ru", "com.br", "info", "xyz", "fr")


def domain(number: int) -> str:
    """The number-th listed name: ten letters and digits, and a suffix."""
    rng = random.Random(number)
    return f"{rng.getrandbits(52):011x}.{SUFFIXES[number % len(SUFFIXES)]}"


def urls(count: int, listed: int) -> list[str]:
    rng = random.Random(1)
    made = []
    for _ in range(count):
        number = rng.randrange(3 * listed)  # two thirds are beyond the list
        host = domain(number) if rng.random() < 0.5 else f"www.{domain(number)}"
        made.append(f"https://{host}/{rng.randrange(1 << 20)}/page-{rng.randrange(100)}.html?id=7")
    return made


def worker(path: str, count: int, listed: int) -> dict:
    """Memory and speed of a process that opens the file and tags URLs."""
    column = pa.array(urls(count, listed), pa.large_string())
    UrlFilter().tag(column.slice(0, 100))  # the compiler's share of memory and time
    before = memory()
    began = time.process_time()
    filters = UrlFilter.open(path)
    opened = time.process_time() - began
    began = time.process_time()
    blocked = filters.tag(column).blocked
    seconds = time.process_time() - began
    after = memory()
    return {
        "open_ms": round(1000 * opened, 2),
        "urls_per_second": round(count / seconds),
        "blocked": count - blocked.null_count,
        "own_memory_mb": round((after["RssAnon"] - before["RssAnon"]) / 1000, 1),
        "shared_pages_mb": round((after["RssFile"] - before["RssFile"]) / 1000, 1),
    }


def python_set(lines: str, count: int, listed: int) -> dict:
    """The same question asked of a set of strings, as filters in plain Python do."""
    asked = urls(count, listed)
    before = memory()
    began = time.process_time()
    with open(lines) as file:
        names = {line.strip() for line in file}
    built = time.process_time() - began
    after = memory()
    began = time.process_time()
    hits = 0
    for url in asked:
        labels = urlsplit(url).hostname.split(".")
        hits += any(".".join(labels[k:]) in names for k in range(len(labels)))
    seconds = time.process_time() - began
    return {
        "load_seconds": round(built, 1),
        "urls_per_second": round(count / seconds),
        "blocked": hits,
        "own_memory_mb": round((after["RssAnon"] - before["RssAnon"]) / 1000, 1),
    }


def memory() -> dict[str, int]:
    """Resident memory of this process in kB: private (RssAnon) and of mapped files (RssFile)."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file if line.startswith("Rss"))
    return {name: int(value.split()[0]) for name, value in fields.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", type=int, default=1_000_000, help="names on the list")
    parser.add_argument("--urls", type=int, default=200_000, help="URLs to look up")
    parser.add_argument("--measure", choices=("worker", "set"), help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind = worker if options.measure == "worker" else python_set
        print(json.dumps(kind(options.path, options.urls, options.domains)))
        return
    with tempfile.TemporaryDirectory() as folder:
        lines, path = f"{folder}/domains", f"{folder}/lists.arrow"
        with open(lines, "w") as file:
            file.writelines(f"{domain(number)}\n" for number in range(options.domains))
        UrlFilter(domains=["a.b"]).tag(["http://a.b"])
        began = time.process_time()
        with open(lines, "rb") as file:
            filters = UrlFilter.of([UrlList("domain", "", whole_lines(file))])
        filters.save(path)
        built = time.process_time() - began
        size = os.path.getsize(path)
        print(
            f"built {len(filters.compiled.tables.domains):,} names in {built:.1f} s CPU, ", end=""
        )
        print(f"file {size / 1e6:.1f} MB, {size / options.domains:.2f} bytes a name")
        results = {kind: measured(kind, path if kind == "worker" else lines, options)
                   for kind in ("worker", "set")}  # fmt: skip
    for kind, result in results.items():
        print(f"{kind:<7}" + "  ".join(f"{name} {value:,}" for name, value in result.items()))
    ratio = results["worker"]["urls_per_second"] / results["set"]["urls_per_second"]
    print(f"speed beside the set: {ratio:.1f} x")


def measured(kind: str, path: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--measure", kind, "--path", path]
    command += ["--urls", str(options.urls), "--domains", str(options.domains)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def whole_lines(file, size: int = 1 << 24):
    while block := file.read(size):
        yield block + file.readline()


if __name__ == "__main__":
    main()
