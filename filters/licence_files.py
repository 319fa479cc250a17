"""Licence files: which licence a LICENSE or COPYING file holds, and whom it covers.

A text is told by words that no other licence has; what is told by none is ``None``.
"""

from __future__ import annotations

import re

from filters.licence import text_licence

_FILE = re.compile(
    r"(?:UN)?LICEN[CS]E(?P<kind>[-_.][\w.+-]+)?|COPYING(?P<copying>[-_.][\w.+-]+)?|"
    r"COPYRIGHT(?:\.(?:txt|md))?",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\.(?:py|js|ts|c|h|cc|cpp|java|go|rs|rb|php|cs|json|ya?ml|toml|html?|css|sh|lua)$", re.I
)
_HEAD = 12_000
_HEADING = r" version (?P<version>\d(?:\.\d)?)"
_NOTICE = (
    r",? as published by the free software foundation[,;:]? (?:either )?version "
    r"(?P<version>\d(?:\.\d)?)(?P<later>.{0,40}?any later version)?"
)
_PHRASES = (
    # the first in the text counts; of those that begin alike, the first here
    *(
        (f"{name}-{{}}", rf"gnu {title} general public license{notice}")
        for name, title in (("AGPL", "affero"), ("LGPL", "(?:lesser|library)"))
        for notice in (_HEADING, _NOTICE)
    ),
    *(("GPL-{}", rf"gnu general public license{notice}") for notice in (_HEADING, _NOTICE)),
    ("GFDL-{}", r"gnu free documentation license version (\d\.\d)"),
    ("MPL-{}", r"mozilla public license version (\d\.\d)"),
    ("Apache-2.0", r"apache license version 2\.0"),
    ("EPL-{}", r"eclipse public license - v ?(\d\.\d)"),
    ("EUPL-{}", r"european union public licence v\. ?(\d\.\d)"),
    ("CC0-1.0", r"cc0 1\.0 universal|creative commons legal code cc0"),
    (
        "CC-{}",
        r"(?:creative commons )?attribution"
        r"(?P<terms>(?:-(?:noncommercial|noderivatives|noderivs|sharealike))*) "
        r"(?P<version>\d\.\d) (?:international|unported|generic)",
    ),
    ("BSL-1.0", r"boost software license - version 1\.0"),
    ("Unlicense", r"this is free and unencumbered software released into the public domain"),
    ("Artistic-2.0", r"the artistic license 2\.0"),
    ("PSF-2.0", r"python software foundation license version 2"),
    ("BUSL-1.1", r"business source license 1\.1"),
    ("Zlib", r"altered source versions must be plainly marked as such"),
    ("WTFPL", r"do what the fuck you want to public license"),
    ("0BSD", r"bsd zero clause|zero-clause bsd"),
    (
        "ISC",
        r"permission to use, copy, modify,? and(?:/or)? distribute this software for any purpose "
        r"with or without fee is hereby granted, provided",
    ),
    ("0BSD", r"permission to use, copy, modify,? and(?:/or)? distribute this software"),
    ("MIT-0", r"mit no attribution"),
    (
        "MIT",
        r"permission is hereby granted, free of charge, to any person obtaining a copy.*"
        r"the above copyright notice and this permission notice",
    ),
    (
        "BSD-4-Clause",
        r"redistribution and use in source and binary forms.*all advertising material",
    ),
    ("BSD-3-Clause", r"redistribution and use in source and binary forms.*(?:endorse or promote)"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms"),
    ("LicenseRef-all-rights-reserved", r"all rights reserved.{0,400}(?:proprietary|confidential)"),
)
_KNOWN = tuple((form, re.compile(words, re.DOTALL)) for form, words in _PHRASES)
_TERMS = {"noncommercial": "NC", "noderivatives": "ND", "noderivs": "ND", "sharealike": "SA"}


def is_licence_file(path: str) -> bool:
    """Whether a path ends in the name of a licence file: LICENSE, LICENCE.md, COPYING.LESSER …"""
    name = path.rpartition("/")[2]
    return bool(_FILE.fullmatch(name)) and not _CODE.search(name)


def licence_of_file(text: str) -> str | None:
    """The SPDX id of the licence whose text a file holds.

    The bare text of a GNU licence grants that version (``-only``, as SPDX reads its old ids); a
    notice that says "or any later version" is ``-or-later``.
    """
    declared = text_licence(text)
    if declared.id:
        return declared.id
    words = re.sub(r"[\s*#=_>]+", " ", text[:_HEAD]).lower()
    words = re.sub(r",? ?version", " version", words).replace("  ", " ")
    found = [(match.start(), at) for at, (_, p) in enumerate(_KNOWN) if (match := p.search(words))]
    if not found:
        return None
    form, pattern = _KNOWN[min(found)[1]]  # a text may name its relatives further down
    match = pattern.search(words)
    if form == "CC-{}":
        terms = [_TERMS[term] for term in match["terms"].split("-") if term]
        return "-".join(["CC-BY", *sorted(terms), match["version"]])
    named = match.groupdict()
    version = named.get("version") or (match.group(1) if match.groups() else "")
    name = form.format(version if "." in version else f"{version}.0")
    if "version" not in named:
        return name
    return f"{name}-or-later" if named.get("later") else f"{name}-only"


def nearest_licence(path: str, folders: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """The entry of the folder nearest above a path; folders without a slash at the end."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return folders[folder]
    return None


def joined(licences: dict[str, str]) -> str:
    """One expression for the licence files of a folder, by name.

    ``LICENSE-MIT`` beside ``LICENSE-APACHE`` offers a choice; files of other names, such as LICENSE
    and COPYING, hold each.
    """
    ids = sorted(set(licences.values()))
    choice = all(re.match(r"(?:UN)?LICEN[CS]E[-_]", name, re.IGNORECASE) for name in licences)
    whole = [f"({name})" if " " in name and len(ids) > 1 else name for name in ids]
    return (" OR " if choice else " AND ").join(whole)
