"""What the mix verbs print: fits, plans, answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from corpusmill.terminal import output, progress, show_table


@contextmanager
def following(name: str) -> Iterator[Any]:
    """A progress bar; what is yielded takes what is done, how much of it, and of how much."""
    from rich.progress import Progress as Bars

    with Bars(console=progress, transient=True, disable=not progress.is_terminal) as bars:
        task = bars.add_task(name)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield tell


def show_fit(fitted, tasks, losses, domains: int) -> None:
    """How well the laws predict runs that they have not seen."""
    from mixing.fitted import title

    scores = fitted.scores(losses)
    show_table(
        f"{len(losses)} runs, {domains} domains, {len(tasks)} tasks; scores on runs not used in "
        "the fit, means over the tasks",
        ("law", "MSE", "R²", "rank", "best quarter RMSE", "regret", "tasks"),
        [
            (
                title(name),
                one["mse"],
                one["r2"],
                f"{one['rho']:.4f}",
                one["low_rmse"],
                one["regret"],
                fitted.choice.count(name) or "",
            )
            for name, one in ((name, found.means()) for name, found in scores.items())
        ],
        right="MSE R² rank regret tasks",
    )
    for name, told in fitted.left_out.items():
        output.print(f"not compared: {title(name)}: {told}", markup=False, soft_wrap=True)
    chosen = scores["chosen"]
    show_table(
        None,
        ("task", "law", "MSE", "R²", "rank", "± 90 %"),
        [
            (
                task,
                title(fitted.choice[t]),
                float(chosen.mse[t]),
                float(chosen.r2[t]),
                f"{chosen.rho[t]:.4f}",
                float(fitted.half_width[t]),
            )
            for t, task in enumerate(tasks)
        ],
        right="MSE R² rank",
    )


def show_answer(answer) -> None:
    """The recommended mix beside the baselines, what it gains, and what easing a limit buys."""
    from mixing import words

    mixes, plain = answer.mixes, answer.as_dict()
    show_table(
        f"for {words.count(answer.budget)} tokens; shares of training tokens",
        (
            "domain", "recommended", "90 % interval", "ties", "natural", "UniMax", "tokens",
            "epochs", "held by",
        ),
        [
            (
                name,
                words.percent(mixes["recommended"][j], answer.high[j] - answer.low[j]),
                words.span(answer.low[j], answer.high[j]),
                words.span(answer.tie_low[j], answer.tie_high[j]),
                words.percent(mixes["natural"][j]),
                words.percent(mixes["unimax"][j]),
                words.count(mixes["recommended"][j] * answer.budget),
                words.epochs(answer.epochs["recommended"][j]),
                answer.binding[j],
            )
            for j, name in enumerate(answer.domains)
        ],
        right="recommended ties natural UniMax tokens epochs",
    )  # fmt: skip
    unit = words.short_unit(answer.unit)
    for name, (value, low, high) in answer.gain.items():
        against = f"{words.TITLES[name]} mix" if name != "observed" else "best observed mix"
        output.print(
            f"predicted against the {against}: {words.change(value)} {unit} "
            f"(90 % interval {words.within(low, high)})"
            + (f"; that mix {told}" if (told := words.breaks(answer.breaks.get(name))) else ""),
            markup=False,
            soft_wrap=True,
        )
    for price in answer.prices:
        output.print(words.price(price, plain), markup=False, soft_wrap=True)
    output.print(f"intervals: {words.intervals(plain['fit'])}", markup=False, soft_wrap=True)
    whence = "noise between seeds" if answer.slack_is == "seeds" else "error of the fit"
    output.print(
        f"ties: mixes predicted within {answer.slack:.2g} {unit} of the best ({whence}); "
        f"optimal to {answer.gap:.0e} {unit}"
    )
    if answer.scale:
        slopes = ", ".join(
            f"{task} × {slope:.2f}" for task, slope in zip(answer.tasks, answer.scale, strict=True)
        )
        output.print(
            f"weights are multiplied by what a unit of each task's loss is worth at the size of "
            f"the confirmation: {slopes}",
            markup=False,
            soft_wrap=True,
        )
    weighted = [
        f"{task} {words.percent(weight)}"
        for task, weight in zip(answer.tasks, answer.weights, strict=True)
        if weight > 0
    ]
    if len(set(answer.weights)) > 1:
        output.print("weights: " + ", ".join(weighted), markup=False, soft_wrap=True)


def show_plan(plan) -> None:
    """The design of a swarm and what it costs."""
    from mixing import words

    study, swarm = plan.study, plan.swarm
    show_table(
        f"{study.name}: {len(plan.domains)} domains",
        ("domain", "documents", "tokens", "natural", "least", "most"),
        [
            (
                domain.name,
                domain.documents,
                words.count(tokens),
                words.percent(tokens / plan.tokens.sum()),
                words.percent(float(swarm.shares[:, j].min())),
                words.percent(float(swarm.shares[:, j].max())),
            )
            for j, (domain, tokens) in enumerate(zip(plan.domains, plan.tokens, strict=True))
        ],
        right="documents tokens natural least most",
    )
    names = [domain.name for domain in plan.domains]
    show_table(
        f"{len(swarm)} runs",
        ("run", "kind", "seed", *names),
        [
            (str(i + 1), kind, int(seed), *(words.percent(float(p)) for p in mix))
            for i, (mix, seed, kind) in enumerate(
                zip(swarm.shares, swarm.seeds, swarm.kinds, strict=True)
            )
        ],
        right=" ".join(["run", "seed", *names]),
    )
    proxy = study.proxy
    output.print(
        f"proxies: {proxy.model} ({plan.parameters:,} parameters with the embedding), "
        f"{words.count(proxy.tokens)} tokens each; {plan.confirming} more runs to confirm"
    )
    output.print(
        f"cost: {words.count(plan.proxy_tokens)} tokens in all, {plan.flops:.2g} operations; "
        f"{plan.trained} runs are trained already"
    )
    if plan.seconds:
        output.print(
            f"time: about {words.duration(plan.seconds)} of one core for the runs that are left, "
            "as fast as those before"
        )
    for line in plan.notes:
        output.print(line, markup=False, soft_wrap=True)
