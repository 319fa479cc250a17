"""Stacks of proxies as jobs: they train what single jobs then find finished and commit."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from catalogs import storage
from catalogs.ledger import Ledger, Row
from mixing.study_file import Proxy
from pipeline.address import address
from pipeline.jobs import Job, at_work
from proxies import ModelConfig, StackMember, TokenStream, TrainConfig, stack_size, train_stack

if TYPE_CHECKING:
    from mixing.proxy_shop import ProxyShop

STEP = "stack"


def stacking(proxy: Proxy) -> dict[str, bool]:
    """What a run's settings say of stacks: nothing where it is trained alone."""
    alone = proxy.stack == "off" or (proxy.stack == "auto" and not _gpu_memory())
    return {} if alone else {"stacked": True}


def run_folder(job: Job) -> str:
    """Where a proxy is trained, before it is committed."""
    return storage.join(job.root, "_tmp", "train", job.address)


def stack_jobs(shop: ProxyShop, jobs: list[Job]) -> list[Job]:
    """Jobs that train the proxies of `jobs` in stacks; none for other jobs, and for single runs.

    What is committed is left out, so that a swarm that grows trains its new runs alone.
    """
    ledger = Ledger(shop.study.out_folder)
    waiting = [
        job
        for job in jobs
        if job.arguments.get("config", {}).get("stacked")
        and ledger.committed(job.step, job.shard, job.address) is None
    ]
    found = []
    for _, group in itertools.groupby(waiting, key=_alike):
        members = list(group)
        size = _size(shop.study.proxy, members[0])
        for start in range(0, len(members), size):
            stack = members[start : start + size]
            whole = address(STEP, [job.address for job in stack], [], stack[0].code)
            found.append(_stack_job(stack, whole))
    return found


def train_stacked(job: Job) -> Row:
    """Train the proxies of a stack; each is left in its folder, finished."""
    arguments = job.arguments
    streams = {name: TokenStream(path) for name, path in arguments["train"].items()}
    members = [
        StackMember(one["mix"], one["config"]["seed"], folder, one["subsample"], one.get("start"))
        for one, folder in zip(arguments["members"], arguments["folders"], strict=True)
    ]
    with at_work(job) as work:
        results = train_stack(members, streams, _config(arguments["members"][0], streams))
        with open(work.path("stack", f"{STEP}/{job.shard}.json"), "w") as file:
            json.dump([one["mix"] for one in arguments["members"]], file, indent=1)
        stats = {"seconds": sum(one.seconds for one in results)}
        return work.commit(read=len(members), kept=len(members), stats=stats)


def _stack_job(stack: list[Job], whole: str) -> Job:
    arguments: dict[str, Any] = {
        "members": [job.arguments for job in stack],
        "folders": [run_folder(job) for job in stack],
        "train": {n: path for job in stack for n, path in job.arguments["train"].items()},
    }
    return Job(
        root=stack[0].root,
        step=STEP,
        shard=whole[:16],
        address=whole,
        run=train_stacked,
        arguments=arguments,
        inputs=tuple(sorted({one for job in stack for one in job.inputs})),
        code=stack[0].code,
    )


def _alike(job: Job) -> str:
    """Runs that differ in no more than mix, seed and starting weights have the same."""
    config = {**job.arguments["config"], "seed": 0}
    return json.dumps([job.step, job.arguments["model"], config], sort_keys=True)


def _size(proxy: Proxy, job: Job) -> int:
    if isinstance(proxy.stack, int):
        return proxy.stack
    streams = {name: TokenStream(path) for name, path in job.arguments["train"].items()}
    return stack_size(_config(job.arguments, streams), _gpu_memory())


def _config(arguments: dict[str, Any], streams: dict[str, TokenStream]) -> TrainConfig:
    vocab = next(iter(streams.values())).info.vocab_size
    model = ModelConfig.named(arguments["model"], vocab)
    return TrainConfig(model=model, **arguments["config"])


def _gpu_memory() -> int:
    import torch  # takes a second, which verbs that train nothing need not pay

    if not torch.cuda.is_available():
        return 0
    return torch.cuda.get_device_properties(0).total_memory
