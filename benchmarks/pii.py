"""Personal data in generated texts full of look-alikes: precision and recall by type, and speed.

    python benchmarks/pii.py --clean 'docs/**/*.md'

Texts are sentences of the kinds in which personal data stand in pages, mails, logs and tables, with
values drawn by format and check digit (no real person's), between sentences with what looks alike:
versions, ISBNs, DOIs, dates, hashes, prices, code, tables of numbers, reserved addresses, published
test numbers. A find is right when it covers the value exactly. Half of the values of each type
that has a word for itself stand behind it, half stand bare; the table tells both.
"""

# ruff: noqa: E501

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import string
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.es import dni
from stdnum.pl import pesel

from catalogs import storage
from filters import personal_data

NAMES = [
    "anna kowalska",
    "j.smith",
    "maria-lopez",
    "tom.baker",
    "li_wei",
    "h.mueller",
    "sara",
    "p.novak",
    "olu.ade",
]
HOSTS = "gmail.com|web.de|uni-bonn.de|orange.fr|acme-tools.co.uk|proton.me|mit.edu|firma.com.pl"
PROSE = (
    "The mill stands by the river and grinds from morning to night.",
    "Readers asked for more examples, and the next edition brings them.",
    "In the second part the method is applied to three larger sets of data.",
    "Nobody had expected the bridge to close for the whole summer.",
)


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def email(rng: random.Random) -> tuple[str, str, str]:
    name = rng.choice(NAMES).replace(" ", rng.choice([".", "", "_"]))
    value = f"{name}{rng.choice(['', '7', '+news'])}@{rng.choice(HOSTS.split('|'))}"
    return value, f"Write to {value} for the minutes.", f"Contact: <{value}>"


def phone(rng: random.Random) -> tuple[str, str, str]:
    area = rng.choice(["212", "415", "617", "312", "206", "303", "404", "512", "702", "818"])
    rest = f"{rng.randrange(200, 999)}-{rng.randrange(1000, 9999)}"
    while rest.startswith("555"):
        rest = f"{rng.randrange(200, 999)}-{rng.randrange(1000, 9999)}"
    value = rng.choice(
        [
            f"({area}) {rest}",
            f"{area}-{rest}",
            f"+1 {area} {rest.replace('-', ' ')}",
            f"+44 20 7{digits(rng, 3)} {digits(rng, 4)}",
            f"+33 1 {rng.choice('4578')}{digits(rng, 1)} {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
            f"+48 22 {rng.randrange(500, 700)} {digits(rng, 2)} {digits(rng, 2)}",
        ]
    )
    return value, f"The office ({value}) is open until five.", f"Phone: {value}"


def card(rng: random.Random) -> tuple[str, str, str]:
    head = rng.choice(["4" + digits(rng, 14), f"5{rng.randrange(1, 6)}" + digits(rng, 13)])
    number = head + luhn.calc_check_digit(head)
    value = rng.choice([" ", "-"]).join(number[at : at + 4] for at in range(0, 16, 4))
    return value, f"He paid with {value} at the desk.", f"Credit card: {number}"


def account(rng: random.Random) -> tuple[str, str, str]:
    bban = rng.choice(
        [
            ("DE", digits(rng, 18)),
            ("GB", "BUKB" + digits(rng, 14)),
            ("NL", "INGB0" + digits(rng, 9)),
        ]
    )
    check = iban.calc_check_digits(f"{bban[0]}00{bban[1]}")
    number = f"{bban[0]}{check}{bban[1]}"
    value = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return value, f"Please transfer the rent to {value} by Friday.", f"IBAN: {number}"


def address(rng: random.Random) -> tuple[str, str, str]:
    if rng.random() < 0.3:
        value = f"2a02:{rng.randrange(4096, 65535):x}:{rng.randrange(1, 65535):x}::{rng.randrange(1, 65535):x}"
    else:
        value = ".".join(
            str(n)
            for n in (
                rng.choice([81, 93, 146, 185, 212]),
                rng.randrange(20, 255),
                rng.randrange(255),
                rng.randrange(1, 255),
            )
        )
    return value, f"Six requests came through {value} before noon.", f"login from IP {value} failed"


