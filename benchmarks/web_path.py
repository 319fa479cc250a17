"""The whole web path against datatrove's: WARC in, kept Parquet out, one core each, in one run.

    python benchmarks/web_path.py FILE.warc.gz… [--copies 4] [--manifest pages.manifest.jsonl]
    python benchmarks/web_path.py FILE.warc.gz… --growth 1000 10000 100000 [--folder DISK]

Both sides read the same records, extract, name the language, judge by the rules of Gopher, C4 (as
FineWeb uses it) and FineWeb, and write what is kept as Parquet; corpusmill also tags licences,
opt-outs and URLs, and writes what it rejects. Measured is CPU time, start-up and children included,
of a fresh process on one core; pages are the HTML pages that corpusmill finds in the file.

A manifest (one JSON object a line with `url` and `gold_text_file`, relative to the manifest) adds
the quality of the text before any filter: macro mean over pages of the F1 of bags of 4-word
shingles, a page that a side loses counting 0. datatrove needs warcio, faust-cchardet and
python-magic; warcio fails on brotli bodies beside current brotli packages and runs without here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

FILTERS = ["gopher_repetition", "gopher_quality", "c4_fineweb", "fineweb"]
LANGUAGE_SCORE = 0.65
PACKAGES = ("datatrove", "trafilatura", "warcio", "resiliparse", "pyarrow", "ray")
STAGES = ("read", "parse", "tag", "write")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.warc.gz")
    parser.add_argument("--copies", type=int, default=2, help="times that the files are read")
    parser.add_argument("--manifest", type=Path, help="gold texts")
    parser.add_argument("--engine", default=None, help="extraction engine of corpusmill")
    parser.add_argument("--timeout", type=float, default=10.0, help="datatrove's, seconds a page")
    parser.add_argument("--skip-datatrove", action="store_true")
    parser.add_argument("--workers", action="store_true", help="also one worker against two")
    parser.add_argument("--growth", type=int, nargs="+", metavar="PAGES", help="cost by size only")
    parser.add_argument("--folder", type=Path, help="place for temporary files; default TMPDIR")
    arguments = parser.parse_args()
    print(", ".join(f"{name} {_version(name)}" for name in PACKAGES), end="; ")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.growth:
            growth(arguments, Path(folder))
            return
        compare(arguments, Path(folder))
        if arguments.manifest:
            quality(arguments, Path(folder))
        if arguments.workers:
            two_workers(arguments, Path(folder))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Pages per CPU second of both sides, where ours goes, and peak memory."""
    warc = joined(arguments.files, arguments.copies, folder / "crawl.warc.gz")
    ours = measured(mill, str(warc), str(folder / "ours"), arguments.engine)
    pages, row = ours["pages"], ours["row"]
    print(
        f"\n{'':24}{'CPU s':>9}{'pages/s':>9}{'ms/page':>9}{'kept':>8}{'peak MB, by process':>28}"
    )
    show("corpusmill ingest", ours, pages, row["kept"])
    if not arguments.skip_datatrove:
        theirs = measured(
            datatrove, str(warc.parent), warc.name, str(folder / "theirs"), arguments.timeout, True
        )
        show("datatrove", theirs, pages, theirs["kept"])
        print(f"{'ratio':24}{theirs['cpu'] / ours['cpu']:18.2f} x")
    print(f"\n{pages:,} pages of {row['read']:,} records. Where corpusmill's time goes:")
    told = {stage: row["stats"].get(f"cpu_{stage}", 0.0) for stage in STAGES}
    told["start, commit"] = ours["cpu"] - sum(told.values())
    for stage, seconds in told.items():
        print(f"  {stage:16}{seconds:9.2f} s{1000 * seconds / pages:9.2f} ms/page")


def quality(arguments: argparse.Namespace, folder: Path) -> None:
    """F1 of the texts of both sides, what became of pages by charset, and of decoding alone."""
    import pyarrow.dataset as dataset
    from extraction_gold import score

    gold = gold_texts(arguments.manifest)
    warc = joined(arguments.files, 1, folder / "gold" / "crawl.warc.gz")

    def f1(texts: dict[str, str]) -> float:
        return sum(score(texts.get(url, ""), text)[2] for url, text in gold.items()) / len(gold)

    print(f"\nF1 over {len(gold)} pages with gold text")
    lines = measured(extracted, str(warc), arguments.engine)["lines"]
    print(f"  {'corpusmill, ' + lines_engine(lines):40}{f1(texts_of(lines)):8.4f}")
    plain = measured(extracted, str(warc), "resiliparse")["lines"]
    print(f"  {'resiliparse on our decoding':40}{f1(texts_of(plain)):8.4f}")
    if not arguments.skip_datatrove:
        out = folder / "texts"
        measured(datatrove, str(warc.parent), warc.name, str(out), arguments.timeout, False)
        rows = dataset.dataset(out, format="parquet").to_table(["text", "metadata"]).to_pylist()
        texts = {row["metadata"]["url"].strip("<> \t"): row["text"] for row in rows}
        print(f"  {'datatrove, trafilatura for precision':40}{f1(texts):8.4f}")
    outcomes: dict[tuple[str, str], Counter] = {}
    for line in lines:
        if line["media_type"] in ("text/html", "application/xhtml+xml"):
            key = line["charset"] or "not decoded", line["charset_from"] or ""
            outcomes.setdefault(key, Counter())[line["reason"] or "text"] += 1
    print(f"\n  {'charset':16}{'decided by':12}outcomes")
    for (charset, how), counts in sorted(outcomes.items()):
        print(f"  {charset:16}{how:12}{', '.join(f'{k} {n}' for k, n in counts.most_common())}")


