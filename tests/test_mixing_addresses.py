"""What a study's parts are made with: all modules that decide them, and no others."""

from __future__ import annotations

import ast
from importlib.util import find_spec

from mixing.runs_file import FIT_CODE
from mixing.workshop import ANSWER_CODE, REPORT_CODE


def needs(*modules):
    """Modules of the room that these import, and those that they import in turn."""
    found, left = set(), list(modules)
    while left:
        module = left.pop()
        if module in found:
            continue
        found.add(module)
        with open(find_spec(module).origin) as file:
            tree = ast.parse(file.read())
        for check in [node for node in tree.body if isinstance(node, ast.If)]:
            tree.body.remove(check)  # imports for annotations alone
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixing"):
                own = node.module == "mixing"
                left += [f"mixing.{a.name}" for a in node.names] if own else [node.module]
    return found


def test_parts_are_addressed_by_what_makes_them():
    assert needs("mixing.model", "mixing.model_file") <= set(FIT_CODE)
    assert needs("mixing.answer", "mixing.refine") <= set(ANSWER_CODE)
    assert needs("mixing.answer", "mixing.report", "mixing.confirm", "mixing.story") <= set(
        REPORT_CODE
    )


def test_an_edit_of_the_exporter_makes_no_answer_anew():
    exporter = {name for name in REPORT_CODE if name.startswith("mixing.export")}
    assert exporter == {"mixing.export.mixture"} and not exporter & set(ANSWER_CODE)
    assert "mixing" not in REPORT_CODE
