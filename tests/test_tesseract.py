"""The Tesseract engine: the program itself where it is on PATH, and a recorded run of it."""

import shutil
import stat
import sys

import pytest
from PIL import Image, ImageDraw

from ocr import PdfOptions, read_pdf, require_engine
from tests.pdfs import Page, make

LINES = ["The quick brown fox jumps over", "the lazy dog near the river."]

HEAD = "level page_num block_num par_num line_num word_num left top width height conf text"
WORDS = [  # line, word, left, top, width, height, confidence, text
    (1, 1, 100, 105, 66, 30, 96.1, "The"), (1, 2, 180, 105, 100, 38, 95.2, "quick"),
    (1, 3, 295, 105, 110, 30, 96.5, "brown"), (1, 4, 420, 105, 50, 30, 96.0, "fox"),
    (1, 5, 485, 105, 120, 38, 93.0, "jumps"), (1, 6, 620, 112, 80, 23, 96.4, "over"),
    (1, 7, 1100, 112, 9, 23, 12.0, "|"), (2, 1, 100, 165, 50, 30, 96.7, "the"),
    (2, 2, 165, 165, 80, 38, 96.9, "lazy"), (2, 3, 260, 165, 60, 38, 96.8, "dog"),
    (2, 4, 335, 172, 80, 23, 95.8, "near"), (2, 5, 430, 165, 50, 30, 96.6, "the"),
    (2, 6, 495, 165, 90, 30, 92.9, "river."), (2, 7, 590, 165, 9, 23, 4.0, "~"),
]  # fmt: skip


def page() -> bytes:
    image = Image.new("L", (1275, 400), 250)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(LINES):
        draw.text((100, 100 + 60 * i), line, fill=10, font_size=36)
    return make(Page(612, 192).picture(image)).bytes()


def program(folder, reading: str) -> None:
    """A `tesseract` that answers as the real one was seen to, and does `reading` when it reads."""
    table = "\n".join(
        ["\t".join(HEAD.split()), "1\t1\t0\t0\t0\t0\t0\t0\t1800\t565\t-1\t"]
        + ["\t".join(map(str, (5, 1, 1, 1, *word))) for word in WORDS]
    )
    path = folder / "tesseract"
    path.write_text(
        f"#!{sys.executable}\nimport sys, time\n"
        "if '--version' in sys.argv: print('tesseract 5.3.0'); sys.exit()\n"
        "if '--list-langs' in sys.argv: print('List of languages\\neng\\nosd\\nrus'); sys.exit()\n"
        "assert sys.stdin.buffer.read(8) == b'\\x89PNG\\r\\n\\x1a\\n' and sys.argv[-1] == 'tsv'\n"
        f"table = {table!r}\n{reading}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def read(**options):
    return read_pdf(page(), PdfOptions(engine="tesseract", fallback="none", engine_options=options))


def test_without_the_program_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"no program of that name on PATH; install it .*apt-get"):
        require_engine("tesseract")
    with pytest.raises(ValueError, match="no program of that name"):
        read()


def test_words_with_boxes_become_lines(monkeypatch, tmp_path):
    program(tmp_path, "print(table)")
    real = shutil.which("tesseract")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = read()
    assert result.text == " ".join(LINES)
    assert result.pages[0].engine == "tesseract 5.3.0"
    assert result.pages[0].confidence == pytest.approx(0.955, abs=0.01)
    with pytest.raises(ValueError, match="no trained data for 'ara'; installed: eng, rus"):
        require_engine("tesseract", {"languages": "rus+ara"})
    if real:  # where it is installed it must say the same
        monkeypatch.setenv("PATH", real.rpartition("/")[0])
        assert read().text == " ".join(LINES)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ("sys.exit(1)", "page 1: tesseract failed"),
        ("time.sleep(99)", "page 1: tesseract took more than 2 s"),
        ("print('5\\t' * 11)", "page 1: tesseract failed"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "page 1: tesseract failed"),
    ],
)
def test_a_program_that_breaks_costs_its_page(monkeypatch, tmp_path, reading, message):
    program(tmp_path, reading)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = read(seconds=2.0 if "sleep" in reading else 120.0)
    assert (result.status, result.text) == ("partial", "")
    assert message in result.detail
