"""WAT files: metadata of pages, as rejected records or as text of one field."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from catalogs.errors import UserError
from tests.warcs import read, read_counted, verdicts, warc


def envelope(status="200", kind="response", html=True, headers=None):
    response = {
        "Response-Message": {"Version": "HTTP/1.1", "Status": status, "Reason": "x"},
        "Headers": {"Content-Type": "text/html; charset=latin1", "Server": "s", **(headers or {})},
    }
    if html:
        response["HTML-Metadata"] = {
            "Head": {
                "Title": "A  page\nof words",
                "Metas": [
                    {"name": "Description", "content": "What it is about"},
                    {"property": "og:locale", "content": "de_AT"},
                ],
                "Link": [{"path": "LINK@/href", "url": "http://a.test/c", "rel": "canonical"}],
            },
            "Links": [
                {"path": "A@/href", "url": "http://b.test/", "text": "b \u00e9", "rel": "nofollow"},
                {"path": "IMG@/src", "url": "i.png", "alt": "a picture"},
                {"path": "A@/href", "href": "/x", "text": " "},
                {"path": "STYLE/#text"},
            ],
        }
    return {
        "Container": {
            "Filename": "x.warc.gz",
            "Offset": "123",
            "Gzip-Metadata": {"Deflate-Length": "45"},
        },
        "Envelope": {
            "WARC-Header-Metadata": {
                "WARC-Type": kind,
                "WARC-Date": "2024-05-18T01:58:10Z",
                "WARC-Record-ID": "<urn:uuid:1>",
                "WARC-Target-URI": "http://a.test/1",
            },
            "Payload-Metadata": {"HTTP-Response-Metadata": response},
        },
    }


def wat(content=None, **changes):
    block = json.dumps(envelope(**changes)).encode() if content is None else content
    return warc(block, kind="metadata", content_type="application/json")


def test_a_page_gives_its_metadata():
    [record] = read(gzip.compress(wat()), "wat")
    assert record.reject == "metadata_only" and record.text is None
    assert record.uri == "http://a.test/1"
    assert record.fetched_at == datetime(2024, 5, 18, 1, 58, 10, tzinfo=UTC)
    assert record.media_type == "text/html" and record.charset == "latin1"
    found = record.metadata
    assert found["title"] == "A page of words"
    assert found["description"] == "What it is about"
    assert found["canonical_url"] == "http://a.test/c"
    assert found["metas"] == {"description": "What it is about", "og:locale": "de_AT"}
    assert found["n_links"] == 3
    assert found["links"] == [
        {"url": "http://b.test/", "path": "A@/href", "text": "b é", "rel": "nofollow"},
        {"url": "i.png", "path": "IMG@/src", "alt": "a picture"},
        {"url": "/x", "path": "A@/href", "text": " "},
    ]
    assert (found["warc_filename"], found["warc_record_offset"]) == ("x.warc.gz", 123)
    assert (found["warc_record_length"], found["http_status"]) == (45, 200)
    assert found["server"] == "s"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", "A page of words"),
        ("description", "What it is about"),
        ("anchors", "b é"),
        ("alt_texts", "a picture"),
    ],
)
def test_a_field_can_be_the_text(field, text):
    [record] = read(wat(), "wat", text_field=field)
    assert (record.text, record.reject) == (text, None)


def test_links_are_counted_even_where_they_are_not_kept():
    [record] = read(wat(), "wat", max_links=1)
    assert (len(record.metadata["links"]), record.metadata["n_links"]) == (1, 3)


def test_what_is_no_page():
    made = [
        warc(b"x", kind="warcinfo", content_type="application/warc-fields"),
        wat(kind="request"),
        wat(kind="revisit"),
        wat(status="404"),
        wat(html=False),
        wat(b'{"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "response"}}}'),
        wat(b"{broken"),
        wat(b"[1, 2]"),
        wat(b'{"Envelope": {"Payload-Metadata": [], "WARC-Header-Metadata": 5}}'),
        wat(),
    ]
    records, present = read_counted(b"".join(map(gzip.compress, made)), "wat")
    assert verdicts(records) == [
        *("not_metadata", "not_response", "revisit", "http_status", "media_type", "not_http"),
        *("invalid_json", "not_response", "not_response", "metadata_only"),
    ]
    assert present == len(made)
    assert verdicts(read(wat(html=False), "wat", text_field="title")) == ["media_type"]
    assert verdicts(read(wat(), "wat", max_bytes=100)) == ["oversized"]


def test_wrong_options():
    with pytest.raises(UserError, match=r"text_field.*did you mean 'anchors'"):
        read(wat(), "wat", text_field="anchor")
    with pytest.raises(UserError, match="max_links"):
        read(wat(), "wat", max_links=0)
