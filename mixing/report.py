"""The mixture report: self-contained HTML, Markdown, and JSON to train by."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files as resources
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mixing import figures, words
from mixing.fitted import title
from mixing.seeds import pooled_noise
from mixing.shares import exact
from mixing.story import Story
from pipeline.address import digest

_CAUSES = {
    "epochs": "epochs",
    "cap": "cap",
    "support": "sampled support",
    "floor": "floor",
}


def write_report(
    story: Story,
    answer: dict[str, Any],
    confirmation: dict[str, Any] | None,
    files: dict[str, str],
) -> None:
    """Write the report.

    Parameters
    ----------
    story
        What to tell of the experiment.
    answer
        `Answer.as_dict()`.
    confirmation
        What `compare` found, or None when nothing was trained to confirm.
    files
        Local paths to write to: ``report`` (HTML), ``markdown``, ``mixture`` (JSON) and
        ``summary`` (plain text); kinds left out are not written.
    """
    view = build_view(story, answer, confirmation)
    texts = {
        "report": render(view, "report.html"),
        "markdown": render(view, "report.md"),
        "summary": render(view, "summary.txt"),
        "mixture": json.dumps(mixture(story, answer, confirmation), indent=1) + "\n",
    }
    for kind, path in files.items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(texts[kind])


def look() -> str:
    """Hash of the templates and of the style sheet, which no hash of code holds."""
    found = [one for one in resources("mixing").joinpath("templates").iterdir() if one.is_file()]
    found.append(resources("catalogs").joinpath("templates/page.css"))
    return digest([[one.name, one.read_text()] for one in sorted(found, key=lambda one: one.name)])


def render(view: dict[str, Any], template: str) -> str:
    """Fill a template; names from the study are escaped in HTML and in Markdown tables."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("mixing"), PackageLoader("catalogs")]),  # page.css
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=words.percent,
        bpb=words.bpb,
        change=words.change,
        count=words.count,
        epochs=words.epochs,
        duration=words.duration,
        cell=_cell,
    )
    return environment.get_template(template).render(view, within=words.within, span=words.span)


def mixture(
    story: Story, answer: dict[str, Any], confirmation: dict[str, Any] | None
) -> dict[str, Any]:
    """The answer for machines: plain names, shares that sum to 1, null for what is not known."""
    verdict = words.give_verdict(answer, confirmation)
    names = answer["domains"]

    def named(values) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    best = exact(np.array(answer["mixes"]["recommended"]))
    return _finite_only(
        {
            "name": story.name,
            **story.exports,
            "tokens": answer["budget"],
            "ratios": named(best.tolist()),
            "interval_90": named(zip(answer["low"], answer["high"], strict=True)),
            "interval_coverage": answer["fit"]["coverage"],
            "ties": named(zip(answer["tie_low"], answer["tie_high"], strict=True)),
            "epochs": named(answer["epochs"]["recommended"]),
            "held_by": {name: cause for name, cause in named(answer["binding"]).items() if cause},
            "domains": story.domains,
            "verdict": {"word": verdict.word, "text": verdict.headline},
            "loss_unit": answer["unit"],
            "predicted_gain": {
                name: dict(zip(("value", "low", "high"), gain, strict=True))
                for name, gain in answer["gain"].items()
            },
            "confirmed": confirmation,
            "baselines": {
                name: named(shares)
                for name, shares in answer["mixes"].items()
                if name != "recommended"
            },
            "available_tokens": named(answer["tokens"]),
            "optimality_gap": answer["gap"],
            "prices": answer["prices"],
            "pareto": answer["pareto"],
            "laws": dict(zip(answer["tasks"], answer["fit"]["choice"], strict=True)),
            "weights": dict(zip(answer["tasks"], answer["weights"], strict=True)),
            "runs": len(answer["swarm"]["shares"]),
        }
    )


