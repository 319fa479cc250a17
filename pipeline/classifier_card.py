"""The folder of a trained model: the model file, and its card as JSON and as Markdown."""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
from typing import Any

from catalogs import storage
from catalogs.errors import UserError
from pipeline.classifier_model import CARD, sha256
from pipeline.classifier_train import Trained

FORMAT = "corpusmill classifier 1"
README = "README.md"
VERSION_DIGITS = 8


def save_model(trained: Trained, name: str, out: str, about: dict[str, Any]) -> str:
    """Write a model below `out`; returns its folder, ``NAME-VERSION``.

    The version is the beginning of the model file's SHA-256: another model never takes the place of
    one that a recipe names, and the same training gives the same folder.

    Parameters
    ----------
    about
        More fields of the card: where the examples are from, and how many were left out.
    """
    file = "model.onnx" if trained.card["kind"] == "embedding" else "model.bin"
    storage.make_folder(out)
    with tempfile.TemporaryDirectory(prefix=".classifier-", dir=out) as scratch:
        path = os.path.join(scratch, file)
        trained.write(path)
        digest = sha256(path)
        card = {
            "format": FORMAT,
            "name": name,
            "version": digest[:VERSION_DIGITS],
            **trained.card,
            **about,
            "file": {
                "name": file,
                "bytes": os.path.getsize(path),
                "sha256": digest,
                "xxh3": storage.checksum(path),
            },
            "libraries": {library: _version(library) for library in _LIBRARIES[card_kind(trained)]},
        }
        folder = os.path.join(out, f"{name}-{card['version']}")
        os.makedirs(folder, exist_ok=True)
        for name, content in trained.files.items():
            own = os.path.join(scratch, os.path.basename(name))
            with open(own, "wb") as file_beside:
                file_beside.write(content)
            storage.make_folder(os.path.dirname(os.path.join(folder, name)))
            storage.publish(own, os.path.join(folder, name))
        storage.publish(path, os.path.join(folder, file))
    storage.write_text(
        os.path.join(folder, CARD), json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    )
    storage.write_text(os.path.join(folder, README), card_page(card, folder))
    return folder


_LIBRARIES = {
    "fasttext": ("fasttext-community", "numpy"),
    "embedding": ("scikit-learn", "skl2onnx", "numpy"),
}


def card_kind(trained: Trained) -> str:
    return trained.card["kind"]


def load_card(path: str) -> dict[str, Any] | None:
    """The card of a model folder or of the folder of a model file; None where there is none.

    Raises
    ------
    UserError
        When it cannot be read.
    """
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    card = os.path.join(folder, CARD)
    if not os.path.isfile(card):
        return None
    try:
        return json.loads(storage.read_text(card))
    except ValueError as error:
        raise UserError(f"{card}: damaged: {error}") from None


def snippet(name: str, path: str, digest: str, first_chars: int = 0) -> str:
    """What a recipe says to score with a model."""
    key = name.replace(".", "_")
    cut = f", first_chars: {first_chars}" if first_chars else ""
    return f"quality:\n  models:\n    {key}: {{path: {path}, sha256: {digest}{cut}}}\n"


def card_page(card: dict[str, Any], folder: str) -> str:
    """A card as Markdown."""
    held, lines = card["held_out"], [f"# {card['name']} {card['version']}\n"]
    lines.append(_kind(card) + "\n")
    told = snippet(card["name"], folder, card["file"]["sha256"], card["first_chars"])
    lines.append(f"```yaml\n{told}```\n")
    lines.append("## Examples\n")
    lines += _table(
        ["label", "taken", "from"],
        [
            [label, f"{count:,}", "; ".join(card["from"].get(label, card["from"].get("all", [])))]
            for label, count in card["examples"].items()
        ],
    )
    left = card["left_out"]
    lines.append(
        f"Left out: {left['repeated']:,} repeated texts, {left['beyond_limit']:,} beyond "
        f"the limit, {left['empty']:,} empty. Texts that came under two labels: "
        f"{left['conflicting']:,}.\n"
    )
    lines.append("## On examples it never saw\n")
    lines.append(_held_out(held) + "\n")
    lines += _metrics(held)
    calibration = card.get("calibration")
    if calibration:
        before = calibration["before"]["calibration_error"]
        lines.append("## Calibration\n")
        lines.append(
            f"Expected calibration error {held['calibration_error']:.3f}; before {before:.3f} "
            f"({calibration['method']}, scale {calibration['scale']:.3f}). The calibration is part "
            "of the model file. Probabilities hold for a mix of labels as in these examples.\n"
        )
        rows = [
            [
                f"{row['from']:.1f} to {row['to']:.1f}",
                f"{row['examples']:,}",
                f"{row['predicted']:.3f}",
                f"{row['observed']:.3f}",
            ]
            for row in held["reliability"]
        ]
        lines += _table(["score", "examples", "promised", "came true"], rows)
    if card.get("words"):
        lines.append("## Words that speak for a label\n")
        lines += _table(
            ["label", "words"],
            [[label, _code(" ".join(words))] for label, words in card["words"].items()],
        )
    lines.append("## Settings\n")
    rows = [[name, str(value)] for name, value in card["settings"].items()]
    rows += [[name, version] for name, version in card["libraries"].items()]
    lines += _table(["setting", "value"], rows)
    return "\n".join(lines)


def _kind(card: dict[str, Any]) -> str:
    if card["kind"] == "embedding":
        return (
            f"{card['settings']['estimator']} over embeddings of the encoder "
            f"`{card['settings']['encoder']}`. The score estimates `{card['target']}`."
        )
    if card["positive"]:
        return (
            f"fastText classifier. The score is the calibrated probability of `{card['positive']}`."
        )
    return f"fastText classifier of {len(card['labels'])} labels: {', '.join(card['labels'])}."


def _held_out(held: dict[str, Any]) -> str:
    if held["how"] == "split":
        return (
            f"{held['examples']:,} examples, drawn by the hash of their text, were neither trained "
            f"on nor calibrated with ({held['calibrated_on']:,} others were)."
        )
    return (
        f"Every example was scored by a model trained on the other folds ({held['folds']} folds by "
        "the hash of the text); the model itself is trained on all. The calibration is fitted on "
        "the same scores."
    )


def _metrics(held: dict[str, Any]) -> list[str]:
    plain = {
        name.replace("_", " "): f"{value:,.4g}"
        for name, value in held.items()
        if isinstance(value, int | float) and name not in ("share", "folds", "calibrated_on")
    }
    lines = _table(["measure", "value"], [[name, value] for name, value in plain.items()])
    for name, title in (("cuts", None), ("steps", None), ("confused", "Most often confused:\n")):
        rows = held.get(name)
        if rows:
            lines += [title] if title else []
            columns = list(rows[0])
            body = [[_cell(row[column]) for column in columns] for row in rows]
            lines += _table([column.replace("_", " ") for column in columns], body)
    if isinstance(held.get("labels"), dict):
        columns = ["examples", "precision", "recall", "f1", "auc"]
        body = [[label, *(_cell(own[c]) for c in columns)] for label, own in held["labels"].items()]
        lines += _table(["label", *columns], body)
    return lines


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:,.4g}"


def _code(text: str) -> str:
    return "`" + text.replace("`", "'") + "`"


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells), ""]


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