def growth(arguments: argparse.Namespace, folder: Path) -> None:
    """Cost of a page, memory and disk as one file grows; one size at a time lies on the disk.

    Work is what grows with pages: all but start-up and commit.
    """
    single = joined(arguments.files, 1, folder / "one.warc.gz")
    pages = measured(mill, str(single), str(folder / "one"), arguments.engine)["pages"]
    one = _disk(folder)
    head = f"{'pages':>10}{'CPU s':>9}{'ms/page':>9}{'of it work':>12}"
    print(f"\n{head}{'peak MB + sandbox':>20}{'disk MB':>9}")
    for size in arguments.growth:
        copies = math.ceil(size / pages)
        if shutil.disk_usage(folder).free < 2 * copies * one:
            sys.exit(f"{folder}: {size:,} pages take {copies * one / 1e9:.1f} GB; give --folder")
        warc = joined(arguments.files, copies, folder / f"{size}.warc.gz")
        ours = measured(mill, str(warc), str(folder / "run"), arguments.engine)
        most, *others = sorted(ours["peaks"], reverse=True)
        peaks = f"{most:,.0f} + {max(others, default=0):,.0f}"
        cost = 1000 * ours["cpu"] / ours["pages"]
        stages = sum(ours["row"]["stats"].get(f"cpu_{stage}", 0.0) for stage in STAGES)
        disk, work = (_disk(folder) - one) / 1e6, 1000 * stages / ours["pages"]
        line = f"{ours['pages']:10,}{ours['cpu']:9.1f}{cost:9.2f}{work:12.2f}"
        print(f"{line}{peaks:>20}{disk:9,.0f}", flush=True)
        shutil.rmtree(folder / "run")
        warc.unlink()


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def two_workers(arguments: argparse.Namespace, folder: Path) -> None:
    """Wall time of INGEST in whole runs on Ray, with one worker and with two."""
    for number in range(8):
        joined(arguments.files, max(1, arguments.copies // 2), folder / f"shards/{number}.warc.gz")
    print(f"\n{'workers':>10}{'wall s':>9}{'CPU s':>9}{'pages/s':>9}   INGEST of 8 shards on Ray")
    runs = {}
    for workers in (1, 2):
        out = str(folder / f"run-{workers}")
        runs[workers] = run = measured(
            whole_run, str(folder / "shards"), out, arguments.engine, workers, cores=None
        )
        speed = run["pages"] / run["wall"]
        print(f"{workers:10}{run['wall']:9.1f}{run['cpu_ingest']:9.1f}{speed:9.1f}", flush=True)
    speed_up = runs[1]["wall"] / runs[2]["wall"]
    idle = 2 * runs[1]["cpu_ingest"] / runs[2]["cpu_ingest"]
    print(f"{'speed-up':>10}{speed_up:9.2f}   ({idle:.2f} by CPU seconds a page)")


# --- the two sides, each in a process of its own


def mill(path: str, out: str, engine: str | None) -> dict[str, Any]:
    """Ingest one WARC as `corpusmill run` does it in a worker."""
    from pipeline.plan import ingest_jobs
    from pipeline.url_lists import url_lists

    rules = recipe(path, out, engine)
    url_lists(rules).write(out)
    [job] = ingest_jobs(rules)
    row = job.run(job)
    return {"row": {"read": row.read, "kept": row.kept, "stats": row.stats}, "pages": pages(row)}


def extracted(path: str, engine: str | None) -> dict[str, Any]:
    """The lines of `corpusmill extract`."""
    from pipeline.extract_files import extract_files
    from pipeline.ingest_config import Limits

    settings = {"limits": Limits().model_dump(), "plugins": [], "ocr": {}}
    settings["extract"] = recipe(path, "out", engine).extract.model_dump()
    return {"lines": [step.line for step in extract_files([path], settings) if step.line]}


def whole_run(folder: str, out: str, engine: str | None, workers: int) -> dict[str, Any]:
    """A run on Ray; the wall time of INGEST is from its first job's start to its last commit."""
    from catalogs.ledger import Ledger
    from pipeline.run import run
    from pipeline.schedule import Settings

    run(recipe(f"{folder}/*", out, engine), Settings(workers=workers))
    ledger = Ledger(out)
    rows = ledger.rows("ingest")
    ends = [os.stat(ledger.path("ingest", row.shard)).st_mtime for row in rows]
    begins = [end - row.seconds for end, row in zip(ends, rows, strict=True)]
    spent = sum(sum(row.stats[f"cpu_{stage}"] for stage in STAGES) for row in rows)
    return {
        "wall": max(ends) - min(begins),
        "cpu_ingest": spent,
        "pages": sum(pages(row) for row in rows),
    }


def datatrove(folder: str, name: str, out: str, timeout: float, judge: bool) -> dict[str, Any]:
    """datatrove's pipeline over one WARC; without `judge` only the extracted texts."""
    sys.modules["brotli"] = None  # warcio's reader dies of the first brotli body with it
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import filters
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.readers import WarcReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils import lid

    from filters.language import default_model

    # the model and the build of fastText that we use
    filters.LanguageFilter._requires_dependencies = []
    lid.check_required_dependencies = lambda *names: None
    lid.cached_asset_path_or_download = lambda *place, **options: str(default_model())
    judges = [
        filters.LanguageFilter(language_threshold=LANGUAGE_SCORE),
        filters.GopherRepetitionFilter(),
        filters.GopherQualityFilter(),
        filters.C4QualityFilter(filter_no_terminal_punct=False),
        filters.FineWebQualityFilter(),
        ParquetWriter(out),
    ]
    steps = [
        WarcReader(folder, glob_pattern=name),
        Trafilatura(favour_precision=True, timeout=timeout),
        *(judges if judge else [ParquetWriter(out)]),
    ]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        stats = LocalPipelineExecutor(steps, logging_dir=f"{out}-logs").run()
    counts = stats.stats[-1].to_dict()["stats"]
    kept = counts.get("total", 0)
    return {"kept": kept["total"] if isinstance(kept, dict) else kept}


def recipe(paths: str, out: str, engine: str | None):
    from pipeline.recipe import Recipe

    fields = {"extract": {"engine": engine}} if engine else {}
    return Recipe.model_validate(
        {
            "name": "web-path",
            "out": out,
            "sources": {"web": {"reader": "warc", "paths": paths}},
            "filters": FILTERS,
            "language": {"min_score": LANGUAGE_SCORE},
            **fields,
        }
    )


def pages(row) -> int:
    """HTML pages among the records of an ingest shard."""
    return int(row.stats["pages_html"])


# --- measuring


def measured(work: Callable[..., dict], *arguments: Any, cores: int | None = 1) -> dict[str, Any]:
    """Run in a fresh process; adds `cpu` (s, children included) and `peaks` (MB by process)."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_serve, args=(other, cores, work, arguments))
    process.start()
    other.close()
    peaks: dict[int, float] = {}
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, done))
    watcher.start()
    try:
        result = pipe.recv()
    except EOFError:
        sys.exit(f"{work.__name__} failed; its message stands above")
    finally:
        done.set()
        watcher.join()
        process.join()
    return result | {"peaks": sorted((p / 1e6 for p in peaks.values() if p > 4e7), reverse=True)}


def _serve(pipe, cores: int | None, work: Callable[..., dict], arguments: tuple) -> None:
    from pipeline.sandbox import dismiss

    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    result = work(*arguments)
    dismiss()  # a child counts when it has ended
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    pipe.send(result | {"cpu": sum(u.ru_utime + u.ru_stime for u in used)})


def _watch(pid: int, peaks: dict[int, float], done: threading.Event) -> None:
    import psutil

    while not done.wait(0.1):
        try:
            root = psutil.Process(pid)
            for process in [root, *root.children(recursive=True)]:
                used = process.memory_info().rss
                peaks[process.pid] = max(peaks.get(process.pid, 0.0), used)
        except psutil.NoSuchProcess:
            continue


def show(name: str, result: dict[str, Any], pages: int, kept: int) -> None:
    cpu, peaks = result["cpu"], ", ".join(f"{peak:,.0f}" for peak in result["peaks"])
    print(
        f"{name:24}{cpu:9.2f}{pages / cpu:9.1f}{1000 * cpu / pages:9.2f}{kept:8,}{peaks:>20}",
        flush=True,
    )


def joined(files: list[Path], copies: int, out: Path) -> Path:
    """The files one after the other, several times: compressed WARCs may simply be joined."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as target:
        for _ in range(copies):
            for path in files:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, target)
    return out


def gold_texts(manifest: Path) -> dict[str, str]:
    """Gold text by URL of the pages that are to be extracted whole."""
    gold = {}
    for row in map(json.loads, manifest.read_text("utf-8").splitlines()):
        if row.get("gold_text_file") and row.get("expect", "extract") == "extract":
            text = (manifest.parent / row["gold_text_file"]).read_text("utf-8")
            gold[row["url"].strip("<> \t")] = text
    return gold


def texts_of(lines: list[dict]) -> dict[str, str]:
    return {line["uri"]: line["text"] for line in lines if line["text"]}


def lines_engine(lines: list[dict]) -> str:
    return " + ".join(sorted({line["engine"] for line in lines if line["engine"]}))


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    main()
