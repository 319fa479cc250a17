"""How well the laws predict, whether intervals cover the truth, and what an answer costs.

    python benchmarks/mixing.py --swarm DIR [--laws average,power] [--quick]
    python benchmarks/mixing.py --planted 20
    python benchmarks/mixing.py --study STUDY.yaml [--added LARGER.yaml]
    python benchmarks/mixing.py --proxies

``DIR`` holds the swarm of RegMix (Liu et al., 2024; sail-sg/regmix, MIT): 512 mixes of 17 domains
of the Pile, ``train_mixture_1m.csv``, and the 13 validation losses of proxies of 1M parameters
trained on each, ``train_pile_loss_1m.csv``.

Protocol. Cross-validation: five folds, fold f is ``default_rng(0).permutation(512)[f::5]``.
Learning curve with K runs: rows ``default_rng(100 + s).permutation(512)[:K]``, s = 0, 1, 2, scored
on the rest. Figures are means over the tasks: squared error in nats squared, and Spearman's
correlation.

``--study`` asks a finished study for other weights, budgets and caps; ``--added`` is a study
that kept runs of an earlier one, its own before a change or another, and says which share.
``--proxies`` compares the proxies' training with the same model in plain PyTorch
(benchmarks/proxies.py, which has more options).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import mixing
from catalogs import storage
from catalogs.ledger import Ledger
from mixing.ask import SUPPORT
from mixing.calibration import calibrate
from mixing.questions import solve_study
from mixing.study_file import load_study
from mixing.surface import fit_surface
from mixing.validation import choose_unseen
from pipeline.schedule import Settings

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
NEAR = 1e-3
# domains, mixes (None: three per coefficient), noise between seeds and interactions, both in bits
# per byte
PLANTED = (
    (6, None, 0.005, 0.0), (6, None, 0.02, 0.0), (6, None, 0.01, 0.03), (6, None, 0.005, 0.1),
    (6, None, 0.02, 0.1), (6, 70, 0.005, 0.1), (6, 140, 0.005, 0.03), (12, None, 0.01, 0.03),
    (12, 100, 0.005, 0.05),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swarm", type=Path, help="folder of the published swarm")
    laws = [name for name in mixing.LAWS if name != "average"] + ["average"]
    parser.add_argument("--laws", default=",".join(laws), help="laws, by name")
    parser.add_argument("--runs", default="54", help="sizes K of the learning curve")
    parser.add_argument("--quick", action="store_true", help="the learning curve only")
    parser.add_argument("--planted", type=int, default=0, help="number of planted swarms")
    parser.add_argument("--study", help="a finished study, asked other questions")
    parser.add_argument("--added", help="a finished study that kept runs of an earlier one")
    parser.add_argument("--proxies", action="store_true", help="speed of training, a core")
    arguments = parser.parse_args()
    if arguments.study:
        questions(arguments.study)
    if arguments.added:
        redone(arguments.added)
    if arguments.proxies:
        script = Path(__file__).with_name("proxies.py")
        subprocess.run([sys.executable, str(script)], check=True)
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
    unseen = {}
    for name in laws:
        began = time.perf_counter()
        law = mixing.make_law(name)
        cells = [np.nan, np.nan]
        if not quick:
            out = cross_validated(law, P, Y, folds, unseen)
            cells = figures(Y, out)
        for size in sizes:
            cells += list(np.mean([curve(law, P, Y, size, s) for s in range(3)], axis=0))
        numbers = "".join(f"{a:9.4f}{b:7.4f}" for a, b in zip(cells[::2], cells[1::2], strict=True))
        print(f"{law.title:<42}{numbers}{time.perf_counter() - began:9.1f}", flush=True)
    if "average" in unseen:
        mse, rho = figures(Y, choose_unseen(Y, unseen, folds))
        print(f"{'chosen per task, choice paid for':<42}{mse:9.4f}{rho:7.4f}")
    for title, mse in KNOWN.items():
        print(f"{title:<42}{mse:9.4f}   (known)")


def cross_validated(law, P, Y, folds, unseen: dict[str, np.ndarray]) -> np.ndarray:
    """Out-of-fold predictions; an average is made of its members' where they are there."""
    if law.name == "average" and all(name in unseen for name in law.members):
        out = np.full(Y.shape, np.nan)
        for test in folds:
            members = [unseen[name][test] for name in law.members]
            out[test] = law.combine(members, len(P) - len(test), P.shape[1])
    else:
        out = mixing.cross_validate([law], P, Y, folds)[law.name]
    unseen[law.name] = out
    return out


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
    """How near the optimum is, and how often the 90 % interval of a share holds the true one.

    The bootstrap's own intervals are counted beside those that are widened as an answer's are; a
    share that is off by less than .001 counts as held.
    """
    print("domains  mixes  noise  interaction   regret/gain   held of shares   bootstrap alone"
          "   stretched by   mean width   CPU s")  # fmt: skip
    for m, mixes, noise, interaction in PLANTED:
        began = time.process_time()
        found = np.array([plant(seed, m, mixes, noise, interaction) for seed in range(count)])
        regret, _, _, factor, width = found.mean(0)
        held, alone = found[:, 1].sum(), found[:, 2].sum()
        shares = m * count
        took = time.process_time() - began
        print(
            f"{m:7d}{mixes or mixing.default_mixes(m):7d}{noise:7.3f}{interaction:13.2f}"
            f"{regret:14.4f}{held:8.0f} of {shares:4d}{100 * alone / shares:16.0f} %"
            f"{factor:15.2f}{width:13.4f}{took:8.1f}",
            flush=True,
        )


