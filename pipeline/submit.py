"""Ship code and recipe to a Ray cluster as a job."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec

import yaml

from catalogs import storage
from catalogs.errors import UserError
from pipeline.recipe import load_recipe

PACKAGES = ("catalogs", "corpusmill", "filters", "mixing", "ocr", "pipeline", "proxies")
PATIENCE = (1, 2, 4, 8, 15, 30)  # seconds
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.nbi", "*.nbc")


def _submit(client, address: str, command: str, folder: str) -> str:
    """Submit, with patience for a head whose agents are still starting."""
    refusal = ""
    for pause in PATIENCE:
        try:
            return client.submit_job(entrypoint=command, runtime_env={"working_dir": folder})
        except RuntimeError as error:
            refusal = str(error).splitlines()[0]
            if "No available agent" not in refusal:
                break
            time.sleep(pause)
    raise UserError(f"{address}: the job server does not take the job ({refusal})")


def _offer_token() -> None:
    """Let Ray send the cluster's token where there is one; it does not by itself."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given or os.path.isfile(os.path.expanduser("~/.ray/auth_token")):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def submit_recipe(
    path: str,
    address: str,
    out: str | None = None,
    workers: int | None = None,
    wait: bool = True,
    say: Callable[[str], None] = print,
) -> int | None:
    """Submit a recipe through the Ray Jobs API.

    The seven packages and the recipe, with its root made absolute, travel as the working
    directory of the job. With `wait`, logs are passed to `say` line by line.

    Returns
    -------
    int or None
        Exit status of the job: 0 when it succeeded or was not waited for.

    Raises
    ------
    UserError
        When the recipe is wrong or no job server answers at `address`.
    """
    recipe = load_recipe(path, out=os.path.abspath(out) if out and "://" not in out else out)
    data = recipe.model_dump(mode="json")
    data["out"] = recipe.run_folder
    _offer_token()
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobStatus, JobSubmissionClient

    try:
        client = JobSubmissionClient(address)
    except AuthenticationError:
        raise UserError(
            f"{address}: the cluster asks for its token; set RAY_AUTH_TOKEN to it, or put it into "
            "~/.ray/auth_token"
        ) from None
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{address}: no Ray job server answers there ({reason})") from None
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            origin = os.path.dirname(find_spec(package).origin)
            shutil.copytree(origin, os.path.join(folder, package), ignore=IGNORED)
        data["plugins"] = [storage.join(recipe.base, plugin) for plugin in recipe.plugins]
        with open(os.path.join(folder, "recipe.yaml"), "w") as file:
            yaml.safe_dump(data, file, sort_keys=False, allow_unicode=True)
        command = "python -m corpusmill run recipe.yaml"
        if workers:
            command += f" --workers {workers}"
        job = _submit(client, address, command, folder)
    say(f"job {job} submitted to {address}")
    if not wait:
        return 0

    async def follow() -> None:
        async for lines in client.tail_job_logs(job):
            for line in lines.splitlines():
                say(line)

    try:
        asyncio.run(follow())
    except KeyboardInterrupt:
        client.stop_job(job)
        raise
    info = client.get_job_info(job)
    if info.status == JobStatus.SUCCEEDED:
        return 0
    say(f"job {job}: {info.status.value.lower()}: {info.message or ''}")
    return info.driver_exit_code or 1