def build_view(
    story: Story,
    answer: dict[str, Any],
    confirmation: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything that the templates show."""
    names, fit = answer["domains"], answer["fit"]
    measured, predicted = np.array(fit["measured"]), np.array(fit["predicted"])
    weights = np.array(answer["weights"])
    return {
        "story": story,
        "answer": answer,
        "unit": words.short_unit(answer["unit"]),
        "verdict": words.give_verdict(answer, confirmation),
        "changes": words.what_would_change(answer, confirmation),
        "domains": [_domain(answer, j) for j in range(len(names))],
        "scale": _top(answer),
        "gains": _gains(answer, confirmation),
        "confirmation": confirmation,
        "confirmed_tasks": _confirmed_tasks(answer, confirmation),
        "transfer": (confirmation or {}).get("transfer"),
        "at_scale": (confirmation or {}).get("at_scale"),
        "prices": [words.price(one, answer) for one in answer["prices"]],
        "pareto": _pareto(answer),
        "beyond": [one for one in answer["beyond"] if one["moved"] is not None],
        "laws": _laws(fit),
        "intervals": words.intervals(fit),
        "matrix": _matrix(fit),
        "left_out": [f"{title(name)}: {told}" for name, told in fit["left_out"].items()],
        "tasks": _tasks(answer),
        "noise": _mean_noise(answer["swarm"], measured @ weights),
        "heat": _heat(answer),
        "runs": len(measured),
        "mixes": len(np.unique(answer["swarm"]["shares"], axis=0)),
        "titles": words.TITLES,
        "curve": fit["curve"],
        "parity": Markup(
            figures.parity(answer["tasks"], measured, predicted, fit["rho"], answer["unit"])
        ),
        "design": Markup(
            figures.design(names, answer["swarm"], answer["mixes"]["recommended"])
        ),
        "trained": Markup(figures.confirmation(confirmation["losses"], words.TITLES))
        if confirmation
        else None,
        "libraries": {name: version(name) for name in ("numpy", "scipy", "torch")},
    }  # fmt: skip


def _domain(answer: dict[str, Any], j: int) -> dict[str, Any]:
    mixes, low, high = answer["mixes"], answer["low"][j], answer["high"][j]
    share = mixes["recommended"][j]
    return {
        "name": answer["domains"][j],
        "available": answer["tokens"][j],
        "shares": {name: mixes[name][j] for name in mixes},
        "low": low,
        "high": high,
        "width": high - low,
        "tie_low": answer["tie_low"][j],
        "tie_high": answer["tie_high"][j],
        "tokens": share * answer["budget"],
        "epochs": answer["epochs"]["recommended"][j],
        "held": _CAUSES.get(answer["binding"][j], ""),
        "factor": share / mixes["natural"][j] if mixes["natural"][j] else None,
    }


def _top(answer: dict[str, Any]) -> float:
    """Right end of the axis of shares: the largest shown, rounded up to 5 %."""
    shown = [*answer["high"], *answer["mixes"]["recommended"], *answer["mixes"]["natural"]]
    return min(1.0, np.ceil(max(shown) * 20) / 20)


def _gains(answer: dict[str, Any], confirmation: dict[str, Any] | None) -> list[dict[str, Any]]:
    rows = []
    for name in words.MIXES:
        value, low, high = answer["gain"][name]
        rows.append(
            {
                "title": words.TITLES[name],
                "breaks": words.breaks(answer["breaks"].get(name)),
                "loss": answer["loss"][name],
                "value": value,
                "low": low,
                "high": high,
                "relative": value / answer["loss"][name],
                "confirmed": (confirmation or {}).get("baselines", {}).get(name),
            }
        )
    return rows


def _confirmed_tasks(answer, confirmation) -> list[dict[str, Any]]:
    if not confirmation:
        return []
    found = confirmation["baselines"]
    return [
        {"name": name, "falls": {mix: one["tasks"][t] for mix, one in found.items()}}
        for t, name in enumerate(answer["tasks"])
    ]


def _laws(fit: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        {
            "title": title(name),
            "used": fit["choice"].count(name),
            "predicts": fit["predictor"].count(name),
            **scores,
        }
        for name, scores in fit["scores"].items()
    ]
    return sorted(rows, key=lambda row: row["mse"])


def _matrix(fit: dict[str, Any]) -> dict[str, Any]:
    """Every law's scores at every task; the least error of a task is marked."""
    names = [name for name in fit["by_task"] if name != "chosen"]
    errors = np.array([fit["by_task"][name]["mse"] for name in names])
    rho = np.array([fit["by_task"][name]["rho"] for name in names])
    best = errors.argmin(0)
    return {
        "laws": [title(name) for name in names],
        "cells": [
            [{"mse": errors[i, t], "rho": rho[i, t], "best": best[t] == i, "name": name}
             for i, name in enumerate(names)]
            for t in range(errors.shape[1])
        ],
    }  # fmt: skip


def _tasks(answer: dict[str, Any]) -> list[dict[str, Any]]:
    fit = answer["fit"]
    return [
        {
            "name": name,
            "weight": answer["weights"][j],
            "law": title(fit["choice"][j]),
            "predictor": title(fit["predictor"][j]),
            "half_width": fit["half_width"][j],
            "best": answer["task_loss"]["recommended"][j],
            "natural": answer["task_loss"]["natural"][j],
            "rho": fit["rho"][j],
            "noise": fit["noise"][j],
        }
        for j, name in enumerate(answer["tasks"])
    ]


def _mean_noise(swarm: dict[str, Any], means: np.ndarray) -> float | None:
    """Standard deviation between runs of one mix, of the weighted mean; None without repeats."""
    noise = float(pooled_noise(swarm["shares"], means[:, None], swarm["seeds"])[0])
    return noise if np.isfinite(noise) else None


def _heat(answer: dict[str, Any]) -> dict[str, Any]:
    """d loss / d share for one percent of tokens, in thousandths of a bit per byte.

    The colour scale ends at the 90th percentile, so that one steep cell does not pale the rest.
    """
    cells = 10.0 * np.array(answer["slope"])
    end = float(np.quantile(np.abs(cells), 0.9)) or 1.0
    return {
        "rows": [
            {
                "task": name,
                "cells": [
                    {
                        "text": f"{abs(cell):.1f}" if abs(cell) < 99.95 else f"{abs(cell):.0f}",
                        "sign": "−" if round(cell, 1) < 0 else "+" if round(cell, 1) > 0 else "",
                        "strength": min(1.0, abs(cell) / end),
                        "good": cell < 0,
                    }
                    for cell in row
                ],
            }
            for name, row in zip(answer["tasks"], cells, strict=True)
        ]
    }


def _pareto(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """For each family: what its loss and the others' become as weight moves to it."""
    best = np.array(answer["mixes"]["recommended"])
    weights, families = np.array(answer["weights"]), answer["families"]
    share = {f: sum(w for w, g in zip(weights, families, strict=True) if g == f) for f in families}
    now = {}
    for family in share:
        member = np.array([one == family for one in families])
        inner = weights * member if share[family] else member / member.sum()
        losses = np.array(answer["task_loss"]["recommended"])
        now[family] = float(inner @ losses / inner.sum())
    rows = []
    for point in answer["pareto"]:
        falls = {name: now[name] - loss for name, loss in point["losses"].items()}
        rows.append(
            {
                "family": point["family"],
                "moved": point["moved"],
                "own": falls[point["family"]],
                "mean": sum(share[name] * fall for name, fall in falls.items()),
                "worst": min(falls.items(), key=lambda item: item[1]),
                "apart": float(np.abs(np.array(point["shares"]) - best).sum() / 2),
            }
        )
    return rows


def _finite_only(value: Any) -> Any:
    """The same with null for infinities and nan, which JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _finite_only(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_only(one) for one in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _cell(text: Any) -> str:
    """Text inside a Markdown table."""
    told = " ".join(str(text).split())
    for mark in "\\|`*_<>[]":
        told = told.replace(mark, "\\" + mark)
    return told
