"""How well the laws predict, on a published swarm and on planted ones.

    python benchmarks/mixing.py --swarm DIR [--laws average,power] [--quick]
    python benchmarks/mixing.py --planted 20

``DIR`` holds the swarm of RegMix (Liu et al., 2024; sail-sg/regmix, MIT): 512 mixes of 17 domains
of the Pile, ``train_mixture_1m.csv``, and the 13 validation losses of proxies of 1M parameters
trained on each, ``train_pile_loss_1m.csv``.

Protocol. Cross-validation: five folds, fold f is ``default_rng(0).permutation(512)[f::5]``.
Learning curve with K runs: rows ``default_rng(100 + s).permutation(512)[:K]``, s = 0, 1, 2, scored
on the rest. Figures are means over the tasks: squared error in nats squared, and Spearman's
correlation.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import mixing
from mixing.surface import fit_surface

# Mean squared error under the same protocol of what others use.
KNOWN = {
    "OLS": 0.330,
    "ridge on √share": 0.136,
    "log-linear (Huber)": 0.122,
    "BiMix": 0.064,
    "LightGBM (1000 trees, no early stopping)": 0.0153,
    "GP, ARD Matérn-5/2 on √share": 0.0124,
}
DRAWS = 200
# domains, noise between seeds and interactions, both in bits per byte
PLANTED = ((6, 0.005, 0.0), (6, 0.02, 0.0), (6, 0.01, 0.03), (6, 0.005, 0.1), (12, 0.01, 0.03))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swarm", type=Path, help="folder of the published swarm")
    parser.add_argument("--laws", default=",".join(mixing.LAWS), help="laws, by name")
    parser.add_argument("--runs", default="54", help="sizes K of the learning curve")
    parser.add_argument("--quick", action="store_true", help="the learning curve only")
    parser.add_argument("--planted", type=int, default=0, help="number of planted swarms")
    arguments = parser.parse_args()
    if arguments.swarm:
        sizes = [int(size) for size in arguments.runs.split(",")]
        published(arguments.swarm, arguments.laws.split(","), sizes, arguments.quick)
    if arguments.planted:
        planted(arguments.planted)


def published(folder: Path, laws: list[str], sizes: list[int], quick: bool) -> None:
    P, Y = load(folder)
    count = len(P)
    folds = [np.random.default_rng(0).permutation(count)[f::5] for f in range(5)]
    heads = "".join(f"{f'K={size}':>9}{'rho':>7}" for size in sizes)
    print(f"{'law':<42}{'CV MSE':>9}{'rho':>7}{heads}{'seconds':>9}")
    for name in laws:
        began = time.perf_counter()
        law = mixing.make_law(name)
        cells = [np.nan, np.nan]
        if not quick:
            out = mixing.cross_validate([law], P, Y, folds)[name]
            cells = figures(Y, out)
        for size in sizes:
            cells += list(np.mean([curve(law, P, Y, size, s) for s in range(3)], axis=0))
        numbers = "".join(f"{a:9.4f}{b:7.4f}" for a, b in zip(cells[::2], cells[1::2], strict=True))
        print(f"{law.title:<42}{numbers}{time.perf_counter() - began:9.1f}", flush=True)
    for title, mse in KNOWN.items():
        print(f"{title:<42}{mse:9.4f}   (known)")


def curve(law: mixing.Law, P: np.ndarray, Y: np.ndarray, size: int, s: int) -> list[float]:
    order = np.random.default_rng(100 + s).permutation(len(P))
    fit, rest = order[:size], order[size:]
    return figures(Y[rest], law.clone().fit(P[fit], Y[fit]).predict(P[rest]))


def figures(Y: np.ndarray, predicted: np.ndarray) -> list[float]:
    means = mixing.score(Y, predicted).means()
    return [means["mse"], means["rho"]]


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Shares (512, 17), rows summing to 1, and losses (512, 13)."""
    mixes = table(folder / "train_mixture_1m.csv")
    losses = table(folder / "train_pile_loss_1m.csv")
    keys = [key for key in mixes if key in losses]
    P = np.array([mixes[key] for key in keys])
    return P / P.sum(1, keepdims=True), np.array([losses[key] for key in keys])


def table(path: Path) -> dict[int, list[float]]:
    with open(path, newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return {int(float(row[0])): [float(cell) for cell in row[1:]] for row in rows}


def planted(count: int) -> None:
    """How near the optimum is, and how often the 90 % interval of a share holds the true one."""
    print("domains  noise  interaction   regret/gain   covered   mean width   seconds")
    for m, noise, interaction in PLANTED:
        began = time.perf_counter()
        found = [plant(seed, m, noise, interaction) for seed in range(count)]
        regret, covered, width = np.mean(found, axis=0)
        took = time.perf_counter() - began
        print(
            f"{m:7d}{noise:7.3f}{interaction:13.2f}{regret:14.4f}{covered:10.3f}"
            f"{width:13.4f}{took:10.1f}",
            flush=True,
        )


def plant(seed: int, m: int, noise: float, interaction: float) -> tuple[float, float, float]:
    rng = np.random.default_rng([seed, m])
    truth = Truth(rng, m, interaction)
    tokens = rng.lognormal(16, 1.2, m)
    swarm = mixing.design_swarm(tuple(f"d{j}" for j in range(m)), tokens, seed=seed)
    P = swarm.shares
    Y = truth.predict(P) + noise * rng.normal(size=(len(P), m))
    weights, ones = np.full(m, 1 / m), np.ones(m)
    feasible = mixing.make_feasible(swarm.domains, tokens, 1.0, None, support=P.max(0))
    goal = mixing.Objective(truth, weights, ones)
    ideal = mixing.solve(goal, feasible, [mixing.uniform(m)])
    surface = fit_surface(P, Y, weights, mixing.make_folds(P))
    best = mixing.solve(mixing.Objective(surface.law, weights, ones), feasible).shares
    drawn = surface.draw(DRAWS, seed)
    objectives = [mixing.Objective(law, weights, ones) for law in drawn]
    low, high = mixing.interval(mixing.solve_many(objectives, feasible, best))
    gain = goal(mixing.natural(tokens)) - ideal.value
    covered = (low - 1e-6 <= ideal.shares) & (ideal.shares <= high + 1e-6)
    return (goal(best) - ideal.value) / gain, float(covered.mean()), float((high - low).mean())


class Truth:
    """A known law: effective-data power laws, plus products of shares that no law here can hold."""

    def __init__(self, rng: np.random.Generator, m: int, interaction: float):
        self.floor = rng.uniform(0.6, 1.0, m)
        self.w = np.exp(rng.normal(-1.5, 1.0, (m, m))) + np.diag(rng.uniform(1, 3, m))
        self.b, self.g = rng.uniform(0.2, 0.6, m), rng.uniform(0.4, 0.9, m)
        self.cross = interaction * rng.normal(size=(m, m, m))

    def predict(self, P: np.ndarray) -> np.ndarray:
        s = 0.05 + np.stack([(P**g) @ w for g, w in zip(self.g, self.w, strict=True)], 1)
        return self.floor + s**-self.b + np.einsum("ni,tij,nj->nt", P, self.cross, P)

    def gradient(self, p: np.ndarray) -> np.ndarray:
        g = self.g[:, None]
        s = 0.05 + (self.w * p**g).sum(1)
        rise = (self.b * s ** (-self.b - 1))[:, None] * self.w * g * p ** (g - 1)
        return np.einsum("tij,j->ti", self.cross + self.cross.transpose(0, 2, 1), p) - rise


if __name__ == "__main__":
    main()
