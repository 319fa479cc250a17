"""Personal data: what is found, what only looks like it, and what masking leaves."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.pii import personal_data
from filters.pii_types import TYPES
from pipeline.scrub import apply, edits
from tests.inputs import prose


def found(text: str, language: str = "en", **how) -> list[tuple[str, str]]:
    """(type, words) of what is found in one text."""
    data = text.encode()
    return [
        (span["type"], data[span["start"] : span["end"]].decode())
        for span in personal_data([text], [language], **how).to_pylist()[0]
    ]


def masked(text: str, language: str = "en") -> str:
    finds = personal_data([text], [language]).to_pylist()[0]
    data = text.encode()
    return apply(data, edits(data, None, None, finds)).decode()


@pytest.mark.parametrize(
    ("text", "type", "words"),
    [
        ("Write to anna.kowalska@gmail.com today.", "email", "anna.kowalska@gmail.com"),
        ("<j.o'neil+list@mail.uni-bonn.de>", "email", "j.o'neil+list@mail.uni-bonn.de"),
        ("mailto:bob@openmail.org", "email", "bob@openmail.org"),
        ("jürgen.müller@bücher.de schrieb", "email", "jürgen.müller@bücher.de"),
        ("почта: иван@почта.рф.", "email", "иван@почта.рф"),
        ("联系anna@gmail.com谢谢", "email", "anna@gmail.com"),
        ("anna [at] web [dot] de", "email", "anna [at] web [dot] de"),
        ("<erdal dot r at gmail dot com>", "email", "erdal dot r at gmail dot com"),
        ("Write to anna (AT) uni-bonn.de!", "email", "anna (AT) uni-bonn.de"),
        ("Call +44 20 7946 1958 now", "phone", "+44 20 7946 1958"),
        ("anna,+48 22 601 23 45,yes", "phone", "+48 22 601 23 45"),
        ("Phone: 212-736-5000 ext. 12.", "phone", "212-736-5000 ext. 12"),
        ("| (212) 736-5000x77 |", "phone", "(212) 736-5000x77"),
        ('{"tel": "0171 930 8000", "n": 1}', "", ""),
        ("call n 13 5, then 13 6 06272803", "", ""),
        ("55 89 144 233 377 610 987 1597 2584 4181", "", ""),
        ("Reach us: (212) 736-5000.", "phone", "(212) 736-5000"),
        ("Tel. 0171 4930 8000", "", ""),
        ("phone: 020 7219 3000", "phone", "020 7219 3000"),
        ("login from 81.2.69.142 failed", "ip", "81.2.69.142"),
        ("seen at 2a02:c7d:1234:5600::17 twice", "ip", "2a02:c7d:1234:5600::17"),
        ("http://185.199.108.153/index", "ip", "185.199.108.153"),
        ("My SSN is 536-90-4399.", "national_id", "536-90-4399"),
        ("DNI 54362315K", "national_id", "54362315K"),
        ("codice fiscale RCCMNL83S18D969H", "national_id", "RCCMNL83S18D969H"),
        ("CPF 390.533.447-05", "national_id", "390.533.447-05"),
        ("PESEL: 44051401359", "national_id", "44051401359"),
        ("BSN 111222333", "national_id", "111222333"),
        ("card 4539 5787 6362 1486, exp", "card", "4539 5787 6362 1486"),
        ("Visa 4539578763621486", "card", "4539578763621486"),
        ("IBAN DE75 5121 0800 1245 1261 99 at", "iban", "DE75 5121 0800 1245 1261 99"),
        ("pay GB33BUKB20201555555555 please", "iban", "GB33BUKB20201555555555"),
        ("a,81.2.69.142,b", "ip", "81.2.69.142"),
        ("postgres://bob:hunter2x@db.mill.io/x", "key", "bob:hunter2x"),
        ("id AKIAQ3EGRT7ZKLW5VN2P x", "key", "AKIAQ3EGRT7ZKLW5VN2P"),
        (
            "token=ghp_9fK2mQ7xLr4TzVb8NcWs1YdHjE5uPaGo3iRk",
            "key",
            "ghp_9fK2mQ7xLr4TzVb8NcWs1YdHjE5uPaGo3iRk",
        ),
    ],
)
def test_personal_data_is_found(text, type, words):
    language = {"DNI": "es", "CPF": "pt", "PESEL": "pl"}.get(text[:3], "en")
    assert found(text, language) == ([(type, words)] if type else [])


@pytest.mark.parametrize(
    "text",
    [
        "Version 1.2.3.4 and v10.0.19041.1 and Firefox/91.0.4472.77",
        "pip install foo==22.33.44.55 or foo-22.33.44.55.tar.gz",
        "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2, ISSN 2049-3630",
        "doi:10.1000/182 and 10.1145/3292500.3330701 and arXiv:2401.12345",
        "on 2019-03-04 at 10:11:12, 03/04/2019, 1998-2004, 2019-03-04T10:11:12Z",
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "host 192.168.1.1, 127.0.0.1, 10.0.0.8, 203.0.113.9, 198.51.100.7, 0.0.0.0",
        "::1 and 2001:db8::1 and fe80::1 and std::vector::begin and a::b",
        "user@example.com, you@example.org, me@localhost, x@host.test, git@github.com:a/b",
        "@decorator and @media and foo@2x.png and A@B.T and user@host",
        "3.14159265358979 and 1,234,567,890 and 1546300800 and 12345678901234567890",
        "| 1200 | 3400 | 5600 | 7800 |\n| 4111 | 2222 | 3333 | 4444 |",
        "MAC 00:1A:2B:3C:4D:5E at 12:34:56",
        "1.2.3.4 Results of the second study",
        "the number 4111 1111 1111 1111 is for tests; so is 4242424242424242",
        "AKIAIOSFODNN7EXAMPLE is the key of the manual; ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "(555) 555-0123 is a number of films, and so is 212-555-0147",
        "000-12-3456 and 666-45-6789 and 987-65-4321 are no SSNs",
        "order 123456789012, invoice no. 2020-004512, part 12-345-6789",
        "E = 1.6e-19; x[10:20:2]; a = b @ c.T; -----BEGIN CERTIFICATE-----",
        "Latitude 52.5200066, longitude 13.4049540; 40-41-42-43-44",
        "DE00 1234 5678 9012 3456 78 has the wrong check digits",
        "bench%1:06:00:: 1 2 and bench_press%2:33:02:: 4 4",
        "ask 8.8.8.8, 2001:4860:4860::8888 or 1.2.3.4; the metre is 87.87.87.87",
        "2314 2319 2324 2329 2334 2339 2344 2349; 3581 3586 3591 3596 3601 3606",
        "https://user:password@host.com and https://abc:xyz@example.com and ftp://u:$PW@h.org",
        "(at) the mill, [at] home, look at mill dot",
        "const int prime = 2147483647; 0x7fffffff; 18446744073709551615",
    ],
)
def test_look_alikes_are_left_alone(text):
    assert found(text) == []


def test_a_private_key_is_one_span():
    body = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"[::1] for _ in range(6))
    block = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert found(f"Keep this:\n{block}\nsafe.") == [("key", block)]


def test_a_token_of_json_is_one_by_its_header():
    head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    rest = ".eyJzdWIiOiI5ODc2NTQzMjEwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    assert found(f"Bearer {head}{rest}") == [("key", head + rest)]
    assert found(f"Bearer eyJhbmFuYXNhbmFuYXM{rest}") == []


def test_languages_and_regions_decide_whose_numbers_count():
    assert found("Telefon 0911 2331 0000", "de") == [("phone", "0911 2331 0000")]
    assert found("phone 0911 2331 0000", "en") == []
    assert found("phone 0911 2331 0000", "en", regions=["DE"]) == [("phone", "0911 2331 0000")]
    assert found("54362315K", "es") and not found("54362315K", "en")


def test_national_numbers_count_as_they_are_written_in_their_country():
    assert found("Ou bien le 03 76 09 61 16 ou", "fr") == [("phone", "03 76 09 61 16")]
    assert found("090-7498-9054", "ja") == [("phone", "090-7498-9054")]
    assert found("0049 30 901820, sonst", "de") == [("phone", "0049 30 901820")]
    assert not found("01 02 03 04 05 06 07 08 09", "fr")


@pytest.mark.parametrize(
    "token",
    [
        "sk-or-v1-" + "0a1b2c3d4e5f6978" * 4,
        "gsk_" + "aB3dE5fG7hJ9k" * 4,
        "dop_v1_" + "0a1b2c3d4e5f6978" * 4,
        "shpat_" + "0a1b2c3d4e5f6978" * 2,
        "SK" + "0a1b2c3d4e5f6978" * 2,
        "hvs.CAESIJ7xLr4TzVb8NcWs1YdHjE5uPaGo",
        "figd_9fK2mQ7xLr4TzVb8NcWs1YdHjE5uPaGo3iRk2mQ7",
        "xapp-1-A04QW7RT2ZK-517392046821-" + "0a1b2c3d4e5f6978" * 4,
    ],
)
def test_tokens_of_more_vendors(token):
    assert found(f"key = '{token}'") == [("key", token)]


def test_neighbours_are_told_apart():
    text = "anna@gmail.com 212-736-5000 81.2.69.142 "
    assert [type for type, _ in found(text * 20)] == ["email", "phone", "ip"] * 20
    assert found("Call 212-736-5000 24/7") == [("phone", "212-736-5000")]
    assert len(found("212-736-5000 415-772-2671")) == 2
    assert found("in room 12 (212) 736-5000") == [("phone", "(212) 736-5000")]


def test_types_and_confidence_choose():
    text = "anna@gmail.com, 212-736-5000"
    assert found(text, types=["email"]) == [("email", "anna@gmail.com")]
    assert found(text, min_confidence=0.9) == [("email", "anna@gmail.com")]


def test_clean_prose_has_none():
    assert not any(personal_data([prose(n) for n in range(200)]).to_pylist())


def test_masking_puts_typed_placeholders():
    text = "Anna (anna@gmail.com, +48 22 601 23 45) pays from GB33BUKB20201555555555."
    assert masked(text) == "Anna (<EMAIL>, <PHONE>) pays from <IBAN>."


PIECES = st.sampled_from(
    [
        *("anna@gmail.com", "+44 20 7946 1958", "212-736-5000", "81.2.69.142", "536-90-4399"),
        *("4539 5787 6362 1486", "GB33BUKB20201555555555", "RCCMNL83S18D969H", "phone", "card"),
        *("2a02:c7d:1234:5600::17", "AKIAQ3EGRT7ZKLW5VN2P", "DNI 54362315K", "ssn", "IBAN"),
        *("1.2.3.4", "2019-03-04", "é", "…", " ", "\n", ", ", "-", ".", ":", "/", "0", "7", "x"),
        *("123456789", "12 34 56", "@", "<EMAIL>", "日本", "(", ")"),
    ]
)


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=14), st.sampled_from(["en", "es", "pl", "fr"]))
def test_spans_ascend_do_not_overlap_and_end_at_characters(pieces, language):
    text = "".join(pieces)
    data = text.encode()
    at = 0
    for span in personal_data([text], [language]).to_pylist()[0]:
        assert at <= span["start"] < span["end"] <= len(data)
        at = span["end"]
        data[span["start"] : span["end"]].decode()
        assert span["type"] in TYPES and 0.6 <= round(span["confidence"], 6) <= 1


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=14), st.sampled_from(["en", "es", "pl", "fr"]))
def test_masking_twice_is_masking_once(pieces, language):
    once = masked("".join(pieces), language)
    assert masked(once, language) == once


@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text):
    text = text.encode("utf-8", "replace").decode()
    assert personal_data([text, text]).to_pylist()[0] == personal_data([text]).to_pylist()[0]


def test_cuts_win_over_masks_and_nothing_is_left_of_either():
    data = b"Keep. CUT THIS anna@gmail.com and more. Keep bob@openmail.org."
    finds = personal_data([data.decode()]).to_pylist()[0]
    cuts = [{"start": 6, "end": 20, "reason": "site_boilerplate"}]
    result = edits(data, cuts, None, finds)
    assert apply(data, result) == b"Keep.  and more. Keep <EMAIL>."
    assert result.masked == 1


@given(st.integers(0, 1000))
def test_edits_ascend_and_do_not_overlap(seed):
    rng = random.Random(seed)

    def spans(count, **fields):
        made = []
        for _ in range(count):
            start = rng.randrange(90)
            made.append({"start": start, "end": start + rng.randrange(1, 10), **fields})
        return made

    data = bytes(rng.choice(b"abc .") for _ in range(100))
    result = edits(
        data,
        spans(3, reason="r"),
        spans(2, benchmark="b"),
        sorted(spans(3, type="email"), key=lambda s: s["start"]),
    )
    at = 0
    for start, end, _ in result.spans:
        assert at <= start < end <= len(data)
        at = end
