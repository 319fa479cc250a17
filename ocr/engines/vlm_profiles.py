"""How each family of vision-language models wants to be asked, and how its answers are read.

Profiles are data.  The prompts of fine-tuned models are part of the model: another wording costs
accuracy.  Sources: the model cards and code of olmOCR (Apache-2.0; 1,288 pixels, YAML front matter,
eight tries at rising temperature), RolmOCR (1,280 pixels; repetition penalty 1.05 in FinePDFs),
DeepSeek-OCR (MIT; 1,024 pixels, no-repeat n-grams of 30 in a window of 90), Nougat (896 x 672).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

_LADDER = (0.1, 0.1, 0.2, 0.3, 0.5, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer understood: Markdown, and how far the model says the picture must be turned
    clockwise to stand upright (0, 90, 180, 270)."""

    markdown: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """longest_side: pixels of the picture sent; temperatures: one a try; parse: answer -> Page,
    raising ValueError; body: further fields of the request."""

    prompt: str
    parse: Callable[[str], Page]
    longest_side: int = 1288
    image_first: bool = False
    temperatures: tuple[float, ...] = _LADDER
    max_tokens: int = 8192
    body: Mapping[str, Any] = field(default_factory=dict)


_FENCE = re.compile(r"\A```[a-z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_PREAMBLE = re.compile(
    r"(?i)\A(?:sure|certainly|of course|okay|here(?: is|['’]s))\b[^\n]{0,150}:[ \t]*\n+"
)
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)(.*)", re.DOTALL)
_TAGS = re.compile(r"<\|ref\|>.*?<\|/ref\|><\|det\|>.*?<\|/det\|>[ \t]*\n?|<\|[a-z_/▁]+\|>")


def parse_plain(answer: str) -> Page:
    """Markdown, perhaps in a code fence or behind a polite preamble."""
    text = _PREAMBLE.sub("", answer.strip())
    fenced = _FENCE.match(text.strip())
    return Page((fenced[1] if fenced else text).strip())


def parse_front_matter(answer: str) -> Page:
    """olmOCR's: a YAML head, then Markdown.  Raises ValueError without a usable head."""
    match = _FRONT_MATTER.match(answer)
    if not match:
        raise ValueError("no front matter")
    try:
        head = yaml.safe_load(match[1])
    except (yaml.YAMLError, RecursionError):
        raise ValueError("front matter is no YAML") from None
    if not isinstance(head, dict):
        raise ValueError("front matter is no mapping")
    turn = 0
    if head.get("is_rotation_valid") is False:
        turn = head.get("rotation_correction")
        if turn not in (0, 90, 180, 270):
            raise ValueError(f"rotation correction {turn!r}")
    return Page(match[2].strip(), turn)


def parse_grounding(answer: str) -> Page:
    """DeepSeek-OCR's: Markdown with tags that name and place each block."""
    return parse_plain(_TAGS.sub("", answer))


_VLLM = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}

PROFILES: dict[str, Profile] = {
    "generic": Profile(
        "Transcribe this page as Markdown in its natural reading order. Write tables as Markdown"
        " tables and formulas as LaTeX. Leave out running heads and page numbers. Answer with the"
        " text of the page alone; if it has none, answer with nothing.",
        parse_plain,
        body={"stream_options": {"include_usage": True}},
    ),
    "olmocr": Profile(
        "Attached is one page of a document that you must process. Just return the plain text"
        " representation of this document as if you were reading it naturally. Convert equations"
        " to LateX and tables to HTML.\nIf there are any figures or charts, label them with the"
        " following markdown syntax ![Alt text describing the contents of the figure]"
        "(page_startx_starty_width_height.png)\nReturn your output as markdown, with a front matter"
        " section on top specifying values for the primary_language, is_rotation_valid,"
        " rotation_correction, is_table, and is_diagram parameters.",
        parse_front_matter,
        body=_VLLM,
    ),
    "rolmocr": Profile(
        "Return the plain text representation of this document as if you were reading it"
        " naturally.\n",
        parse_plain,
        longest_side=1280,
        image_first=True,
        temperatures=(0.0, *_LADDER[2:]),
        max_tokens=4096,
        body={**_VLLM, "repetition_penalty": 1.05},
    ),
    "deepseek-ocr": Profile(
        "<|grounding|>Convert the document to markdown.",
        parse_grounding,
        longest_side=1024,
        image_first=True,
        temperatures=(0.0, *_LADDER[2:]),
        body={
            **_VLLM,
            "skip_special_tokens": False,
            "vllm_xargs": {"ngram_size": 30, "window_size": 90},
        },
    ),
    "nougat": Profile(
        "<s>",
        parse_plain,
        longest_side=896,
        temperatures=(0.0, *_LADDER[2:5]),
        max_tokens=3584,
        body=_VLLM,
    ),
}


def profile_of(name: str, **changes: Any) -> Profile:
    """The profile with every change that is not None.  Raises ValueError: unknown name."""
    if name not in PROFILES:
        raise ValueError(f"unknown VLM profile {name!r}: use one of {', '.join(PROFILES)}")
    return replace(PROFILES[name], **{k: v for k, v in changes.items() if v is not None})
