"""The engine for model servers, against a real HTTP server that misbehaves in every way."""

import random
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ocr import PdfOptions, read_pdf, require_engine
from ocr.engines.answers import looping, loops_anywhere, refuses
from ocr.engines.vlm_profiles import parse_front_matter, parse_grounding, parse_plain
from tests.chat_server import (
    babbles,
    chat_server,
    cuts,
    ends_early,
    events,
    hangs,
    raw,
    says,
    says_whole,
    status,
)
from tests.pdfs import Page, make

ANSWER = "## Of Mills\n\nThe miller took his sacks to the upper floor.\n\n| a | b |\n| --- | --- |"
LOOP = "and so on and so on and the miller said "


def picture(marks: int = 6) -> Image.Image:
    """Ink enough not to be blank; so dark a band on top that a turned page is known."""
    image = Image.new("L", (400, 600), 255)
    draw = ImageDraw.Draw(image)
    for i in range(marks):
        draw.rectangle((40 + 50 * i, 20, 70 + 50 * i, 40), fill=0)
    return image


def document(pages: int = 1, layer: bool = False) -> bytes:
    made = []
    for number in range(pages):
        page = Page()
        if layer:
            page.text(72, 100, f"Old layer of sheet {number}, hardly readable.", mode=3)
        made.append(page.picture(picture()))
    return make(*made).bytes()


def read(server, data: bytes | None = None, fallback: str = "none", **options):
    base = {"base_url": server.url, "model": "tiny-vl", "wait": 0.01, "patience": 2}
    return read_pdf(
        data or document(),
        PdfOptions(engine="vlm", engine_options=base | options, fallback=fallback),
    )


def test_a_good_answer_is_the_page_and_its_cost_is_known():
    with chat_server([says(ANSWER)]) as server:
        result = read(server, price_in=2.0, price_out=10.0, longest_side=500)
    page = result.pages[0]
    assert (result.text, result.status) == (ANSWER, "ok")
    assert (page.route, page.engine, page.tries) == ("ocr", "vlm tiny-vl", 1)
    assert page.tokens_in == 1000 and page.tokens_out == len(ANSWER) // 20 + 1
    assert page.cost == pytest.approx((1000 * 2 + page.tokens_out * 10) / 1e6)
    path, request = server.requests[0]
    assert path == "/v1/chat/completions"
    assert request.body["model"] == "tiny-vl" and request.body["temperature"] == 0.1
    assert max(request.picture.size) == 500


def test_a_key_from_the_environment_is_sent_and_a_server_need_not_stream(monkeypatch):
    monkeypatch.setenv("MILL_KEY", "sesame")
    with chat_server([says_whole(f"```markdown\n{ANSWER}\n```")]) as server:
        result = read(server, api_key_env="MILL_KEY")
    assert result.text == ANSWER
    assert server.requests[0][1].headers["authorization"] == "Bearer sesame"
    assert (result.pages[0].tokens_in, result.pages[0].tokens_out) == (7, 5)


BUSY = {
    "too many requests": status(429),
    "too many requests, come back later": status(429, Retry_After="0.05"),
    "an error": status(500, "<html>oops</html>"),
    "overloaded": status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    "hangs": hangs(0.6),
    "cuts the connection": cuts("The miller took"),
    "ends without the end": ends_early("The miller took"),
}


@pytest.mark.parametrize("name", BUSY)
def test_a_busy_server_is_waited_for_without_using_up_a_try(name):
    with chat_server([BUSY[name], says(ANSWER)]) as server:
        result = read(server, tries=1, timeout=0.4)
    assert (result.text, result.pages[0].tries, len(server.requests)) == (ANSWER, 1, 2)


