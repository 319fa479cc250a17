"""The options of `mix`: what a question to a fit may say, declared once for all its verbs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from catalogs.errors import UserError
from corpusmill.options import parse_tokens

StudyFile = Annotated[str, typer.Argument(help="The study, a YAML file.", metavar="STUDY")]
MaybeStudy = Annotated[
    str | None, typer.Argument(help="The study, a YAML file.", metavar="[STUDY]")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Proxies trained at once; default all CPUs.")
]
Ratios = Annotated[
    str | None,
    typer.Option(help="CSV of a trained swarm: index, then a share per domain.", metavar="R.csv"),
]
Metrics = Annotated[
    str | None,
    typer.Option(help="CSV of its losses: index, then a column per task.", metavar="M.csv"),
]
ModelFolder = Annotated[
    str | None,
    typer.Option(help="Folder that keeps the fit; default the user's cache.", metavar="DIR"),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="Weights of tasks or families; those not named count 0 (others=1 counts them).",
        metavar="NAME=W,…",
    ),
]
Tokens = Annotated[str | None, typer.Option(help="Training tokens, such as 10B or 2T.")]
Caps = Annotated[
    list[str] | None, typer.Option("--cap", "--caps", help="Largest shares.", metavar="NAME=P,…")
]
Floors = Annotated[
    list[str] | None, typer.Option("--floor", "--floors", help="Least shares.", metavar="NAME=P,…")
]
Epochs = Annotated[
    str | None, typer.Option(help="Repetitions of a domain at most; none for no limit.")
]
Guard = Annotated[
    float | None, typer.Option(min=0, help="No family may be this much worse than natural.")
]
Distance = Annotated[
    float | None, typer.Option(min=1e-9, help="Distance from the natural mix at most, nats.")
]
Fading = Annotated[
    bool | None, typer.Option("--fading/--no-fading", help="Repeated text counts less.")
]
Scaled = Annotated[
    bool, typer.Option("--scaled", help="Weigh tasks by their scale in the confirmation's runs.")
]
Available = Annotated[
    str | None,
    typer.Option(help="CSV of an imported swarm's domains and their tokens.", metavar="T.csv"),
]


@dataclass(frozen=True)
class Question:
    """What is asked of a fit, as the command line says it; None is what the study says."""

    weights: Weights = None
    tokens: Tokens = None
    caps: Caps = None
    floors: Floors = None
    max_epochs: Epochs = None
    kl: Distance = None
    guard: Guard = None
    fading: Fading = None

    def parsed(self) -> dict[str, Any]:
        """The arguments of `mixing.questions.solve_study` and `mixing.imported.solve_tables`."""
        from mixing.asking import parse_pairs

        return {
            "weights": parse_pairs(self.weights, "--weights") if self.weights else None,
            "tokens": None if self.tokens is None else parse_tokens("--tokens", self.tokens),
            "caps": parse_pairs(self.caps or [], "--cap"),
            "floors": parse_pairs(self.floors or [], "--floor"),
            "limits": _limits(self.max_epochs, self.kl, self.guard, self.fading),
        }


def asks(command: Callable) -> Callable:
    """Give a command the options of a `Question` in place of its parameter `question`."""
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(Question, eval_str=True).parameters

    @functools.wraps(command)
    def asking(**given):
        question = Question(**{name: given.pop(name) for name in options})
        return command(question=question, **given)

    parameters = []
    for parameter in own.parameters.values():
        if parameter.name == "question":
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters += [option.replace(kind=kind) for option in options.values()]
        else:
            parameters.append(parameter)
    asking.__signature__ = own.replace(parameters=parameters)
    return asking


def _limits(max_epochs, kl, guard, fading) -> dict[str, Any]:
    found = {"kl": kl, "guard": guard, "fading": fading}
    found = {name: value for name, value in found.items() if value is not None}
    if max_epochs is not None:
        try:
            found["max_epochs"] = None if max_epochs == "none" else float(max_epochs)
        except ValueError:
            raise UserError(
                f"--max-epochs: expected a number or none, got '{max_epochs}'"
            ) from None
        if max_epochs != "none" and not found["max_epochs"] > 0:
            raise UserError(f"--max-epochs: expected more than 0, got {max_epochs}")
    return found
