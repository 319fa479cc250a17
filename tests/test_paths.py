"""Path lists, crawls by name, and which of their files: each listed file is one input."""

import gzip

import pytest
import yaml

from catalogs.errors import UserError
from pipeline.inputs import IMMUTABLE
from pipeline.plan import ingest_jobs
from pipeline.recipe import load_recipe
from tests.servers import serving

FILES = [f"crawl-data/CC-MAIN-2025-26/segments/1/warc/{n:05d}.warc.gz" for n in range(12)]
CRAWL = "crawl-data/CC-MAIN-2025-26"


@pytest.fixture
def server():
    listed = {f"{CRAWL}/warc.paths.gz": gzip.compress("\n".join(FILES).encode())}
    with serving({**dict.fromkeys(FILES, b"x" * 7), **listed}) as server:
        yield server


def load(folder, source, **fields):
    path = folder / "recipe.yaml"
    sources = {"cc": {"reader": "warc", **source}}
    path.write_text(yaml.safe_dump({"name": "t", "out": "run", "sources": sources, **fields}))
    return load_recipe(str(path))


def containers(recipe):
    return [item.container for item in recipe.inputs()]


def test_a_remote_list_names_files_of_its_server(tmp_path, server):
    found = load(tmp_path, {"paths": f"{server.url}/{CRAWL}/warc.paths.gz"}).inputs()
    assert [item.path for item in found] == [f"{server.url}/{name}" for name in FILES]
    assert {item.fingerprint for item in found} == {'7:"1"'}
    assert {item.weight for item in found} == {7}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_local_list_is_relative_to_the_root_or_to_its_base(tmp_path, server, pack):
    (tmp_path / "data").mkdir()
    for name in ("a.warc", "b.warc"):
        (tmp_path / "data" / name).write_bytes(b"x")
    name = "mine.paths" if pack is bytes else "mine.paths.gz"
    (tmp_path / name).write_bytes(pack(b"# two files\n\ndata/b.warc\r\ndata/a.warc\n"))
    assert containers(load(tmp_path, {"paths": name})) == ["data/a.warc", "data/b.warc"]
    (tmp_path / name).write_bytes(pack(FILES[3].encode()))
    recipe = load(tmp_path, {"paths": name, "base": server.url})
    assert containers(recipe) == [f"{server.url}/{FILES[3]}"]


def test_a_crawl_by_name(tmp_path, server):
    recipe = load(tmp_path, {"crawl": "CC-MAIN-2025-26", "base": server.url, "files": "2:4"})
    found = recipe.inputs()
    assert [item.container for item in found] == [f"{server.url}/{name}" for name in FILES[2:4]]
    assert {item.fingerprint for item in found} == {IMMUTABLE}
    assert len(server.log) == 1, "files of a crawl are not looked at one by one"
    recipe = load(tmp_path, {"crawl": "CC-MAIN-2025-26", "base": server.url, "immutable": False})
    assert {item.fingerprint for item in recipe.inputs()} == {'7:"1"'}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("0:3", [0, 1, 2]),
        ("10:", [10, 11]),
        (":2", [0, 1]),
        ("::5", [0, 5, 10]),
        ("1:9:4", [1, 5]),
        ("5:999", list(range(5, 12))),
    ],
)
def test_a_range_of_the_list(tmp_path, server, files, expected):
    source = {"paths": f"{server.url}/{CRAWL}/warc.paths.gz", "files": files, "immutable": True}
    found = containers(load(tmp_path, source))
    assert found == [f"{server.url}/{FILES[n]}" for n in expected]


def test_samples_are_seeded_and_nested(tmp_path, server):
    source = {"crawl": "CC-MAIN-2025-26", "base": server.url}
    small, large, other = (
        set(containers(load(tmp_path, {**source, **more})))
        for more in ({"sample": 3}, {"sample": 6}, {"sample": 3, "seed": 1})
    )
    assert len(small) == 3 and small < large and small != other


def test_globs_and_lists_go_together_without_repeats(tmp_path):
    for name in ("a.warc", "b.warc"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "l.paths").write_text("b.warc\nb.warc\n")
    assert containers(load(tmp_path, {"paths": ["*.warc", "l.paths"]})) == ["a.warc", "b.warc"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({}, "expected one of 'paths', 'crawl' and 'selection', got none"),
        ({"paths": "x", "crawl": "CC-MAIN-2025-26"}, "got 'paths' and 'crawl'"),
        ({"crawl": "2025-26"}, "sources.cc.crawl"),
        ({"paths": "x", "files": "0-100"}, "expected first:last .*'0:100', got '0-100'"),
        ({"paths": "x", "kind": "wet"}, "'kind' goes with 'crawl'"),
        ({"crawl": "CC-MAIN-2025-26", "reader": "jsonl"}, "set 'kind'"),
        ({"selection": "x.csv", "sample": 3}, "cut the selection"),
        ({"paths": "x", "file": "0:1"}, "did you mean 'files'"),
        ({"paths": "x", "sample": 0}, "sources.cc.sample"),
    ],
)
def test_wrong_fields_are_one_line(tmp_path, source, told):
    with pytest.raises(UserError, match=told) as error:
        load(tmp_path, source)
    assert str(error.value).count("\n") == 0
    assert "recipe.yaml: field 'sources.cc" in str(error.value)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (b"", "names no file"),
        (b"\x1f\x8b\x08 not gzip", "not a list of paths"),
        (b"\xff\xfe\xff", "not a list of paths"),
        (b"a.warc\nmissing.warc\n", r"l\.paths: line 2 .*base.*missing\.warc"),
    ],
)
def test_lists_that_do_not_hold(tmp_path, lines, told):
    (tmp_path / "a.warc").write_bytes(b"x")
    (tmp_path / "l.paths").write_bytes(lines)
    with pytest.raises(UserError, match=told) as error:
        load(tmp_path, {"paths": "l.paths"}).inputs()
    assert "\n" not in str(error.value)


def test_remote_inputs_that_are_not_there(tmp_path, server):
    for source, told in [
        ({"crawl": "CC-MAIN-2099-99", "base": server.url}, r"sources\.cc\.crawl'.*2099"),
        ({"paths": f"{server.url}/none.warc.gz"}, r"sources\.cc\.paths\.0': no such file.*none"),
        ({"crawl": "CC-MAIN-2025-26", "base": server.url, "files": "90:"}, "none of the 12"),
    ]:
        with pytest.raises(UserError, match=told) as error:
            load(tmp_path, source).inputs()
        assert "\n" not in str(error.value)


def test_a_server_that_keeps_failing_is_told_when_planning(tmp_path, server):
    server.faults = lambda number, path: (503, {})
    recipe = load(
        tmp_path,
        {"crawl": "CC-MAIN-2025-26", "base": server.url},
        remote={"give_up_seconds": 0.5},
    )
    with pytest.raises(UserError, match=r"given up after .* 503"):
        recipe.inputs()


def test_inputs_whose_hashes_begin_alike_are_shards_of_their_own(tmp_path):
    alike = ("25128/index.html", "45823/index.html")  # xxh3_64 of both begins with db4bb350
    for name in (*alike, "1/index.html"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("<p>a page")
    jobs = ingest_jobs(load(tmp_path, {"reader": "html", "paths": "*/index.html"}))
    names = {job.arguments["container"]: job.shard for job in jobs}
    assert len(set(names.values())) == 3
    assert all("index.html-db4bb350" in names[name] for name in alike)
    (only,) = ingest_jobs(load(tmp_path, {"reader": "html", "paths": alike[0]}))
    assert only.shard == "source=cc/index.html-db4bb350"
