"""The reference pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(generator().PAGES))
def test_a_reference_page_is_current(name):
    page = generator().PAGES[name]()
    assert (DOCS / name).read_text().rstrip() == page.rstrip(), "run: python docs/generate.py"
