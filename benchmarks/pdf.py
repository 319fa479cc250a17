"""Read a folder of PDFs with `ocr.read_pdf` and report speed by route.

    python benchmarks/pdf.py FOLDER OUT.jsonl [--engine rapidocr|none] [--only id,id]
    python benchmarks/pdf.py FOLDER --alone 10      OCR against the bare engine, CPU time
    python benchmarks/pdf.py FOLDER --pages 10000   memory and speed over many text-layer pages

FOLDER holds manifest.jsonl (one object a line with `id` and `file`; without it every *.pdf is
read).  OUT.jsonl gets a line a file: file, text, status, routes, n_pages, flags, seconds (CPU),
error, pages.  Files are read in a child process, which is killed and replaced when a file runs
over its time; memory is bounded by RLIMIT_AS.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def serve(pipe, engine: str, memory: int) -> None:
    """The child: file names in, results out."""
    os.environ["OMP_NUM_THREADS"] = "1"
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from ocr import PdfOptions, get_engine, read_pdf

    options = PdfOptions(engine=engine)
    if engine != "none":
        get_engine(engine)
    pipe.send("ready")
    while True:
        path = pipe.recv()
        cpu = time.process_time()
        try:
            result = dataclasses.asdict(read_pdf(Path(path).read_bytes(), options))
        except MemoryError:
            result = {"text": "", "status": "failed", "error": "out of memory", "pages": []}
        pipe.send(result | {"cpu": time.process_time() - cpu})


class Child:
    """A reader process that outlives good files and is replaced after bad ones."""

    def __init__(self, engine: str, memory: int) -> None:
        self.arguments = (engine, memory)
        self.process = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, *self.arguments), daemon=True)
        self.process.start()
        other.close()
        self.pipe.recv()

    def read(self, path: Path, seconds: float) -> dict:
        if self.process is None:
            self.start()
        self.pipe.send(str(path))
        try:
            if self.pipe.poll(seconds):
                return self.pipe.recv()
            error = f"killed after {seconds:g} s"
        except EOFError:
            self.process.join()
            error = f"reader died with exit code {self.process.exitcode}"
        self.stop()
        return {"text": "", "status": "failed", "error": error, "pages": [], "cpu": seconds}

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--engine", default="rapidocr")
    parser.add_argument("--only", default="", help="ids, comma between")
    parser.add_argument("--seconds", type=float, default=120, help="wall limit a file")
    parser.add_argument("--memory", type=float, default=4, help="address space limit in GiB")
    parser.add_argument("--alone", type=int, default=0, help="pages to read by the bare engine too")
    parser.add_argument("--pages", type=int, default=0, help="pages to measure memory over")
    arguments = parser.parse_args()

    manifest = arguments.folder / "manifest.jsonl"
    if manifest.exists():
        cases = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    else:
        cases = [{"id": p.stem, "file": p.name} for p in sorted(arguments.folder.glob("*.pdf"))]
    only = set(arguments.only.split(",")) - {""}
    cases = [case for case in cases if not only or case["id"] in only]

    if arguments.alone or arguments.pages:
        from benchmarks.pdf_limits import engine_alone, memory

        paths = [arguments.folder / case["file"] for case in cases]
        if arguments.alone:
            scans = [c for c in cases if "scanned" in c.get("kind", ["scanned"])]
            scans = [
                arguments.folder / c["file"] for c in scans if "hostile" not in c.get("kind", [])
            ]
            engine_alone(scans, arguments.engine, arguments.alone)
        if arguments.pages:
            memory(paths, arguments.pages)
        return
    if arguments.out is None:
        parser.error("OUT.jsonl is needed")

    child = Child(arguments.engine, int(arguments.memory * (1 << 30)))
    seconds, pages, begin = defaultdict(float), defaultdict(int), time.monotonic()
    statuses: dict[str, int] = defaultdict(int)
    with arguments.out.open("w", encoding="utf-8") as out:
        for case in cases:
            limit = min(arguments.seconds, case.get("expect", {}).get("max_seconds", 1e9))
            result = child.read(arguments.folder / case["file"], limit)
            statuses[result["status"]] += 1
            cpu_share = result["cpu"] / max(result.get("seconds", 0.0), 1e-9)
            for page in result["pages"]:  # wall time scaled: other processes are not its cost
                pages[page["route"]] += 1
                seconds[page["route"]] += page["seconds"] * min(1.0, cpu_share)
            row = {
                "file": case["file"],
                "text": result["text"],
                "status": result["status"],
                "routes": [page["route"] for page in result["pages"]],
                "n_pages": result.get("n_pages", 0),
                "flags": {
                    "form": "form" in result.get("tags", {}),
                    "spam": "seo_spam" in result.get("tags", {}),
                },
                "tags": result.get("tags", {}),
                "seconds": round(result["cpu"], 3),
                "error": result["error"],
                "detail": result.get("detail", ""),
                "pages": result["pages"],
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
    child.stop()

    print(
        f"{len(cases)} files in {time.monotonic() - begin:.0f} s: {dict(sorted(statuses.items()))}"
    )
    for route in sorted(pages):
        speed = pages[route] / max(seconds[route], 1e-9)
        print(f"{route:8s} {pages[route]:5d} pages {speed:8.2f} pages per core-second")


if __name__ == "__main__":
    main()