BAD = {
    "cut off": (says("The miller took his", "length"), "cut off after"),
    "not JSON": (raw(b"<html>proxy</html>"), "not the JSON"),
    "JSON of another kind": (raw(b'{"detail": []}'), "not the JSON"),
    "a list": (raw(b"[1, 2]"), "not the JSON"),
    "text that is a number": (raw(b'{"choices":[{"message":{"content":7}}]}'), "not the JSON"),
    "no choices": (raw(b'{"choices":[]}'), "not the JSON"),
    "broken events": (events(b"data: {oops\n\n", b"data: [DONE]\n\n"), "not the JSON"),
    "nothing": (raw(b""), "not the JSON"),
    "filtered": (says("", "content_filter"), "ended with 'content_filter'"),
    "refusal": (says("I'm sorry, but I can't assist with that request."), "refused"),
    "loop": (says("Once upon a time. " + LOOP * 30), "loops"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_costs_a_try_and_the_next_is_warmer(name):
    act, _ = BAD[name]
    with chat_server([act, act, act, says(ANSWER)]) as server:
        result = read(server)
    assert (result.text, result.pages[0].tries) == (ANSWER, 4)
    bodies = [request.body for _, request in server.requests]
    assert [body["temperature"] for body in bodies] == [0.1, 0.1, 0.2, 0.3]
    assert len({body["seed"] for body in bodies}) == 4


@pytest.mark.parametrize("name", BAD)
def test_a_page_without_a_good_answer_fails_with_its_reason(name):
    act, reason = BAD[name]
    with chat_server([act, act]) as server:
        result = read(server, tries=2)
    assert (result.text, result.pages[0].route) == ("", "failed")
    assert "no usable answer in 2 tries" in result.detail and reason in result.detail
    assert result.status == "partial"


def test_a_loop_is_interrupted_and_not_paid_for():
    with chat_server([babbles(LOOP, 20_000), says(ANSWER)]) as server:
        result = read(server)
    assert result.text == ANSWER
    assert server.hung_up == 1
    assert result.pages[0].tokens_out < 200


def test_a_request_refused_for_good_is_not_repeated():
    with chat_server([status(400, "image too large")]) as server:
        result = read(server)
    assert "page 1: HTTP 400 image too large" in result.detail
    assert len(server.requests) == 1


def test_a_server_that_is_down_is_not_asked_for_every_page():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    class Nobody:
        pass

    nobody = Nobody()
    nobody.url = url
    result = read(nobody, document(6), concurrency=1, patience=1)
    assert [page.route for page in result.pages] == ["failed"] * 6
    assert "page 1: ClientConnectorError" in result.detail
    assert "page 6: the server is taken to be down: ClientConnectorError" in result.detail
    with chat_server(lambda number, request: status(404, "no such model")) as server:
        read(server, document(6), concurrency=1)
    assert len(server.requests) == 3


def test_failed_pages_fall_back_and_the_others_stand():
    acts = [says("The first sheet."), status(400, "no"), says("The third sheet.")]
    with chat_server(acts) as server:
        result = read(server, document(3, layer=True), concurrency=1, fallback="none")
    assert [page.route for page in result.pages] == ["ocr", "text", "ocr"]
    assert result.text.split("\n\n") == [
        "The first sheet.",
        "Old layer of sheet 1, hardly readable.",
        "The third sheet.",
    ]
    assert result.detail == "page 2: HTTP 400 no"


def test_the_local_engine_reads_what_the_server_did_not():
    lines = ["The quick brown fox jumps over the lazy dog", "near the river bank in the evening."]
    image = Image.new("L", (1275, 400), 250)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((100, 120 + 60 * i), line, fill=10, font_size=36)
    data = make(Page(612, 192).picture(image)).bytes()
    with chat_server([status(400, "no")]) as server:
        result = read(server, data, fallback="rapidocr")
    page = result.pages[0]
    assert result.text == " ".join(lines)
    assert page.engine.startswith("rapidocr ") and page.error == "HTTP 400 no"
    assert (page.route, page.tries, result.status) == ("ocr", 1, "ok")


def test_requests_in_flight_are_bounded_and_pages_stay_in_order():
    dice = random.Random(3)

    def script(number, request):
        return says(f"Sheet number {number}.", pause=dice.random() / 20)

    with chat_server(script) as server:
        result = read(server, document(12), concurrency=3)
    assert server.most_busy == 3 and len(server.requests) == 12
    assert [page.number for page in result.pages] == list(range(1, 13))
    assert sorted(result.text.split("\n\n")) == sorted(f"Sheet number {i}." for i in range(12))


def head(valid: bool, turn: int) -> str:
    return (
        f"---\nprimary_language: en\nis_rotation_valid: {valid}\nrotation_correction: {turn}\n"
        "is_table: False\nis_diagram: False\n---\n"
    )


def test_a_page_that_lies_on_its_side_is_turned_and_asked_for_again():
    acts = [says(head(False, 90) + "gibberish"), says(head(True, 0) + ANSWER)]
    with chat_server(acts) as server:
        result = read(server, profile="olmocr")
    first, second = (request.picture for _, request in server.requests)
    assert first.size == second.size[::-1]
    wide, high = second.size
    right, left = second.crop((wide * 3 // 4, 0, wide, high)), second.crop((0, 0, wide // 4, high))
    assert right.getextrema()[0] < 50 < left.getextrema()[0]  # the marks on top went right
    assert (result.text, result.pages[0].turn) == (ANSWER, 270)
    assert "front matter" in server.requests[0][1].prompt


def test_a_model_that_turns_for_ever_is_believed_at_last():
    with chat_server(lambda number, request: says(head(False, 180) + ANSWER)) as server:
        result = read(server, profile="olmocr")
    assert (result.text, len(server.requests)) == (ANSWER, 2)


def test_options_are_checked_before_anything_is_read():
    good = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    require_engine("vlm", good)
    for options, message in [
        ({**good, "base_url": "127.0.0.1"}, "base_url must be an http"),
        ({**good, "model": ""}, "model is missing"),
        ({**good, "profile": "olmocr3"}, "unknown VLM profile 'olmocr3': use one of generic, olm"),
        ({**good, "modle": "x"}, "unknown option 'modle', it has: base_url, model"),
        ({**good, "concurrency": 0}, "concurrency must be at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            require_engine("vlm", options)


# --- answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400,
        "Text. " + "the same words over and over again, " * 12,
        "A whole sentence that is longer than fifty characters, come what may. " * 5,
        "| 1 | 2 |\n" * 40,
        "first line\nsecond line\nthird line\n" * 12,
    ],
)
def test_loops_are_seen(text):
    assert looping(text)
    long = text * (2000 // len(text) + 1)  # a loop that the model found out of
    assert loops_anywhere(f"A beginning.\n{long}\n\nAnd a good end, after the loop.")


@pytest.mark.parametrize(
    "text",
    [
        "| Wheat | 1 |\n| Barley | 2 |\n" + "|  |  |\n" * 20,
        "Yes No " * 10,
        "\n".join(f"{i}. item {i * 7919 % 1000}" for i in range(200)),
        "_" * 150,
        "",
    ],
)
def test_repetitive_pages_are_no_loops(text):
    assert not loops_anywhere(text)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=60), st.text(max_size=300))
def test_every_piece_repeated_often_enough_is_a_loop(piece, before):
    if piece.strip() == piece:
        assert looping(before + piece * (400 // len(piece) + 13))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 4000))
def test_random_words_are_no_loop(seed, length):
    dice = random.Random(seed)
    words = [str(dice.randrange(10**6)) for _ in range(length // 6)]
    assert not looping(" ".join(words))


def test_refusals_and_letters_that_begin_like_them():
    assert refuses("I'm sorry, but I can't read the text in this image.")
    assert refuses("The image appears to be blank.")
    assert refuses("[MISSING_PAGE_FAIL:1]")
    assert not refuses("I am sorry to hear of your loss. " * 20)
    assert not refuses("The document shows that the mill was built in 1905.")
    assert not refuses("")


def test_parsers():
    assert parse_plain("Here is the text of the page:\n\n# Mill\n").markdown == "# Mill"
    assert parse_plain("```\n# Mill\n```").markdown == "# Mill"
    assert parse_front_matter(head(True, 0) + "# Mill").turn == 0
    for bad in ("# Mill", "---\n[1\n---\nx", "---\nmill\n---\nx", head(False, 45) + "x"):
        with pytest.raises(ValueError):
            parse_front_matter(bad)
    tagged = "<|ref|>title<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n# Mill\n<|end_of_sentence|>"
    assert parse_grounding(tagged).markdown == "# Mill"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_parsers_take_any_text(text):
    parse_plain(text)
    parse_grounding(text)
    try:
        parse_front_matter(text)
    except ValueError:
        pass
