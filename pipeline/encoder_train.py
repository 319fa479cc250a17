"""An encoder trained on the examples themselves: nothing to download, nobody else's licence.

Latent semantic analysis (Deerwester et al. 1990): the words of the texts, weighted by how few texts
they stand in, and the truncated singular value decomposition of that table. A text's vector is a
sum of a vector for each of its words, so the encoder is a table of words and is kept as a folder
of model2vec, which `pipeline.encoders.StaticEncoder` and that package both read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from catalogs.errors import UserError

DIMS, WORDS = 256, 50_000
UNKNOWN = "[UNK]"
_BATCH = 512
# words, single characters of scripts that are written without spaces, and signs
_TOKEN = (
    r"\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Thai}|\p{Lao}|\p{Khmer}|\p{Myanmar}|"
    r"[\p{L}\p{M}]+|\p{N}|[^\s\p{L}\p{M}\p{N}]"
)


def train_encoder(texts: Sequence[str], dims: int = DIMS, words: int = WORDS) -> dict[str, bytes]:
    """Files of an encoder by name: ``model.safetensors``, ``tokenizer.json``, ``config.json``.

    The same texts in the same order give the same files.

    Parameters
    ----------
    dims
        Dimensions at most; there are never more than texts or words.
    words
        Words at most, the most frequent of those that stand in two texts.

    Raises
    ------
    UserError
        When the texts have too few words in common.
    """
    import scipy.sparse as sparse
    from safetensors.numpy import save
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), "removed", invert=True)
    trainer = trainers.WordLevelTrainer(
        vocab_size=words, min_frequency=2, special_tokens=[UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    rows, columns, counts = [], [], []
    for start in range(0, len(texts), _BATCH):
        encoded = tokenizer.encode_batch_fast(list(texts[start : start + _BATCH]))
        for place, one in enumerate(encoded, start):
            ids, times = np.unique(np.asarray(one.ids, np.int64), return_counts=True)
            rows.append(np.full(len(ids), place))
            columns.append(ids)
            counts.append(times)
    shape = (len(texts), tokenizer.get_vocab_size())
    places = (np.concatenate(rows), np.concatenate(columns))
    table = sparse.csr_matrix((np.concatenate(counts).astype(np.float64), places), shape=shape)
    standing = np.bincount(table.indices, minlength=shape[1])
    weights = np.where(standing < 2, 0, np.log((1 + len(texts)) / (1 + standing)))
    weights[0] = 0  # what is not known
    dims = min(dims, len(texts) - 1, int((weights > 0).sum()) - 1)
    if dims < 2:
        raise UserError("the examples have too few words in common to train an encoder on")
    table = table @ sparse.diags(weights)
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = sparse.diags(1 / np.maximum(length, 1e-12)) @ table
    with threadpool_limits(1):
        *_, axes = randomized_svd(table, dims, random_state=0)
    tables = {"embeddings": (axes.T * weights[:, None]).astype(np.float32)}
    config = {"model_type": "model2vec", "normalize": True, "hidden_dim": dims}
    return {
        "model.safetensors": save(tables),
        "tokenizer.json": tokenizer.to_str().encode(),
        "config.json": json.dumps(config, indent=1, sort_keys=True).encode(),
    }