def plant(
    seed: int, m: int, mixes: int | None, noise: float, interaction: float
) -> tuple[float, float, float, float, float]:
    """Regret over gain, shares held and by the bootstrap alone, factor, and mean width."""
    rng = np.random.default_rng([seed, m])
    truth = Truth(rng, m, interaction)
    tokens = rng.lognormal(16, 1.2, m)
    swarm = mixing.design_swarm(tuple(f"d{j}" for j in range(m)), tokens, mixes, seed=seed)
    P = swarm.shares
    Y = truth.predict(P) + noise * rng.normal(size=(len(P), m))
    weights, ones = np.full(m, 1 / m), np.ones(m)
    feasible = mixing.make_feasible(swarm.domains, tokens, 1.0, None, support=P.max(0))
    goal = mixing.Objective(truth, weights, ones)
    ideal = mixing.solve(goal, feasible, [mixing.uniform(m)])
    folds = mixing.make_folds(P)
    surface = fit_surface(P, Y, weights, folds)
    bank = mixing.Bank.of([surface.law, *surface.draw(DRAWS, seed)])
    bent = mixing.PowerLawResidual().fit(P, Y)
    coverage = calibrate(surface, bent, weights, folds, seed)
    ask = mixing.Ask(
        swarm.domains, tokens, weights, 1.0, swarm.domains, max_epochs=None,
        support=P.max(0) / SUPPORT,
    )  # fmt: skip
    gain = goal(mixing.natural(tokens)) - ideal.value
    held = []
    for added in ({"stretch": coverage.factor, "bent": bent}, {}):
        found = mixing.recommend(bank, ask, 0.0, whole=False, **added)
        low, high = found.low - NEAR, found.high + NEAR
        held.append((float(((low <= ideal.shares) & (ideal.shares <= high)).sum()), high - low))
    regret = (goal(found.mixes["recommended"]) - ideal.value) / gain
    return regret, held[0][0], held[1][0], coverage.factor, float(held[0][1].mean())


def questions(path: str) -> None:
    """Seconds from another weighting, budget or cap to the new answer."""
    settings = Settings(workers=1)
    names = solve_study(path, settings).answer.domains
    asked = {
        "the study's own": {},
        f"weights {names[0]}=2,{names[1]}=1": {"weights": {names[0]: 2.0, names[1]: 1.0}},
        "a tenth of the tokens": {"tokens": load_study(path).tokens // 10 or 1},
        f"cap {names[0]}=.2": {"caps": {names[0]: 0.2}},
        "no family worse than natural": {"limits": {"guard": 0.0}},
    }
    print(f"{'question':<36}{'seconds':>9}{'CPU':>9}  parts made")
    for title, question in asked.items():
        began, worked = time.perf_counter(), time.process_time()
        found = solve_study(path, settings, **question)
        took, cpu = time.perf_counter() - began, time.process_time() - worked
        print(f"{title:<36}{took:9.3f}{cpu:9.3f}  {found.done}", flush=True)


def redone(path: str) -> None:
    """Which share of a study's training was taken over from the study that it follows."""
    study = load_study(path)
    ledger = Ledger(study.out_folder)
    plan = json.loads(storage.read_text(storage.join(study.out_folder, "reuse.json")))
    rows = [row for row in ledger.rows("train") if row.shard not in plan["witnesses"]]
    tokens = sum(row.stats["tokens"] for row in rows)
    fresh = sum(row.stats["tokens"] for row in rows if row.shard not in plan["kept"])
    whole = plan["runs"]["whole"]
    print(
        f"{len(plan['kept'])} of {len(rows)} runs kept; {100 * fresh / tokens:.0f} % of the "
        f"swarm's tokens trained anew; a swarm of its own has {whole} runs; opened again: "
        f"{', '.join(plan['opened']) or 'nothing'}; frozen: "
        f"{', '.join(plan['frozen']) or 'nothing'}"
    )


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
