"""Cards of classifiers in the terminal."""

from __future__ import annotations

from corpusmill.terminal import output, show_table


def show_card(folder: str) -> None:
    """Examples, measures and cuts of a model, and what a recipe says to use it."""
    from pipeline.classifier_card import load_card

    card = load_card(folder) or {}
    held = card["held_out"]
    rows = [[label, count] for label, count in card["examples"].items()]
    show_table(f"{card['name']} {card['version']}", ["label", "examples"], rows, "examples")
    numbers = [
        [name.replace("_", " "), value]
        for name, value in held.items()
        if isinstance(value, int | float) and name not in ("share", "folds", "calibrated_on")
    ]
    how = "examples held out" if held["how"] == "split" else "every example held out in its turn"
    show_table(how, ["measure", "value"], numbers, "value")
    if held.get("cuts"):
        columns = list(held["cuts"][0])
        body = [[row[column] for column in columns] for row in held["cuts"]]
        show_table("Cuts", columns, body, " ".join(columns))
    if isinstance(held.get("labels"), dict):
        names = ["examples", "precision", "recall", "f1", "auc"]
        body = [[label, *(own[n] for n in names)] for label, own in held["labels"].items()]
        show_table("Labels", ["label", *names], body, " ".join(names))
    show_snippet(card["name"], folder, card["file"]["sha256"], card["first_chars"])


def show_snippet(name: str, path: str, digest: str, first_chars: int = 0) -> None:
    """What a recipe says to score with a model."""
    from pipeline.classifier_card import snippet

    output.print("In a recipe:", style="bold")
    output.print(
        snippet(name, path, digest, first_chars), markup=False, highlight=False, soft_wrap=True
    )
