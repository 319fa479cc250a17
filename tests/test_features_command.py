"""``corpusmill features``: every feature and verdict of a file, by the command itself."""

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from catalogs.errors import UserError
from corpusmill.feature_commands import features as run_features
from filters import feature_names, features, judge, load_preset, preset_names
from tests.test_filters_parity import prose

TEXTS = [
    "",
    "中文字符。这是一个测试！",
    "x):\x00 😀",
    prose(80),
    "\n".join(f"Here is sentence number {k}. It says nothing." for k in range(9)),
    "the same line\n" * 30,
]


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "corpusmill", "features", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


def test_all_features_and_verdicts_of_a_parquet_file(folder):
    path = parquet(folder / "a.parquet", id=[f"d{k}" for k in range(6)], text=TEXTS)
    out = folder / "out.parquet"
    process = command(path, "--words", "spacy", "--out", out)
    assert process.returncode == 0, process.stderr
    assert "6 documents" in process.stderr and "gopher_quality" in process.stdout
    found = pq.read_table(out)
    expected = features(TEXTS, words="spacy")
    assert found["id"].to_pylist() == [f"d{k}" for k in range(6)]
    for name in feature_names():
        assert found[name].to_pylist() == expected.column(name).to_pylist()
    judged = [name for name in preset_names() if name != "fineweb2"]
    for name in judged:
        reasons = judge(expected, [load_preset(name)]).to_pylist()
        assert found[f"{name}_keep"].to_pylist() == [reason is None for reason in reasons]
        assert found[f"{name}_reason"].to_pylist() == [
            reason and reason.removeprefix(f"{name}:") for reason in reasons
        ]
    assert len(found.column_names) == 1 + len(feature_names()) + 2 * len(judged)
    assert not (folder / "out.parquet.part").exists()


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_json_lines_presets_and_languages(folder, suffix):
    path = folder / f"lines{suffix}"
    rows = [{"key": k, "body": text, "lang": "de"} for k, text in enumerate(TEXTS)]
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode() + b"\n"
    path.write_bytes(gzip.compress(raw) if suffix.endswith("gz") else raw)
    out = folder / f"lines{suffix}.parquet"
    columns = ("--text-column", "body", "--id-column", "key", "--language-column", "lang")
    process = command(path, *columns, "--preset", "fineweb2", "--preset", "c4", "--out", out)
    assert process.returncode == 0, process.stderr
    found = pq.read_table(out)
    assert found["id"].to_pylist() == [str(k) for k in range(6)]
    assert found.column_names[-4:] == ["fineweb2_keep", "fineweb2_reason", "c4_keep", "c4_reason"]
    expected = features(TEXTS, languages=["de"] * 6)
    assert found["stop_words"].to_pylist() == expected.column("stop_words").to_pylist()


def test_rows_without_ids_are_numbered(folder):
    path = parquet(folder / "bare.parquet", text=TEXTS)
    out = folder / "bare_out.parquet"
    assert command(path, "--preset", "c4", "--out", out).returncode == 0
    assert pq.read_table(out)["id"].to_pylist() == list(range(6))


def test_mistakes_are_one_line(folder):
    good = parquet(folder / "good.parquet", id=["a"], txt=["b"])
    null = parquet(folder / "null.parquet", text=["a", None])
    bad = folder / "bad.jsonl"
    bad.write_text('{"text": "a"}\n{"text": \n')
    empty = folder / "empty.jsonl"
    empty.write_text("")
    fake = folder / "fake.parquet"
    fake.write_text("no parquet")
    out = folder / "o.parquet"
    process = command(good, "--out", out)
    assert process.returncode == 2
    assert process.stderr.strip() == (
        f"error: {good}: --text-column: no column 'text' (did you mean 'txt'?)"
    )
    for path, options, message in (
        (folder / "none.parquet", {}, "none.parquet: no such file"),
        (null, {}, "the text of row 1 is null"),
        (bad, {}, "line 2: not JSON"),
        (empty, {}, "holds no documents"),
        (fake, {}, "cannot be read as Parquet"),
        (good, {"out": str(folder / "no" / "o.parquet")}, "there is no folder"),
        (good, {"out": str(good)}, "is the input file"),
        (good, {"words": "spcy"}, "expected one of default, spacy"),
        (good, {"preset": ["gophr"]}, "did you mean 'gopher'"),
        (good, {"preset": ["fineweb2"]}, "needs --language"),
    ):
        with pytest.raises(UserError) as error:
            run_features(str(path), **{"out": str(out), **options})
        assert message in str(error.value) and "\n" not in str(error.value)
        assert not out.exists()


