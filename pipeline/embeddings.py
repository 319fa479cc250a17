"""Estimators over embeddings (the recipe of FineWeb-Edu), kept as ONNX: how they score.

An ONNX file is a graph of numbers: unlike a pickle it runs nothing of its maker's when it is
loaded, and it does not age with the version of scikit-learn. The file names its encoder and the
hash of the encoder's files, so that its hash pins the whole model.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.errors import UserError
from pipeline.classifier_metrics import calibrated
from pipeline.classifier_model import Verdicts
from pipeline.encoders import load_encoder

KEY = "corpusmill"
_BATCH = 512


class Regressor:
    """An ONNX model over embeddings as a `Scorer`.

    Raises
    ------
    ValueError
        When the file is no such model.
    UserError
        When its encoder is missing, or is another than the one it was trained with.
    """

    def __init__(self, path: str):
        import onnxruntime

        with open(path, "rb") as file:
            content = file.read()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            told = self.session.get_modelmeta().custom_metadata_map
            self.about: dict[str, Any] = json.loads(told[KEY])
        except Exception as error:
            cause = str(error).splitlines()[0]
            raise ValueError(f"{path} is no model over embeddings: {cause}") from None
        self.encoder = load_encoder(self.about["encoder"], os.path.dirname(path))
        if self.encoder.checksum != self.about["encoder_checksum"]:
            raise UserError(
                f"{path}: was trained with another version of the encoder "
                f"'{self.about['encoder']}' ({self.about['encoder_checksum']}, here it is "
                f"{self.encoder.checksum})"
            )

    @property
    def given(self) -> tuple[str, ...]:
        """Labels that its verdicts carry."""
        return () if self.about["positive"] else tuple(self.about.get("classes") or ())

    def score(self, texts: pa.Array, first_chars: int = 0) -> Verdicts:
        if first_chars:
            texts = pc.utf8_slice_codeunits(texts, 0, first_chars)
        outputs = [
            self._run(texts.slice(start, _BATCH).to_pylist())
            for start in range(0, len(texts), _BATCH)
        ]
        columns = len(self.about.get("classes") or "1")
        found = np.concatenate(outputs) if outputs else np.zeros((0, columns), np.float32)
        classes = self.about.get("classes")
        if not classes:
            return Verdicts(found[:, 0].astype(np.float32), None)
        own = self.about.get("calibration") or {}
        found = calibrated(class_logits(found), own.get("scale", 1.0), own.get("bias", 0.0))
        found = found.astype(np.float32)
        if self.about["positive"]:
            return Verdicts(found[:, classes.index(self.about["positive"])], None)
        best = found.argmax(axis=1)
        scores = found[np.arange(len(found)), best].astype(np.float32)
        return Verdicts(scores, [classes[place] for place in best.tolist()])

    def _run(self, texts: list[str]) -> np.ndarray:
        name = self.session.get_inputs()[0].name
        # one by one: in a batch the last bits of a score hang on the other texts
        outputs = [
            self.session.run(None, {name: vector[None]})[-1].reshape(-1)
            for vector in self.encoder.encode(texts)
        ]
        return np.asarray(outputs, np.float32).reshape(len(texts), -1)


def class_logits(found: np.ndarray) -> np.ndarray:
    """Logits from probabilities of classes, in the form that `calibrate` takes."""
    logs = np.log(np.maximum(found.astype(np.float64), 1e-9))
    return logs[:, 1:] - logs[:, :1] if found.shape[1] == 2 else logs
