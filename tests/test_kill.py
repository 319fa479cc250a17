"""Kill it anywhere: whatever dies, running again ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from catalogs.audit import audit
from catalogs.catalog import open_catalog
from catalogs.ledger import Ledger
from tests.inputs import files_of, small_sources, write_recipe

REPEATS = {"lines": {"documents": 3}, "substring": {"min_bytes": 60}, "min_bytes": 1}
ENVIRONMENT = {**os.environ, "RAY_DEDUP_LOGS": "0"}


def start(recipe, workers=2):
    """Run the recipe as a user does, in a process group of its own."""
    command = [sys.executable, "-m", "corpusmill", "run", str(recipe), "--workers", str(workers)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def finish(recipe, workers=2):
    process = start(recipe, workers)
    try:
        output, _ = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        kill_all(process)
        raise
    return process.returncode, output


def kill_all(process):
    victims = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for victim in [*victims, process]:
        try:
            victim.kill()
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run that nothing disturbs, with 2 workers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = write_recipe(folder, small_sources(folder), repeats=REPEATS)
    code, output = finish(recipe)
    assert code == 0, output
    with open_catalog(str(folder / "run")) as catalog:
        (cut,) = catalog.execute("SELECT count(*) FROM corpus WHERE cut_bytes > 0").fetchone()
    assert cut > 50, "repeats are part of what is disturbed"
    return folder


def committed(folder):
    return len(Ledger(str(folder / "run")).rows()) if (folder / "run" / "ledger").exists() else 0


def victims(process, kind):
    """The driver itself, its raylet, or one of the workers that are at a task."""
    if kind == "driver":
        return [psutil.Process(process.pid)]
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            title = " ".join(child.cmdline()) or child.name()
        except psutil.Error:
            continue
        if kind == "raylet" and "/raylet/raylet" in title:
            found.append(child)
        task = title.startswith("ray::") and "IDLE" not in title and "Agent" not in title
        if kind == "worker" and task:
            found.append(child)
    return found


def disturb(process, folder, kind, after):
    """SIGKILL one victim once `after` shards are committed; False when the run was over before."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if committed(folder) >= after:
            for victim in victims(process, kind)[:1]:
                victim.send_signal(signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False


SEED = random.Random(20261122)
# a worker is only there while a task runs: the tasks of the first step last long enough to be hit
RANGES = {
    "driver": ((0, 4), (4, 14), (30, 48)),
    "worker": ((0, 2), (2, 4)),
    "raylet": ((0, 4), (4, 14)),
}
SLOW = {
    ("driver", (4, 14)),
    ("driver", (30, 48)),
    ("worker", (2, 4)),
    ("raylet", (0, 4)),
    ("raylet", (4, 14)),
}
MOMENTS = [
    pytest.param(
        kind, SEED.randrange(*span), marks=[pytest.mark.slow] if (kind, span) in SLOW else []
    )
    for kind, spans in RANGES.items()
    for span in spans
]


@pytest.mark.parametrize(("kind", "after"), MOMENTS)
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, undisturbed, kind, after):
    recipe = write_recipe(tmp_path, small_sources(tmp_path), repeats=REPEATS)
    for name in os.listdir(tmp_path):
        if name != "recipe.yaml":  # the same inputs, down to their times
            times = os.stat(undisturbed / name)
            os.utime(tmp_path / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    process = start(recipe)
    hit = disturb(process, tmp_path, kind, after)
    try:
        output, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        kill_all(process)
        pytest.fail(f"the run hangs after its {kind} was killed")
    assert hit, output
    if kind == "worker":
        assert process.returncode == 0, output
    code, again = finish(recipe)
    assert code == 0, again
    assert files_of(tmp_path / "run" / "corpus") == files_of(undisturbed / "run" / "corpus")
    assert audit(str(tmp_path / "run")).problems == []


@pytest.mark.slow
def test_one_worker_makes_the_bytes_that_two_make(tmp_path, undisturbed):
    recipe = write_recipe(tmp_path, small_sources(tmp_path), repeats=REPEATS)
    code, output = finish(recipe, workers=1)
    assert code == 0, output
    assert files_of(tmp_path / "run" / "corpus") == files_of(undisturbed / "run" / "corpus")


def test_two_drivers_do_not_work_in_one_folder(tmp_path):
    recipe = write_recipe(tmp_path, small_sources(tmp_path), repeats=REPEATS)
    first = start(recipe)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "plan.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    code, output = finish(recipe)
    assert code == 2
    assert "another run is at work" in output
    assert first.wait(timeout=120) == 0
