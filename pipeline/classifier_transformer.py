"""Sequence classifiers of the package transformers, such as FineWeb-Edu's, as scorers.

A folder as ``save_pretrained`` makes it: ``config.json``, ``model.safetensors``, a tokenizer. Code
of the model's own is never run, and weights are taken from safetensors alone.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.errors import UserError
from pipeline.classifier_model import Verdicts, wanted_label

FREE = 1_000_000
"""A longest text beyond that is none: such a tokenizer was never told one."""


class Transformer:
    """A sequence classifier as a `Scorer`.

    With one label the score is its logit, as FineWeb-Edu's (Penedo et al. 2024, arXiv:2406.17557).
    With more it is a probability (softmax, or a logistic function for each where the model is one
    of several labels at once), as `pipeline.classifier_model.FastText` gives it.

    Texts are cut at the longest that the model takes, and go through it one by one on one thread:
    so a score has the same bits whatever other texts it came with. On CPUs that costs little, since
    a batch of texts of that length is no faster than one after the other, and pads none.

    Raises
    ------
    ValueError
        When the folder holds no such model, or not all of it.
    UserError
        When the package is not installed.
    """

    def __init__(self, folder: str, positive: str | None = None):
        if importlib.util.find_spec("transformers") is None:
            raise UserError(
                f"{folder} needs a package that is not installed: run `pip install transformers`"
            )
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        torch.set_num_threads(1)
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **local)
            self.model, about = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **local
            )
        except Exception as error:
            cause = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{folder} is no sequence classifier: {cause}") from None
        missing = sorted(about["missing_keys"]) + sorted(map(str, about["mismatched_keys"]))
        if missing:
            raise ValueError(
                f"{folder} is no sequence classifier: it lacks the weights {', '.join(missing[:4])}"
            )
        self.model.eval()
        config = self.model.config
        names = [str(config.id2label[place]) for place in range(config.num_labels)]
        self.labels = tuple(names) if len(names) > 1 else ()
        self.several = config.problem_type == "multi_label_classification"
        if positive is not None and not self.labels:
            raise ValueError(f"{folder} gives one number, no label '{positive}'")
        wanted = wanted_label(folder, self.labels, positive)
        self.positive = None if wanted is None else names.index(wanted)
        self.longest = _longest(self.tokenizer, config)

    @property
    def given(self) -> tuple[str, ...]:
        """Labels that its verdicts carry."""
        return self.labels if self.positive is None else ()

    @property
    def about(self) -> dict[str, Any]:
        """What `classifier show` tells."""
        kind = self.model.config.model_type
        return {"model": kind, "labels": list(self.labels), "tokens": self.longest}

    def score(self, texts: pa.Array, first_chars: int = 0) -> Verdicts:
        if first_chars:
            texts = pc.utf8_slice_codeunits(texts, 0, first_chars)
        found = np.zeros((len(texts), max(len(self.labels), 1)))
        for place, text in enumerate(texts):
            found[place] = self._logits(text.as_py())
        if not self.labels:
            return Verdicts(found[:, 0].astype(np.float32), None)
        if self.several:
            found = 1 / (1 + np.exp(-found))
        else:
            found = np.exp(found - found.max(axis=1, keepdims=True))
            found /= found.sum(axis=1, keepdims=True)
        if self.positive is not None:
            return Verdicts(found[:, self.positive].astype(np.float32), None)
        best = found.argmax(axis=1)
        scores = found[np.arange(len(found)), best].astype(np.float32)
        return Verdicts(scores, [self.labels[place] for place in best.tolist()])

    def _logits(self, text: str) -> np.ndarray:
        import torch

        tokens = self.tokenizer(text, truncation=True, max_length=self.longest, return_tensors="pt")
        with torch.inference_mode():
            return self.model(**tokens).logits[0].numpy()


def _longest(tokenizer: Any, config: Any) -> int:
    """Tokens that the model takes at most."""
    if tokenizer.model_max_length < FREE:
        return tokenizer.model_max_length
    places = getattr(config, "max_position_embeddings", None) or 512
    # models of RoBERTa's family count positions from after the padding token's
    return places - (config.pad_token_id or 0) - 1 if "roberta" in config.model_type else places
