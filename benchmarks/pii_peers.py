"""Personal data of Faker in 16 countries' formats: found here, and by the patterns of peers.

    pip install faker && python benchmarks/pii_peers.py --clean '/usr/share/doc/**/*'

Values are Faker's, not this project's: free-mail addresses, telephone numbers, IBANs, cards, IP
addresses of 16 locales, in lines as mails, tables, JSON, CSV, logs, Markdown and HTML have them.
Found means that a find covers the value, exact that it covers nothing else. Beside it, over the
same texts, the patterns of dolma (``pii_regex_v1``: e-mail, phone, IP) and of datatrove
(``PIIFormatter``: e-mail, IP). Files of `--clean` give the finds per megabyte, to be read by eye
with ``--show``, and the speed of all three.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import phonenumbers
import pyarrow as pa

from catalogs import storage
from filters import personal_data

LOCALES = (
    *("en_US", "en_GB", "en_CA", "de_DE", "de_AT", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL"),
    *("pt_BR", "sv_SE", "da_DK", "fi_FI", "cs_CZ", "ja_JP"),
)
WORDS = {
    **dict.fromkeys(("de", "sv", "cs"), "Telefon"),
    **dict.fromkeys(("es", "it", "pt", "nl"), "Tel."),
    "en": "Phone",
    "fr": "Tél",
    "pl": "tel.",
    "da": "Tlf.",
    "fi": "Puh.",
    "ja": "TEL",
}
TEMPLATES = (
    "{name} ({value}) asked for the minutes of the meeting.",
    "| {name} | {value} | open |",
    '{{"name": "{name}", "{key}": "{value}", "id": 17}}',
    "{name},{value},2019-03-04,yes",
    "{word}: {value}",
    "2019-03-04 10:11:12 INFO {key}={value} user={name}",
    "<td>{name}</td><td>{value}</td>",
    "* {name}: {value}",
)
NETWORKS = ("visa16", "mastercard", "amex", "discover")
KEYS = {"email": "E-Mail", "iban": "IBAN", "card": "Credit card", "ip": "IP"}
# dolma 1.2.1, python/dolma/taggers/pii.py
_DOLMA = {
    "email": re.compile(r"[.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]"),
    "phone": re.compile(r"\s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})"),
    "ip": re.compile(
        r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}"
        r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
    ),
}


def make(rng: random.Random, count: int) -> list[tuple[str, str, list[tuple[int, int, str]]]]:
    """Language, text and what is in it (characters, type) of so many texts."""
    from faker import Faker

    made = []
    for number in range(count):
        locale = LOCALES[number % len(LOCALES)]
        fake = Faker(locale)
        fake.seed_instance(rng.getrandbits(32))
        language = locale[:2]
        makers = {
            "email": fake.ascii_free_email,
            "phone": lambda fake=fake, locale=locale: _phone(fake, locale[-2:]),
            "iban": fake.iban,
            "card": lambda fake=fake: fake.credit_card_number(rng.choice(NETWORKS)),
            "ip": rng.choice([fake.ipv4_public, fake.ipv4_public, lambda: _v6(rng)]),
        }
        text, truth = "", []
        for _ in range(12):
            text += " ".join(fake.sentence() for _ in range(2)) + "\n"
            kind = rng.choice(list(makers))
            value = makers[kind]()
            word = WORDS[language] if kind == "phone" else KEYS[kind]
            line = rng.choice(TEMPLATES).format(
                name=fake.last_name(), value="\0", word=word, key=kind
            )
            start = len(text) + line.index("\0")
            truth.append((start, start + len(value), kind))
            text += line.replace("\0", value) + "\n"
        made.append((language, text, truth))
    return made


def _phone(fake, region: str) -> str:
    """A number of Faker that could be called: many of its area codes are nobody's."""
    while True:
        value = fake.phone_number()
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return value


def _v6(rng: random.Random) -> str:
    return (
        f"2a02:{rng.randrange(4096, 65535):x}:{rng.randrange(1, 65535):x}::{rng.randrange(9, 99):x}"
    )


def ours(texts: list[str], languages: list[str]) -> list[list[tuple[int, int, str]]]:
    """Finds of `filters.personal_data`, in characters."""
    found = []
    for text, row in zip(texts, personal_data(texts, languages).to_pylist(), strict=True):
        data = text.encode()
        found.append(
            [
                (*(len(data[: f[side]].decode()) for side in ("start", "end")), f["type"])
                for f in row
            ]
        )
    return found


