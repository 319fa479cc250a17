"""Digests of WARC records: checked on reading, a mismatch never silent and never a loss."""

import base64
import gzip
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.catalog import open_catalog
from catalogs.explain import find
from pipeline.plan import ingest_jobs
from pipeline.readers.digests import ALGORITHMS, check, parse
from pipeline.recipe import Recipe
from pipeline.url_lists import url_lists
from tests.inputs import html
from tests.warcs import PAGE, http, read, warc

BLOCK = http()


def sha1(data):
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def spellings(name, data):
    digest = hashlib.new(name, data).digest()
    base32 = base64.b32encode(digest).decode()
    values = [digest.hex(), digest.hex().upper(), base32, base32.rstrip("="), base32.lower()]
    return [f"{name}:{value}" for value in (*values, base64.b64encode(digest).decode())]


def one(block=BLOCK, **fields):
    options = {"digests": fields.pop("digests")} if "digests" in fields else {}
    [record] = read(warc(block, **fields), **options)
    return record


@settings(max_examples=60)
@given(st.binary(max_size=40), st.sampled_from(ALGORITHMS))
def test_every_spelling_of_a_digest_is_read(data, name):
    for field in spellings(name, data):
        assert parse(field) == (name, hashlib.new(name, data).digest())
        assert check({"warc-block-digest": field}, data) == ("fits", ["block"])
        assert check({"warc-block-digest": field}, data + b"x") == ("mismatch", ["block"])


@pytest.mark.parametrize(
    "field",
    ["", "sha1", "sha1:", "sha1:ABC", ":2WAXX5NUWNNCS2BDKCO5OVDQBJVNKIVV", "crc32:00000000"],
)
def test_what_is_no_digest_says_nothing_of_the_record(field):
    assert parse(field) is None
    record = one(WARC_Block_Digest=field)
    assert record.digest == "unknown" and record.payload == PAGE and not record.detail


def test_outcomes():
    assert one().digest == "absent"
    assert one(WARC_Block_Digest=sha1(BLOCK)).digest == "fits"
    assert one(WARC_Payload_Digest=sha1(PAGE)).digest == "fits"
    assert one(WARC_Block_Digest=sha1(BLOCK), WARC_Payload_Digest=sha1(b"")).digest == "fits"
    assert one(WARC_Block_Digest=sha1(b""), WARC_Payload_Digest=sha1(PAGE)).digest == "fits"
    both = one(WARC_Block_Digest=sha1(b""), WARC_Payload_Digest=sha1(b""))
    assert (both.digest, both.payload) == ("mismatch", PAGE)
    assert both.metadata["digest_mismatch"] == "block and payload"
    assert both.detail == "digest of block and payload does not fit"


def test_the_payload_in_any_reading():
    zipped = gzip.compress(PAGE, mtime=0)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(zipped), zipped)
    headers = {
        "Content-Type": "text/html",
        "Content-Encoding": "gzip",
        "Transfer-Encoding": "chunked",
    }
    for reading in (chunked, zipped, PAGE):
        record = one(http(chunked, headers=headers), WARC_Payload_Digest=sha1(reading))
        assert (record.digest, record.payload) == ("fits", PAGE)


def test_parts_of_what_was_fetched_are_kept_under_every_policy():
    digest = sha1(PAGE + b" and so on")
    for digests in ("tag", "quarantine"):
        for fields in ({"WARC_Truncated": "length"}, {"WARC_Segment_Number": "1"}):
            record = one(digests=digests, WARC_Payload_Digest=digest, **fields)
            assert (record.digest, record.error, record.payload) == ("truncated", None, PAGE)
            assert "digest_mismatch" not in record.metadata


def test_policies():
    damaged = {"WARC_Block_Digest": sha1(b"something else")}
    lost = one(digests="quarantine", **damaged)
    assert (lost.error, lost.payload, lost.reject) == ("digest_mismatch", None, None)
    for off in ("off", False):
        unchecked = one(digests=off, **damaged)
        assert (unchecked.digest, unchecked.payload, unchecked.detail) == (None, PAGE, "")
    assert one(http(status="404 Not Found"), **damaged).reject == "http_status"


def test_wet_texts_are_checked():
    text = "Grüße aus dem Wald".encode()
    for digest, outcome in ((sha1(text), "fits"), (sha1(b""), "mismatch")):
        fields = {"kind": "conversion", "content_type": "text/plain"}
        [record] = read(warc(text, **fields, WARC_Block_Digest=digest), "wet")
        assert (record.digest, record.text) == (outcome, text.decode())


def test_ingest_counts_them_and_explains_them(tmp_path):
    blocks = [http(html(seed)) for seed in range(4)]
    digests = [sha1(blocks[0]), sha1(b""), "md5:?", None]
    made = [
        warc(block, f"http://a.test/{n}", **({"WARC_Block_Digest": digest} if digest else {}))
        for n, (block, digest) in enumerate(zip(blocks, digests, strict=True))
    ]
    (tmp_path / "a.warc").write_bytes(b"".join(made))

    def mill(name, **options):
        out, source = str(tmp_path / name), {"reader": "warc", "paths": f"{tmp_path}/a.warc"}
        fields = {"name": name, "out": out, "sources": {"web": {**source, "options": options}}}
        rules = Recipe.model_validate({**fields, "filters": []})
        url_lists(rules).write(out)
        [job] = ingest_jobs(rules)
        job.run(job)
        with open_catalog(out) as catalog:
            counted = catalog.execute("SELECT outcome, records FROM digests").fetchall()
        return dict(counted), [(story.outcome, story.row) for story in find(out, "http://a.test/1")]

    outcomes = dict.fromkeys(("absent", "fits", "mismatch", "unknown"), 1)
    counted, [(_, row)] = mill("tagged")
    assert counted == outcomes and json.loads(row["metadata"])["digest_mismatch"] == "block"
    counted, [(fate, _)] = mill("strict", digests="quarantine")
    told = "quarantined at read: digest_mismatch (digest of block does not fit)"
    assert (counted, fate) == (outcomes, told)
    counted, [(_, row)] = mill("loose", digests="off")
    assert counted == {} and "digest_mismatch" not in row["metadata"]