def national(rng: random.Random) -> tuple[str, str, str]:
    ssn = f"{rng.choice([rng.randrange(100, 600), rng.randrange(700, 800)]):03d}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"
    head = digits(rng, 9)
    tax = cpf.format(head + cpf._calc_check_digits(head))
    number = digits(rng, 8)
    card_es = number + dni.calc_check_digit(number)
    head = f"{rng.randrange(50, 99)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{digits(rng, 4)}"
    person = head + pesel.calc_check_digit(head)
    said = rng.choice([("SSN", ssn), ("CPF", tax), ("DNI", card_es), ("PESEL", person)])
    bare = rng.choice([ssn, tax])
    return (bare, f"The form names {bare} and two witnesses.", f"{said[0]}: {said[1]}")


def key(rng: random.Random) -> tuple[str, str, str]:
    both = string.ascii_letters + string.digits

    def some(count: int, chars: str = both) -> str:
        return "".join(rng.choice(chars) for _ in range(count))

    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    value = rng.choice(
        [
            "AKIA" + some(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
            "ghp_" + some(36),
            "AIza" + some(35),
            f"xoxb-{digits(rng, 12)}-{digits(rng, 12)}-{some(24)}",
            "sk_live_" + some(24),
            f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': digits(rng, 8)})}.{some(43)}",
        ]
    )
    return value, f"They had committed {value} by mistake.", f'token = "{value}"'


MAKERS: dict[str, Callable] = {
    "email": email,
    "phone": phone,
    "card": card,
    "iban": account,
    "ip": address,
    "national_id": national,
    "key": key,
}


def look_alike(rng: random.Random) -> str:
    """A sentence with something that is nobody's."""
    n = rng.randrange
    return rng.choice(
        [
            f"Version {n(20)}.{n(20)}.{n(20)}.{n(20)} replaces {n(20)}.{n(20)}.{n(9999)}.{n(99)}.",
            f"foo-{n(40)}.{n(40)}.{n(40)}.{n(40)}.tar.gz and bar=={n(40)}.{n(40)}.{n(40)}.{n(40)}",
            f"Firefox/{n(60, 130)}.0.{n(5000)}.{n(200)} on Windows NT 10.0",
            f"ISBN 978-{n(10)}-{digits(rng, 2)}-{digits(rng, 6)}-{n(10)}, ISSN {digits(rng, 4)}-{digits(rng, 4)}",
            f"doi:10.{n(1000, 9999)}/{digits(rng, 7)}.{digits(rng, 7)}, arXiv:{n(1000, 2500)}.{digits(rng, 5)}",
            f"From {n(1900, 2025)}-{n(1, 13):02d}-{n(1, 29):02d} to {n(1, 29):02d}/{n(1, 13):02d}/{n(1900, 2025)} at {n(24):02d}:{n(60):02d}:{n(60):02d}",
            f"commit {rng.getrandbits(160):040x}, uuid {rng.getrandbits(32):08x}-{n(65536):04x}-4{n(4096):03x}-a{n(4096):03x}-{rng.getrandbits(48):012x}",
            f"It costs ${n(100, 9999)},{digits(rng, 3)}.{digits(rng, 2)}, up from {n(1000, 99999)} EUR ({n(100)}.{digits(rng, 2)} %).",
            f"| {digits(rng, 4)} | {digits(rng, 4)} | {digits(rng, 4)} | {digits(rng, 4)} |",
            f"{digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)}",
            f"x = 0x{rng.getrandbits(64):x}; y = {n(10**9)}; z[{n(10)}:{n(10)}:{n(10)}] = {rng.random()}",
            f"hosts 192.168.{n(256)}.{n(256)}, 10.{n(256)}.{n(256)}.{n(256)}, 203.0.113.{n(256)}, 2001:db8::{n(65536):x}, ::1",
            f"user{n(99)}@example.com, admin@localhost, git@github.com:user/repo.git, @user{n(99)}",
            "card 4111 1111 1111 1111 or 4242424242424242 in the sandbox; key AKIAIOSFODNN7EXAMPLE",
            f"std::vector<int>::iterator, a::b::c, {n(24):02d}:{n(60):02d}:{n(60):02d}.{digits(rng, 3)}",
            f"order no. {digits(rng, 12)}, part {digits(rng, 3)}-{digits(rng, 5)}, serial {digits(rng, 10)}",
            f"epoch {n(10**9, 2 * 10**9)}, pi 3.{digits(rng, 14)}, at {n(90)}.{digits(rng, 7)}, -{n(180)}.{digits(rng, 7)}",
            f"(555) 555-01{digits(rng, 2)} is a number of films; RFC {n(9000)}, port {n(65536)}, section {n(1, 9)}.{n(1, 9)}.{n(1, 9)}.{n(1, 9)}",
            f"MAC {':'.join(f'{n(256):02X}' for _ in range(6))}, sha256 {rng.getrandbits(256):064x}",
            f"INTERNATIONALIZATION{n(10)} and getElementsByClassName{n(10)} and x86_64-linux-gnu-{n(10)}",
        ]
    )


def make(rng: random.Random) -> tuple[str, list[tuple[int, int, str, bool]]]:
    """A text and what is in it: first byte, end, type, whether a word says what it is."""
    parts: list[str] = []
    truth: list[tuple[int, int, str, bool]] = []
    size = 0
    for _ in range(rng.randrange(10, 30)):
        kind = rng.random()
        if kind < 0.5:
            sentence = rng.choice(PROSE)
        elif kind < 0.85:
            sentence = look_alike(rng)
        else:
            type = rng.choice(list(MAKERS))
            value, bare, said = MAKERS[type](rng)
            with_word = rng.random() < 0.5
            sentence = said if with_word else bare
            if with_word and value not in said:  # another form of it stands behind the word
                value = said.partition(": ")[2]
            start = size + sentence.index(value)
            truth.append((start, start + len(value), type, with_word))
        parts.append(sentence)
        size += len(sentence) + 1
    return "\n".join(parts), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=2000, help="texts generated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--clean",
        nargs="+",
        default=[os.path.dirname(os.__file__) + "/*.py"],
        help="files for the speed, globs too; default: Python's own modules",
    )
    parser.add_argument("--misses", type=int, default=0, help="so many errors are shown")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    made = [make(rng) for _ in range(arguments.texts)]
    found = personal_data([text for text, _ in made], ["en"] * len(made)).to_pylist()
    right: Counter = Counter()
    planted: Counter = Counter()
    wrong: Counter = Counter()
    shown = 0
    for (text, truth), spans in zip(made, found, strict=True):
        told = {(span["start"], span["end"], span["type"]) for span in spans}
        for start, end, type, with_word in truth:
            planted[type, with_word] += 1
            right[type, with_word] += (start, end, type) in told
            if (start, end, type) not in told and shown < arguments.misses:
                print("missed", type, repr(text[max(0, start - 20) : end + 10]))
                shown += 1
        for start, end, type in told - {place[:3] for place in truth}:
            wrong[type] += 1
            if shown < arguments.misses:
                print("wrong ", type, repr(text[max(0, start - 30) : start]), text[start:end])
                shown += 1
    print(
        f"{len(made):,} texts, {sum(planted.values()):,} values, look-alikes around all of them\n"
    )
    print("type          values   precision   recall   behind a word   bare")
    for type in MAKERS:
        hits = right[type, True] + right[type, False]
        values = planted[type, True] + planted[type, False]
        by = [right[type, said] / max(planted[type, said], 1) for said in (True, False)]
        precision = hits / max(hits + wrong[type], 1)
        print(
            f"{type:<12} {values:>7,} {precision:>11.3f} {hits / values:>8.3f} {by[0]:>15.3f} {by[1]:>6.3f}"
        )
    hits, errors = sum(right.values()), sum(wrong.values())
    print(
        f"{'all':<12} {sum(planted.values()):>7,} {hits / (hits + errors):>11.3f} {hits / sum(planted.values()):>8.3f}"
    )
    speed(arguments.clean)


def speed(patterns: list[str]) -> None:
    """Microseconds a document on files."""
    texts = []
    for path in (path for pattern in patterns for path in storage.expand(pattern)):
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read(20_000))
    column = pa.array(texts, pa.large_string())
    languages = ["en"] * len(texts)
    found = personal_data(column, languages)  # compiles
    began = time.process_time()
    personal_data(column, languages)
    seconds = time.process_time() - began
    size = sum(len(text.encode()) for text in texts)
    print(
        f"\n{len(texts):,} files of {size / len(texts):,.0f} bytes: {1e6 * seconds / len(texts):,.0f} µs each, "
        f"{size / seconds / 1e6:.0f} MB/s"
    )
    print(
        "found there: "
        + (
            ", ".join(
                f"{count} {type}"
                for type, count in Counter(
                    span["type"] for spans in found.to_pylist() for span in spans
                ).most_common()
            )
            or "nothing"
        )
    )


if __name__ == "__main__":
    main()