def dolma(texts: list[str], languages: list[str]) -> list[list[tuple[int, int, str]]]:
    """Matches of dolma's patterns."""
    return [
        [
            (*(m.span(1) if kind == "email" else m.span()), kind)
            for kind, shape in _DOLMA.items()
            for m in shape.finditer(text)
        ]
        for text in texts
    ]


def datatrove(texts: list[str], languages: list[str]) -> list[list[tuple[int, int, str]]]:
    """Matches of datatrove's patterns that its check lets pass."""
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()
    replacers = {"email": formatter.emails_replacer, "ip": formatter.ip_replacer}
    return [
        [
            (*m.span(), kind)
            for kind, replacer in replacers.items()
            for m in replacer.regex.finditer(text)
            if replacer.validator is None or replacer.validator(m.group(0))
        ]
        for text in texts
    ]


PEERS = {"corpusmill": ours, "dolma": dolma, "datatrove": datatrove}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", nargs="*", default=[], help="real files, globs too")
    parser.add_argument("--show", type=int, default=0, help="so many misses and finds are shown")
    arguments = parser.parse_args()
    made = make(random.Random(arguments.seed), arguments.texts)
    languages, texts, truths = zip(*made, strict=True)
    print(f"{len(texts):,} texts of {len(LOCALES)} locales\n")
    print(
        "type   values " + "".join(f"{name + ': found / exact / precision':>38}" for name in PEERS)
    )
    rows = {name: score(look(list(texts), list(languages)), truths) for name, look in PEERS.items()}
    for kind in KEYS | {"phone": ""}:
        line = f"{kind:<7}{rows['corpusmill'][kind][0]:>6}"
        for name in PEERS:
            values, hit, exact, told = rows[name][kind]
            line += (
                f"{hit / values:>23.1%} {exact / values:>6.1%} {hit / max(told, hit):>6.1%}"
                if told
                else f"{'not looked for':>38}"
            )
        print(line)
    if arguments.show:
        misses(texts, ours(list(texts), list(languages)), truths, arguments.show)
    if arguments.clean:
        clean(arguments.clean, arguments.show)


def score(found, truths) -> dict[str, tuple[int, int, int, int]]:
    """Values, those covered, those covered exactly, and finds, by type."""
    counts = {kind: Counter() for kind in (*KEYS, "phone")}
    for finds, truth in zip(found, truths, strict=True):
        for start, end, kind in truth:
            own = [f for f in finds if f[0] <= start + 1 and f[1] >= end - 1 and f[2] == kind]
            counts[kind].update(n=1, hit=bool(own), exact=(start, end, kind) in own)
        for find in finds:
            if find[2] in counts:
                counts[find[2]]["told"] += 1
    return {k: (c["n"], c["hit"], c["exact"], c["told"]) for k, c in counts.items()}


def misses(texts, found, truths, most: int) -> None:
    """Print values that were not found."""
    lost = [
        (kind, text[max(0, start - 25) : end + 10])
        for text, finds, truth in zip(texts, found, truths, strict=True)
        for start, end, kind in truth
        if not any(f[0] <= start and f[1] >= end for f in finds)
    ]
    for kind, words in random.Random(1).sample(lost, min(most, len(lost))):
        print("missed", kind, repr(words))


def clean(patterns: list[str], show: int) -> None:
    """Finds per megabyte of real files, and the speed."""
    texts = []
    for path in (path for pattern in patterns for path in storage.expand(pattern)):
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read(20_000))
    size = sum(len(text.encode()) for text in texts) / 1e6
    column = pa.array(texts, pa.large_string())
    print(f"\n{len(texts):,} files, {size:.1f} MB")
    languages = ["en"] * len(texts)
    base = None
    for name, look in {"corpusmill": personal_data, "dolma": dolma, "datatrove": datatrove}.items():
        look(column if look is personal_data else texts, languages)  # compiles
        began = time.process_time()
        look(column if look is personal_data else texts, languages)
        seconds = time.process_time() - began
        base = base or seconds
        finds = Counter(f[2] for row in PEERS[name](texts, languages) for f in row)
        told = ", ".join(f"{count / size:.2f} {kind}" for kind, count in finds.most_common())
        print(
            f"{name:<12}{size / seconds:>7.1f} MB/s, {seconds / base:.1f} x the time; a MB: {told}"
        )
    rng = random.Random(1)
    finds = [
        (kind, text[max(0, start - 30) : start], text[start:end])
        for text, row in zip(texts, ours(texts, ["en"] * len(texts)), strict=True)
        for start, end, kind in row
    ]
    for find in rng.sample(finds, min(show, len(finds))):
        print(*map(repr, find))


if __name__ == "__main__":
    main()