def test_compressed_lines_and_awkward_records(folder):
    rows = [
        {"id": 7, "text": ""},
        {"id": "7", "text": "word " * 1_000_000},
        {"id": "\ud800", "text": "\ud800 lone"},
    ]
    raw = b"\xef\xbb\xbf" + "".join(json.dumps(row) + "\r\n" for row in rows).encode()
    for name, data in (
        ("odd.jsonl", raw.rstrip()),
        ("odd.jsonl.zst", zstandard.compress(raw)),
        ("odd.jsonl.gz", gzip.compress(raw[:50]) + gzip.compress(raw[50:])),
    ):
        (folder / name).write_bytes(data)
        out = folder / f"{name}.parquet"
        run_features(str(folder / name), out=str(out), preset=["gopher_quality"])
        found = pq.read_table(out)
        assert found["id"].to_pylist() == ["7", "7", "?"]  # as they come: equal ids are two rows
        assert found["n_words"].to_pylist() == [0, 1_000_000, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a", "id": 1}\n{"text": "b"}\n', "line 2: --id-column: no 'id'"),
        (
            "b.jsonl",
            b'{"text": "a"}\n{"text": "b", "id": 1}\n',
            "line 2: --id-column: lines",
        ),
        ("c.jsonl", b'{"text": null}', "line 1: --text-column: 'text' is no text but null"),
        ("d.jsonl", b'{"text": "a"}\n["b"]\n', "line 2: expected an object, got a list"),
        ("e.jsonl", b'{"text": "caf\xe9"}', "line 1: not JSON"),
        ("f.jsonl", b'{"text": "a", "x": ' + b"[" * 100_000, "line 1: not JSON"),
        ("g.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 9)[:-9], "damaged behind line"),
        ("h.jsonl.zst", zstandard.compress(b'{"text": "a"}\n' * 9)[:-3], "damaged behind line"),
        ("i.jsonl.gz", b"", "i.jsonl.gz: holds no documents"),
        ("j.parquet", {"text": ["a"], "id": [None]}, "the id of row 0 is null"),
        ("k.parquet", {"text": [1]}, "--text-column: 'text' is no text but int64"),
        ("l.parquet", {"text": [b"a", b"\xff"]}, "the text of row 1: 'utf-8' codec"),
        ("m.parquet", {"text": pa.array([], pa.string())}, "m.parquet: holds no documents"),
        ("n.csv", b"text\na\n", "expected .parquet, or .jsonl"),
    ],
    ids="abcdefghijklmn",
)
def test_what_cannot_be_read_is_told_with_its_place(folder, name, content, message):
    path = folder / name
    if isinstance(content, dict):
        pq.write_table(pa.table(content), path)
    else:
        path.write_bytes(content)
    out = folder / "unreadable.parquet"
    with pytest.raises(UserError) as error:
        run_features(str(path), out=str(out), preset=["c4"])
    assert message in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))
    assert not list(folder.glob("unreadable*"))


def test_a_page_of_parquet_that_is_damaged_is_told(folder):
    path = parquet(folder / "flip.parquet", text=TEXTS)
    raw = bytearray(path.read_bytes())
    raw[4:40] = b"\xff" * 36
    path.write_bytes(raw)
    with pytest.raises(UserError, match="damaged behind row 0") as error:
        run_features(str(path), out=str(folder / "flip_out.parquet"), preset=["c4"])
    assert "\n" not in str(error.value)
