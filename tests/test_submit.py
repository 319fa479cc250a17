"""A real Ray head with its job server on loopback runs a submitted recipe."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from catalogs.audit import audit
from tests.inputs import small_sources, write_recipe

RAY = Path(sys.executable).with_name("ray")
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "t" * 64,
    "PATH": f"{RAY.parent}{os.pathsep}{os.environ['PATH']}",  # as in an activated environment
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """Address of the job server of a Ray head that is stopped afterwards."""
    gcs, dashboard = free_port(), free_port()
    command = [
        *(str(RAY), "start", "--head", "--block", "--num-cpus=2", f"--port={gcs}"),
        *("--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"),
        f"--dashboard-agent-listen-port={free_port()}",
        "--disable-usage-stats",
    ]
    log = tmp_path_factory.mktemp("head") / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, cwd=log.parent, env=ENVIRONMENT
        )
    address = f"http://127.0.0.1:{dashboard}"
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=5).close()
            break
        except urllib.error.HTTPError:  # it asks for the token
            break
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                pytest.fail(f"the Ray head does not start: {log.read_text()[-2000:]}")
            time.sleep(0.5)
    yield address
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()


def corpusmill(*arguments, environment=None):
    return subprocess.run(
        [sys.executable, "-m", "corpusmill", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=550,
        cwd=ROOT,
        env=environment or ENVIRONMENT,
    )


def demo_recipe(folder):
    """The demo's recipe on a part of its sample: every reader, in less time."""
    recipe = yaml.safe_load((ROOT / "recipes/demo.yaml").read_text())
    recipe["root"] = str(ROOT)
    recipe["sources"]["web"]["paths"] = "examples/sample/web/crawl-3.warc.gz"
    recipe["sources"]["papers"]["paths"] = "examples/sample/papers/zoo-*.pdf"
    recipe["sources"]["scans"]["paths"] = "examples/sample/scans/scan-debian-history.pdf"
    for name in ("code", "encyclopedia", "books", "qa"):
        del recipe["sources"][name]
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.mark.parametrize(
    ("part", "sources"), [("texts", "2"), pytest.param("demo", "5", marks=pytest.mark.slow)]
)
@pytest.mark.timeout(600)
def test_a_submitted_run_answers_sql(head, tmp_path, part, sources):
    run = tmp_path / "run"
    small = write_recipe(tmp_path, small_sources(tmp_path)) if part == "texts" else None
    recipe = small or demo_recipe(tmp_path)
    process = corpusmill("submit", recipe, "--address", head, "--out", run)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "shards made" in process.stdout  # the logs came through
    assert audit(str(run)).problems == []
    query = "select count(distinct source) from corpus"
    answer = corpusmill("sql", run, query, "--format", "csv")
    assert answer.stdout.splitlines()[1] == sources


def test_the_exit_status_of_a_failed_job_comes_back(head, tmp_path):
    sources = small_sources(tmp_path)
    sources["texts"]["options"]["text_feld"] = "text"
    recipe = write_recipe(tmp_path, sources)
    process = corpusmill("submit", recipe, "--address", head)
    assert process.returncode == 2, process.stdout + process.stderr
    assert "text_feld" in process.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_demo_runs_as_a_job(head, tmp_path):
    process = corpusmill(
        *("submit", ROOT / "recipes/demo.yaml", "--address", head, "--out", tmp_path / "demo")
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert audit(str(tmp_path / "demo")).problems == []


def test_a_wrong_token_is_one_line(head, tmp_path):
    recipe = write_recipe(tmp_path, small_sources(tmp_path))
    wrong = {**ENVIRONMENT, "RAY_AUTH_TOKEN": "x" * 64}
    process = corpusmill("submit", recipe, "--address", head, environment=wrong)
    assert process.returncode == 2
    assert "asks for its token" in process.stderr
    assert "Traceback" not in process.stderr


def test_no_server_is_one_line(tmp_path):
    recipe = write_recipe(tmp_path, small_sources(tmp_path))
    process = corpusmill("submit", recipe, "--address", f"http://127.0.0.1:{free_port()}")
    assert process.returncode == 2
    assert "no Ray job server answers there" in process.stderr
    assert "Traceback" not in process.stderr
