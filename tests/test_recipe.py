"""The recipe: every mistake is one line that names file, field, what was expected, nearest name."""

import pytest
import yaml

from catalogs.errors import UserError
from pipeline.recipe import load_recipe
from tests.inputs import write_jsonl


def recipe(tmp_path, **changes):
    data = {
        "name": "test",
        "out": "run",
        "sources": {"web": {"reader": "jsonl", "paths": "*.jsonl"}},
        **changes,
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def web(**changes):
    return {"sources": {"web": {"reader": "jsonl", "paths": "*.jsonl", **changes}}}


@pytest.mark.parametrize(
    ("changes", "field", "hint"),
    [
        ({"dedupe": {}}, "dedupe", "did you mean 'dedup'?"),
        ({"dedup": {"priority": ["wbe"]}}, "'dedup.priority' names 'wbe'", "no source"),
        ({"dedup": {"band": 3}}, "dedup.band", "did you mean 'bands'?"),
        (web(pathes="x"), "sources.web.pathes", "did you mean 'paths'?"),
        (web(reader="wark"), "sources.web.reader", "did you mean 'warc'?"),
        ({"extract": {"engine": "trafilatur"}}, "extract.engine", "'trafilatura'"),
        ({"ocr": {"engine": "rapidorc"}}, "ocr.engine", "did you mean 'rapidocr'?"),
        ({"limits": {"seconds": -1}}, "limits.seconds", "greater than 0"),
        ({"limits": {"seconds": "soon"}}, "limits.seconds", "number"),
        ({"write": {"compression": "rar"}}, "write.compression", "'zstd'"),
        ({"sources": {}}, "sources", "at least 1"),
        ({"sources": {"a/b": {}}}, "a/b", ""),
        ({"filters": ["gopher_qality"]}, "filters", "gopher_quality"),
        ({"plugins": 5}, "plugins", "list"),
        ({"language": {"min_score": 2}}, "language.min_score", "less than or equal to 1"),
    ],
)
def test_a_wrong_field_is_named_with_its_mend(tmp_path, changes, field, hint):
    path = recipe(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        load_recipe(path)
    lines = str(error.value).splitlines()
    assert all(line.startswith(path) for line in lines)
    assert any(field in line and hint in line for line in lines), lines


def test_every_mistake_is_told_at_once(tmp_path):
    path = recipe(tmp_path, dedupe={}, limits={"seconds": -1})
    with pytest.raises(UserError) as error:
        load_recipe(path)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: [", "line 1"),
        (b"- a list", "mapping"),
        (b"\xff\xfe\x00", "recipe.yaml"),
        (b"", "mapping"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_line(tmp_path, content, told):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        load_recipe(str(path))
    assert "\n" not in str(error.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_recipe(str(tmp_path / "none.yaml"))


def test_a_path_that_matches_nothing_names_its_field(tmp_path):
    loaded = load_recipe(recipe(tmp_path))
    with pytest.raises(UserError, match=r"sources\.web\.paths\.0.*\*\.jsonl"):
        loaded.inputs()


def test_paths_are_relative_to_the_recipe_and_so_are_containers(tmp_path):
    write_jsonl(tmp_path / "b.jsonl", range(1))
    write_jsonl(tmp_path / "a.jsonl", range(1))
    loaded = load_recipe(recipe(tmp_path, **web(paths=["*.jsonl", "a.jsonl"])))
    assert [item.container for item in loaded.inputs()] == ["a.jsonl", "b.jsonl"]
    assert loaded.run_folder == str(tmp_path / "run")


def test_a_plugin_brings_a_reader(tmp_path):
    (tmp_path / "shout.py").write_text(
        "from pipeline.readers import register_reader\n"
        "@register_reader('shout')\n"
        "def read(path, container, *, open_file, options):\n"
        "    yield from ()\n"
    )
    loaded = load_recipe(recipe(tmp_path, plugins=["shout.py"], **web(reader="shout")))
    assert loaded.sources["web"].reader == "shout"


def test_a_plugin_that_does_not_load_is_told(tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(UserError, match="nothing_of_that_name"):
        load_recipe(recipe(tmp_path, plugins=["broken.py"]))
