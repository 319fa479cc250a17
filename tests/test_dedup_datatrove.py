"""Signatures and clusters as datatrove makes them, side by side on the same texts."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datatrove.data import Document
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.hashing import HashConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import datatrove_minhash
from pipeline.dedup import DedupConfig
from tests.dedups import partition_by_cluster, rows_of, run, text_id

PROSE = (
    "the Model's data, isn't it? (see e.g. p. 12) 3,141.59 don't U.S.A. well-known e-mail@x.org "
    "http://example.org/a?b=1 na\u00efve \u00c5ngstr\u00f6m cafe\u0301 Stra\u00dfe ДОМ 漢字 "
    "かな ٣٫٥ \u00bd — “quoted” ... a.m. $5.00 "
    "snake_case C++ and/or :-) 10km #tag don’t co-operate\u00ad X\u00b2"
)
WORDS = PROSE.split()


def theirs(folder, sha1: bool = False) -> MinhashDedupSignature:
    hashing = HashConfig(hash_fc="sha1" if sha1 else "xxhash")
    sign = MinhashDedupSignature(str(folder), MinhashConfig(hash_config=hashing))
    if not sha1:  # its xxhash takes strings, which xxhash 4 does not
        sign._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
    return sign


@pytest.mark.parametrize("sha1", [False, True])
def test_shingles_and_permutations_are_bit_equal(tmp_path, sha1):
    sign, rng = theirs(tmp_path, sha1), random.Random(1)
    texts = [" ".join(rng.choices(WORDS, k=n)) for n in range(40)] + [
        "",
        "   ",
        "?!",
        "\x00 \x1f a",
    ]
    hashes, offsets = datatrove_minhash.shingles(pa.array([*texts, None]), sha1=sha1)
    assert len(offsets) == len(texts) + 2 and offsets[-1] == offsets[-2]
    for at, text in enumerate(texts):
        wanted = sign.get_shingles(text).ravel()
        assert np.array_equal(hashes[offsets[at] : offsets[at + 1]], wanted), text
    for own, other in zip(datatrove_minhash.permutations(112, 1), sign.parameters, strict=True):
        assert np.array_equal(own, other[0])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=12))
def test_any_text_is_simplified_alike(pieces):
    from datatrove.utils.text import simplify_text

    text = " ".join(pieces)
    assert datatrove_minhash.simplify(text) == simplify_text(text)


def test_clusters_are_those_of_datatrove(tmp_path):
    rng = random.Random(2)
    vocabulary = [f"{word}{n}" for word in ("alpha", "beta", "gamma", "Delta") for n in range(99)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 90))) for _ in range(120)]
    for text in texts[:90]:
        edited = text.split()
        for place in rng.sample(range(len(edited)), min(len(edited), rng.randint(0, 6))):
            edited[place] = rng.choice(vocabulary)
        texts.append(" ".join(edited).capitalize() + rng.choice(["", "!", " 1.5"]))
    texts = sorted(set(texts), key=text_id)
    config = {"signatures": "datatrove", "bands": 14, "rows": 5, "jaccard": None}
    found, _ = run(tmp_path / "ours", rows_of(texts), shards=2, **config)

    corpus = [Document(text=text, id=text_id(text)) for text in texts]
    own = MinhashConfig(num_buckets=14, hashes_per_bucket=5)
    names = [str(tmp_path / name) for name in ("signatures", "buckets", "remove")]
    sign = theirs(names[0])
    sign.config, sign.num_hashes, sign._parameters = own, 70, None
    sign.run(corpus)
    buckets = MinhashDedupBuckets(names[0], names[1], config=own)
    for rank in range(14):
        buckets.run(None, rank, 14)
    MinhashDedupCluster(names[1], names[2], config=own, save_cluster_id=True).run(None)
    kept = list(MinhashDedupFilter(names[2], load_cluster_ids=True).run(corpus))
    groups: dict = {}
    for document in corpus:
        label = document.metadata["minhash_cluster_id"]
        groups.setdefault(document.id if label == -1 else label, set()).add(document.id)
    assert partition_by_cluster(found) == {frozenset(group) for group in groups.values()}
    assert 20 < len(texts) - len(kept) == sum(not row["kept"] for row in found.values())


def test_words_alone_make_these_signatures():
    with pytest.raises(ValueError, match="leave 'unit: word'"):
        DedupConfig(signatures="datatrove", unit="char")
