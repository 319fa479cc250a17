"""What is wrong with a language model's answer: loops, refusals, excuses instead of a page."""

from __future__ import annotations

import re

CHECK_EVERY = 1000  # characters of an answer between two looks for a loop
_TAIL = 6000  # characters looked at: a loop shows at the end of what was written so far
# (shortest period, repeats that make it a loop); FinePDFs stops a sentence of 50 characters at the
# fifth time, one character at the 350th.  Tables repeat short cells in earnest.
_REPEATS = ((200, 3), (50, 5), (8, 12), (1, 350))
_MIN_LOOP = 200  # characters

_REFUSAL = re.compile(
    r"(?i)^\W*(?:(?:i['’]?m|i am) (?:very )?(?:sorry|unable|afraid|not able)|(?:sorry|apologies)\b"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|do not|don['’]t)\b.{0,40}"
    r"\b(?:assist|help|read|see|view|transcribe|process|provide|access|extract|comply)"
    r"|as an ai\b|unfortunately,? (?:i|the image)\b"
    r"|(?:the|this) (?:image|page|document) (?:you|is not|cannot|could not|appears? to be (?:blank"
    r"|empty|unreadable|illegible)))"
)
_EXCUSE = 400  # characters: a page that begins so and goes on longer may be a letter

_MISSING = re.compile(r"\[MISSING_PAGE(?:_[A-Z]+)?(?::\d+)?\]")  # Nougat's word for giving up


def looping(text: str) -> bool:
    """Does the text end in a loop: one piece again and again?

    The shortest period of every suffix comes from the prefix function (Knuth, Morris & Pratt,
    1977) of the reversed tail, in linear time.
    """
    tail = text[-_TAIL:][::-1]
    reach = [0] * len(tail)
    k = 0
    for i in range(1, len(tail)):
        while k and tail[i] != tail[k]:
            k = reach[k - 1]
        if tail[i] == tail[k]:
            k += 1
        reach[i] = k
        length = i + 1
        period = length - k
        if length >= _MIN_LOOP and length >= period * _needed(period):
            return True
    return False


def _needed(period: int) -> int:
    return next(
        repeats if shortest > 1 else -(-repeats // period)
        for shortest, repeats in _REPEATS
        if period >= shortest
    )


def loops_anywhere(text: str) -> bool:
    """Did the text loop at its end or at one of the places where a stream would be looked at?"""
    ends = [*range(CHECK_EVERY, len(text), CHECK_EVERY), len(text)]
    return any(looping(text[:end]) for end in ends)


def refuses(text: str) -> bool:
    """Is the answer an excuse, and not the page?"""
    text = text.strip()
    return bool(
        (len(text) < _EXCUSE and _REFUSAL.match(text))
        or (_MISSING.search(text) and len(_MISSING.sub("", text).strip()) < _EXCUSE)
    )
