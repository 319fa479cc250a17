"""Figures of the report as inline SVG that takes its colours from the page.

Matplotlib draws with placeholder colours, which are then replaced by CSS variables: one drawing
serves light and dark.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

_INK, _SOFT, _LINE, _ACCENT, _SECOND, _THIRD, _BACK = (
    "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707",
)  # fmt: skip
_VARIABLES = {
    _INK: "--ink",
    _SOFT: "--soft",
    _LINE: "--line",
    _ACCENT: "--accent",
    _SECOND: "--second",
    _THIRD: "--third",
    _BACK: "--paper",
}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_KINDS = {
    "natural": ("D", _INK, "anchors"),
    "uniform": ("D", _INK, "anchors"),
    "repeat": ("D", _INK, "anchors"),
    "spread": ("o", _SOFT, "spread"),
    "reach": ("^", _SECOND, "one domain up"),
    "sparse": ("s", _THIRD, "few domains"),
    "local": ("o", _ACCENT, "near natural"),
    "refine": ("v", _ACCENT, "refined"),
    "kept": ("o", _SOFT, "kept"),
    "extend": ("^", _SECOND, "new domain"),
    "imported": ("o", _SOFT, "imported"),
}


def parity(
    tasks: Sequence[str],
    measured: np.ndarray,
    predicted: np.ndarray,
    rho: Sequence[float],
    unit: str,
) -> str:
    """Measured against predicted losses of runs not used in the fit, a panel for each task."""
    columns = min(4, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(2.3 * columns + 0.4, 2.25 * rows + 0.2), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for task, axis in enumerate(axes):
            if task >= len(tasks):
                axis.set_axis_off()
                continue
            y, f = measured[:, task], predicted[:, task]
            ok = np.isfinite(y) & np.isfinite(f)
            low, high = _range(np.concatenate([y[ok], f[ok]]))
            axis.plot([low, high], [low, high], color=_LINE, linewidth=1)
            axis.plot(f[ok], y[ok], "o", color=_ACCENT, alpha=0.75, markersize=3.2, mew=0)
            axis.set_xlim(low, high), axis.set_ylim(low, high)
            axis.set_aspect("equal")
            axis.locator_params(nbins=4)
            axis.set_title(_plain(tasks[task]), loc="left", pad=4)
            axis.text(
                0.96, 0.05, f"ρ {rho[task]:.3f}", transform=axis.transAxes, ha="right",
                color=_SOFT, fontsize=8.5,
            )  # fmt: skip
        figure.supxlabel(f"predicted, {unit}", fontsize=9, color=_SOFT)
        figure.supylabel("measured", fontsize=9, color=_SOFT)
        return _svg(figure, "parity", "Measured against predicted losses")


def design(domains: Sequence[str], swarm: dict[str, Any], best: Sequence[float]) -> str:
    """Shares of every run of the swarm, a row for each domain; the recommended mix as a bar."""
    P = np.array(swarm["shares"])
    kinds = swarm["kinds"]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 0.42 * len(domains) + 1.1), layout="constrained")
        axis = figure.subplots()
        # equal shares in one row would hide each other: a fixed jitter by run
        jitter = (np.modf(np.arange(len(P)) * 0.618034)[0] - 0.5) * 0.5
        rows = np.arange(len(domains))
        seen = set()
        for kind, (marker, colour, label) in _KINDS.items():
            which = np.array([one == kind for one in kinds])
            if not which.any():
                continue
            x = np.sqrt(P[which])
            y = rows[None, :] + jitter[which][:, None]
            axis.plot(
                x.ravel(), y.ravel(), marker, color=colour, markersize=4, mew=0, alpha=0.7,
                linestyle="none", label=None if label in seen else label,
            )  # fmt: skip
            seen.add(label)
        x = np.sqrt(np.array(best))
        axis.vlines(x, rows - 0.38, rows + 0.38, color=_INK, linewidth=2.2, label="recommended")
        axis.set_yticks(rows, [_plain(name) for name in domains])
        axis.invert_yaxis()
        ticks = [0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0]
        axis.set_xticks(np.sqrt(ticks), [f"{100 * t:.0f}" for t in ticks])
        axis.set_xlim(-0.02, 1.02)
        axis.set_xlabel("share of training tokens, % (square-root scale)")
        axis.tick_params(axis="y", length=0)
        for row in rows[:-1]:
            axis.axhline(row + 0.5, color=_LINE, linewidth=0.5)
        figure.legend(loc="outside upper left", ncols=7, handletextpad=0.2, columnspacing=1.4)
        return _svg(figure, "design", "Shares of every run of the swarm")


def confirmation(losses: dict[str, dict[str, float]], titles: dict[str, str]) -> str:
    """Mean loss of every trained mix, a dot for each seed; paired seeds are joined."""
    names = [name for name in titles if name in losses]
    seeds = sorted({seed for by_seed in losses.values() for seed in by_seed}, key=int)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.46 * len(names) + 0.75), layout="constrained")
        axis = figure.subplots()
        for seed in seeds:
            rows = [i for i, name in enumerate(names) if seed in losses[name]]
            x = [losses[names[i]][seed] for i in rows]
            axis.plot(x, rows, color=_LINE, linewidth=1, zorder=1)
        for i, name in enumerate(names):
            x = list(losses[name].values())
            colour = _ACCENT if name == "recommended" else _SOFT
            axis.plot(x, [i] * len(x), "o", color=colour, markersize=6, mew=0, zorder=2)
        axis.set_yticks(range(len(names)), [titles[name] for name in names])
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.locator_params(axis="x", nbins=6)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel("weighted mean of bits per byte, lower is better; lines join equal seeds")
        return _svg(figure, "confirm", "Mean loss of every trained mix by seed")


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or 0.1
    return low - pad, high + pad


def _plain(name: str, limit: int = 24) -> str:
    name = name.replace("$", r"\$")  # Matplotlib would read mathematics
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element: same bytes every time, ids unlike other figures'."""
    buffer = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # the browser has the glyphs that the drawing's font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # fonts are the page's, groups need no ids, and a style element would reach the whole page
    text = re.sub(r";? ?font-family: [^;\"]+", "", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    # widths in points are meant for paper: the page decides
    text = re.sub(r'<svg([^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', _sized, text, count=1)
    return text.replace(">", f' role="img" aria-label="{title}">', 1)


def _sized(match: re.Match) -> str:
    return f'<svg{match[1]} style="--width: {float(match[2]) * 4 / 3:.0f}px"'
