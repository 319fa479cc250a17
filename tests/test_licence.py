"""Licences of pages and source files, and opt-outs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from filters import html_licence, opt_outs, text_licence
from filters.licence_classes import CLASSES, license_class
from filters.licence_files import is_licence_file, joined, licence_of_file, nearest_licence
from filters.licence_ids import licence_of_url, licence_of_value, licence_of_words
from filters.licence_text import pdf_licence
from pipeline.compliance import merged, pdf_opt_out_columns, said_by_headers

BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
LINK = f'<a href="{BY_SA}">CC BY-SA 4.0</a>'
PROSE = "<p>The mill stands by the river and its wheel has turned for three hundred years.</p>" * 5


def page(head="", body="", foot=""):
    return (
        f"<!doctype html><html><head><title>x</title>{head}</head><body><nav><a href='/'>Home</a>"
        f"</nav><main><article>{PROSE}{body}</article></main>{foot}</body></html>"
    )


def answer(html, headers=None):
    found = html_licence(html, headers)
    return found.id if found.scope == "page" else None


@pytest.mark.parametrize(
    ("url", "licence"),
    [
        ("http://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("//creativecommons.org/licenses/by-nc-sa/2.5/deed.de", "CC-BY-NC-SA-2.5"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0", "CC-BY-NC-ND-1.0"),
        ("https://creativecommons.org/licenses/by/3.0/at/", "CC-BY-3.0"),
        ("http://creativecommons.org/licenses/ by-sa/4.0", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/", "CC-BY-SA"),
        ("https://creativecommons.org/publicdomain/zero/1.0/legalcode", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        (
            "http://web.archive.org/web/2016/http://creativecommons.org/licenses/by/2.0/",
            "CC-BY-2.0",
        ),
        ("https://i.creativecommons.org/l/by-nc/4.0/88x31.png", "CC-BY-NC-4.0"),
        ("https://www.gnu.org/licenses/fdl-1.3.html", "GFDL-1.3"),
        ("http://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://creativecommons.org/licenses/", None),
        ("https://creativecommons.org/2011/by-the-way", None),
        ("https://example.org/license", None),
    ],
)
def test_licences_of_urls(url, licence):
    assert licence_of_url(url) == licence


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        (
            "under a Creative Commons Attribution-ShareAlike 4.0 International License",
            "CC-BY-SA-4.0",
        ),
        ("under the Creative Commons Attribution License", "CC-BY"),
        ("Creative Commons Namensnennung - Keine Bearbeitung 3.0 Deutschland", "CC-BY-ND-3.0"),
        ("Creative Commons Attribution - Pas d'Utilisation Commerciale 4.0", "CC-BY-NC-4.0"),
        ("Creative Commons Reconocimiento-NoComercial-CompartirIgual 2.5", "CC-BY-NC-SA-2.5"),
        ("licensed under CC BY-NC-ND 4.0.", "CC-BY-NC-ND-4.0"),
        ("Lizenz: CC-BY 4.0", "CC-BY-4.0"),
        ("released as CC0", "CC0-1.0"),
        ("under a Creative Commons license", "CC-unspecified"),
        ("GNU Free Documentation License 1.3 or later", "GFDL-1.3-or-later"),
        ("GFDL 1.2", "GFDL-1.2"),
        ("please send a CC by mail", None),
        ("attribution is welcome", None),
    ],
)
def test_licences_of_words(words, licence):
    assert licence_of_words(words) == licence


GRANTED = {
    "link in the head": page(head=f'<link rel="license" href="{BY_SA}">'),
    "old link relation": page(head=f'<link rel="copyright" href="{BY_SA}">'),
    "meta": page(head=f'<meta name="DC.rights" content="{BY_SA}">'),
    "json-ld": page(
        head='<script type="application/ld+json">{"@graph":[{"@type":["WebPage","ItemPage"],'
        f'"license":{{"@id":"{BY_SA}"}}}}]}}</script>'
    ),
    "footer": page(foot=f"<footer>Text is available under {LINK}.</footer>"),
    "footer by its class": page(foot=f'<div class="site-info"><p>{LINK}</p></div>'),
    "footer with code samples": page(
        foot=f"<footer>Except as noted, the content of this page is licensed under {LINK}, and "
        'code samples under the <a href="https://www.apache.org/licenses/LICENSE-2.0">Apache</a>'
    ),
    "badge in the sidebar": page(
        foot=f'<aside><a rel="license" href="{BY_SA}"><img alt="Creative Commons Lizenzvertrag">'
        "</a><br>Dieses Werk ist lizenziert.</aside>"
    ),
    "end of the article": page(body=f"<p>This article is licensed under {LINK}.</p>"),
    "words only": page(foot="<footer>Content is licensed under CC BY-SA 4.0.</footer>"),
    "caption of another licence": page(
        body='<figure><img><figcaption>Photo: <a rel="license" '
        'href="https://creativecommons.org/licenses/by/2.0/">CC BY 2.0</a></figcaption></figure>',
        foot=f"<footer>All content is under {LINK}</footer>",
    ),
}
REFUSED = {
    "nothing": page(),
    "all rights reserved": page(foot="<footer>© 2024 Mill. All rights reserved.</footer>"),
    "caption": page(body=f"<figure><img><figcaption>Foto: Jo, {LINK}</figcaption></figure>"),
    "caption with rel": page(
        body=f'<div class="wp-caption"><a rel="license" href="{BY_SA}">CC BY-SA</a></div>'
    ),
    "credit without a figure": page(body=f"<p>Bild: Jo Doe, {LINK}, via Wikimedia Commons</p>"),
    "theme": page(foot=f"<footer>Theme by Jo, licensed under {LINK}</footer>"),
    "library": page(foot=f"<footer>Lightbox2 © Jo licensed under the {LINK}</footer>"),
    "map": page(body=f'<div class="leaflet-map">© OpenStreetMap contributors, {LINK}</div>'),
    "photos of the site": page(foot=f"<aside>All photos on this blog are under {LINK}</aside>"),
    "talk about licences": page(
        body="".join(
            f'<p>The <a href="https://creativecommons.org/licenses/{kind}/4.0/">{kind}</a> licence '
            "says what a work may be used for.</p>"
            for kind in ("by", "by-sa", "by-nc", "by-nd")
        )
    ),
    "talk about Creative Commons": page(body="<p>She spoke about Creative Commons and law.</p>"),
    "wish": page(
        foot="<footer>We aspire to publish all content under a Creative Commons license but may "
        "not be able to do so in all cases.</footer>"
    ),
    "announced terms": page(
        head='<link rel="license" type="application/rsl+xml" href="https://x.org/rsl.xml">'
    ),
    "imprint": page(foot='<footer><a rel="license" href="/imprint">Imprint</a></footer>'),
    "json of an image": page(
        head='<script type="application/ld+json">{"@type":"ImageObject","license":'
        f'"{BY_SA}"}}</script>'
    ),
    "script": page(foot=f"<script>var attribution = '© x, <a href=\"{BY_SA}\">CC</a>'</script>"),
    "comment of a reader": page(
        body=f'<div class="comment"><p>My photos are {LINK}, dear all.</p></div>'
    ),
    "tag cloud": page(body='<li><a href="/tag/creative-commons">Creative Commons</a></li>'),
    "select box": page(body="<select><option>CC-BY-SA 4.0</option></select>"),
    "meta of a name": page(head='<meta name="rights" content="© The Mill">'),
}


@pytest.mark.parametrize("case", GRANTED)
def test_pages_that_license_their_text(case):
    found = html_licence(GRANTED[case])
    assert (found.id, found.scope) == ("CC-BY-SA-4.0", "page")
    assert 0.5 < found.confidence < 1
    assert "by-sa/4.0" in found.evidence or "CC BY-SA 4.0" in found.evidence


@pytest.mark.parametrize("case", REFUSED)
def test_pages_that_do_not(case):
    assert answer(REFUSED[case]) is None


def test_parts_are_told_as_parts():
    for case in ("caption", "credit without a figure", "theme", "map"):
        found = html_licence(REFUSED[case])
        assert (found.id, found.scope) == ("CC-BY-SA-4.0", "part")
    assert html_licence(REFUSED["nothing"]).scope is None


def test_contradictions_are_unclear():
    other = '<link rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">'
    found = html_licence(page(head=f'<link rel="license" href="{BY_SA}">{other}'))
    assert found.scope == "unclear" and found.confidence < 0.5


def test_a_version_completes_a_name_without_one():
    head = '<meta name="rights" content="Creative Commons Attribution-ShareAlike">'
    foot = f"<footer>Text is available under {LINK}</footer>"
    assert answer(page(head=head, foot=foot)) == "CC-BY-SA-4.0"
    assert answer(page(head=head)) == "CC-BY-SA"


def test_a_link_without_a_version_is_completed_by_its_words():
    words = "GNU Free Documentation License 1.3 or later"
    link = f'<a href="https://www.gnu.org/copyleft/fdl.html">{words}</a>'
    foot = f"<footer>Content is available under {link} unless otherwise noted.</footer>"
    assert answer(page(foot=foot)) == "GFDL-1.3-or-later"
    link = '<a href="https://creativecommons.org/licenses/by/4.0/">CC BY-SA 3.0</a>'
    assert answer(page(foot=f"<footer>Text under {link}</footer>")) == "CC-BY-4.0"


def test_http_link_fields_license_a_page():
    field = f'<{BY_SA}>; rel="license", <https://x.org/>; rel="next"'
    found = html_licence(page(), {"LINK": field})
    assert (found.id, found.scope, found.where) == ("CC-BY-SA-4.0", "page", "header")
    terms = {"Link": '<https://x.org/t>; rel="license"; type="application/rsl+xml"'}
    assert answer(page(), terms) is None


def test_bytes_and_trees_are_read_alike():
    html = GRANTED["footer"]
    assert html_licence(html) == html_licence(html.encode()) == html_licence(HTMLTree.parse(html))
    assert html_licence(b"\xff\xfe<a rel=license href=" + BY_SA.encode() + b">\xff").id


@given(st.text(max_size=200), st.text(max_size=80))
def test_any_page_may_come(text, words):
    html = f"<div class='{words}'>creative commons {text}<a rel=license href='{words}'>{text}"
    found = html_licence(html, {"link": words})
    assert 0 <= found.confidence <= 1
    assert isinstance(opt_outs(html, {"x-robots-tag": words}), list)


@pytest.mark.parametrize(
    "unit",
    [
        "the ",
        "a ",
        "CC BY ",
        "this content is ",
        "published ",
        'license: "',
        "foto und bild ",
        "bild",
    ],
)
def test_long_repetitions_come_to_an_end(unit):
    html = f"<footer>{unit * 4000}! <a rel='license' href='{BY_SA}'>{unit * 400}</a>{unit * 4000}"
    assert html_licence(html + "<p>public domain creative commons</p>").scope != ""


@pytest.mark.parametrize(
    ("text", "licence", "scope"),
    [
        ("# SPDX-License-Identifier: MIT\nimport x", "MIT", "page"),
        ("/* SPDX-License-Identifier: gpl-2.0-or-later */", "GPL-2.0-or-later", "page"),
        ("// SPDX-License-Identifier: (MIT or Apache-2.0)", "(MIT OR Apache-2.0)", "page"),
        (
            "<!-- SPDX-License-Identifier: GPL-2.0-only WITH Classpath-exception-2.0 -->",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "page",
        ),
        ("# SPDX-License-Identifier: as you like", None, "unclear"),
        ("Licensed under the MIT License.", None, None),
        ("x" * 5000 + "\n# SPDX-License-Identifier: MIT", None, None),
        ("", None, None),
    ],
)
def test_source_files(text, licence, scope):
    found = text_licence(text)
    assert (found.id, found.scope) == (licence, scope)


@pytest.mark.parametrize(
    ("head", "headers", "signals"),
    [
        ('<meta name="robots" content="noai, noimageai">', {}, ["noai", "noimageai"]),
        ('<META NAME="Robots" CONTENT="NOINDEX,NoAI">', {}, ["noai", "noindex"]),
        ('<meta name="robots" content="none">', {}, ["noindex"]),
        ('<meta name="googlebot" content="noindex">', {}, []),
        ('<meta name="GPTBot" content="noai">', {}, ["noai"]),
        ('<meta name="description" content="noai">', {}, []),
        ('<meta name="tdm-reservation" content="1">', {}, ["tdm-reservation"]),
        ('<meta name="tdm-reservation" content="0">', {}, []),
        ('<meta name="tdm-reservation" content="yes">', {}, ["tdm-reservation"]),
        ("", {"X-Robots-Tag": "noai"}, ["noai"]),
        ("", {"x-robots-tag": "otherbot: noindex, noai"}, ["noai"]),
        ("", {"X-Robots-Tag": "unavailable_after: 1 Jan 2030, noindex"}, ["noindex"]),
        ("", {"TDM-Reservation": "1"}, ["tdm-reservation"]),
        ("", {"tdm-reservation": "0"}, []),
        ("", {"Content-Usage": "train-ai=n, search=y"}, ["content-usage"]),
        ("", {"Content-Usage": "train-ai=y"}, []),
        ('<link rel="license" type="application/rsl+xml" href="/l.xml">', {}, ["rsl"]),
        ("", {"Link": '</l.xml>; rel="license"; type="application/rsl+xml"'}, ["rsl"]),
        ("", {}, []),
    ],
)
def test_opt_outs(head, headers, signals):
    html = page(head=head)
    assert opt_outs(html, headers) == signals
    assert opt_outs(html.encode(), headers) == signals
    assert opt_outs(HTMLTree.parse(html), headers) == signals


# --- all marks, on small pages as sites and publishers write them

PAGES = [
    json.loads(line)
    for line in Path(__file__).with_name("licence_pages.jsonl").read_text().splitlines()
]
ARTICLE = "<p>" + "Some long article text about gardening and the weather in spring. " * 6 + "</p>"


FRAME = (
    "<!DOCTYPE html><html><head><title>A page</title>{head}</head><body><header><nav><ul><li>"
    '<a href="/">Home</a></li></ul></nav></header><main><article><h1>A page</h1>{prose}{prose}'
    "{body}</article></main>{side}{foot}</body></html>"
)


@pytest.mark.parametrize("case", PAGES, ids=[case["case"] for case in PAGES])
def test_marks(case):
    html = case.get("html", FRAME)
    for part in ("head", "body", "side", "foot"):
        html = html.replace(f"{{{part}}}", case.get(part, ""))
    assert answer(html.replace("{prose}", ARTICLE)) == case["license"]


def test_conflicts_are_kept_and_lower_the_confidence():
    foot = f'<footer>Licensed under <a rel="license" href="{BY_SA}">CC BY-SA 4.0</a></footer>'
    head = '<link rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">'
    alone, both = html_licence(page(foot=foot)), html_licence(page(head=head, foot=foot))
    assert both.scope == "unclear" and both.confidence < alone.confidence
    evidence = both.columns["license_evidence"]
    assert BY_SA in evidence and "conflicts: link: " in evidence and "by-nc/4.0" in evidence
    reserved = html_licence(page(foot=foot + "<footer>All rights reserved.</footer>"))
    assert (reserved.id, reserved.scope) == ("CC-BY-SA-4.0", "page")
    assert reserved.confidence < alone.confidence
    assert "All rights reserved" in reserved.columns["license_evidence"]


def test_a_page_that_reserves_all_rights_is_proprietary():
    found = html_licence(REFUSED["all rights reserved"]).columns
    assert (found["license"], found["license_scope"]) == (None, None)
    assert found["license_class"] == "proprietary"
    assert "All rights reserved" in found["license_evidence"]
    nothing = html_licence(REFUSED["nothing"]).columns
    assert nothing == {
        "license": None,
        "license_scope": None,
        "license_class": "unknown",
        "license_confidence": 0.0,
        "license_evidence": None,
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CC0-1.0", "public-domain"),
        ("CC-PDM-1.0", "public-domain"),
        ("Unlicense", "public-domain"),
        ("MIT", "permissive"),
        ("Apache-2.0", "permissive"),
        ("BSD-3-Clause", "permissive"),
        ("CC-BY-4.0", "attribution"),
        ("CC-BY", "attribution"),
        ("OGL-UK-3.0", "attribution"),
        ("CC-BY-SA-3.0", "share-alike"),
        ("GPL-3.0-or-later", "share-alike"),
        ("GFDL-1.3-or-later", "share-alike"),
        ("ODbL-1.0", "share-alike"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC-BY-NC-SA-4.0", "non-commercial"),
        ("CC-BY-ND-4.0", "no-derivatives"),
        ("CC-BY-NC-ND-4.0", "no-derivatives"),
        ("LicenseRef-all-rights-reserved", "proprietary"),
        ("CC-unspecified", "unknown"),
        ("something else", "unknown"),
        (None, "unknown"),
        ("MIT OR GPL-3.0-only", "permissive"),
        ("MIT AND CC-BY-SA-4.0", "share-alike"),
        ("(MIT OR Apache-2.0) AND CC-BY-4.0", "attribution"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "share-alike"),
    ],
)
def test_classes(name, kind):
    assert license_class(name) == kind


@given(st.lists(st.sampled_from(["MIT", "AND", "OR", "(", ")", "WITH", "x"]), max_size=8))
def test_any_expression_has_a_class(words):
    assert license_class(" ".join(words)) in CLASSES


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("mit", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("https://www.gnu.org/licenses/lgpl-2.1.html", "LGPL-2.1-only"),
        ("https://spdx.org/licenses/CC-BY-3.0-DE.html", "CC-BY-3.0"),
        ("https://spdx.org/licenses/BSD-3-Clause.html", "BSD-3-Clause"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc_by_4.0", "CC-BY-4.0"),
        ("http://www.opendefinition.org/licenses/cc-by", "CC-BY"),
        ("our own terms", None),
        ("json", None),
    ],
)
def test_values_of_declarations(value, name):
    assert licence_of_value(value) == name


def test_pdfs_are_read_at_both_ends():
    own = "This is an open access article distributed under the terms of the Creative Commons "
    own += "Attribution License 4.0 (https://creativecommons.org/licenses/by/4.0/)."
    found = pdf_licence({}, {"first-page": f"A title\n\nAbstract of it.\n\n{own}"})
    assert (found.id, found.scope) == ("CC-BY-4.0", "page")
    assert found.where.startswith("first-page")
    words = "This work is licensed under a Creative Commons Attribution-ShareAlike 4.0 License."
    last = pdf_licence({}, {"first-page": "A", "last-page": f"End.\n\n{words}"})
    assert (last.id, last.scope) == ("CC-BY-SA-4.0", "page")
    part = pdf_licence({}, {"first-page": "Photo: Jo Doe, CC BY 2.0"})
    assert part.scope != "page"
    packet = {"licence": "https://creativecommons.org/licenses/by-nc/4.0/"}
    both = pdf_licence(packet, {"first-page": own})
    assert both.conflicts and both.confidence < 0.7


@pytest.mark.parametrize(
    ("text", "licence", "kind"),
    [
        # a URL that goes on in the next line
        (
            "Licensed under Creative Commons Attribution, http://creativecommons.org/\nlicenses/by/"
            "\n4.0/ This paper appeared in 2020.",
            "CC-BY-4.0",
            "attribution",
        ),
        ("© 2020 Springer Nature. All rights reserved.", None, "proprietary"),
        ("© The Author(s) 2021. This article is licensed under a Creative Commons Attribution 4.0 "
         "International License, which permits use. To view a copy visit "
         "http://creativecommons.org/licenses/by/4.0/.", "CC-BY-4.0", "attribution"),
        ("Figure 2: the mill. Photo by Jo Doe, CC BY-SA 3.0", None, "share-alike"),
        ("This paper is about Creative Commons and its licences.", None, "unknown"),
        ("Dieses Dokument steht unter der Lizenz CC BY-SA 4.0.", "CC-BY-SA-4.0", "share-alike"),
        ("This document is a work of the U.S. Government; this report is in the public domain.",
         "LicenseRef-scancode-us-govt-public-domain", "public-domain"),
        ("Permission is granted to copy, distribute and/or modify this document under the terms of "
         "the GNU Free Documentation License, Version 1.3 or any later version published by the "
         "Free Software Foundation.", "GFDL-1.3-or-later", "share-alike"),
    ],
)  # fmt: skip
def test_first_pages_of_pdfs(text, licence, kind):
    found = pdf_licence({}, {"first-page": f"A title\n\nAn abstract of it.\n\n{text}\n\nEnd."})
    assert (found.id if found.scope == "page" else None, found.kind) == (licence, kind)


def test_licence_files():
    assert is_licence_file("a/LICENSE") and is_licence_file("LICENCE.md")
    assert is_licence_file("x/COPYING.LESSER") and is_licence_file("LICENSE-MIT")
    assert not is_licence_file("a/license.py") and not is_licence_file("a/licenses/list.txt")
    gpl = "GNU GENERAL PUBLIC LICENSE\n  Version 2, June 1991\n..."
    lesser = "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3\n... of the GNU General Public License"
    texts = {
        gpl: "GPL-2.0-only",
        lesser: "LGPL-3.0-only",
        "Copyright 2020 Jo\nThis program is free software: you can redistribute it and/or modify "
        "it under the terms of the GNU General Public License as published by\nthe Free Software "
        "Foundation, either version 3 of the License, or\n(at your option) any later version.": (
            "GPL-3.0-or-later"
        ),
        "Apache License\nVersion 2.0, January 2004": "Apache-2.0",
        "Creative Commons\nAttribution-ShareAlike 4.0 International": "CC-BY-SA-4.0",
        "SPDX-License-Identifier: ISC": "ISC",
        "Ask us before you use it.": None,
    }
    assert {text: licence_of_file(text) for text in texts} == texts
    folders = {"/a": ("MIT", "x"), "/a/b/c": ("ISC", "y"), "": ("0BSD", "z")}
    assert nearest_licence("/a/b/d/e.py", folders) == ("MIT", "x")
    assert nearest_licence("/a/b/c/e.py", folders) == ("ISC", "y")
    assert nearest_licence("/q.py", folders) == ("0BSD", "z")
    assert joined({"LICENSE-MIT": "MIT", "LICENSE-APACHE": "Apache-2.0"}) == "Apache-2.0 OR MIT"
    assert joined({"LICENSE": "MIT", "COPYING": "GPL-3.0"}) == "GPL-3.0 AND MIT"


def test_opt_outs_of_a_pdf_join_those_of_its_http_fields():
    fields = said_by_headers({"X-Robots-Tag": "noai", "TDM-Reservation": "0"})
    row = merged(fields, pdf_opt_out_columns({"tdm-reservation": "1"}))
    assert set(row["opt_out"]) == {"noai", "tdm-reservation"}
    assert "XMP tdm-reservation: 1" in row["opt_out_evidence"]
    assert "HTTP TDM-Reservation: 0" in row["opt_out_evidence"]
    assert pdf_opt_out_columns({}) == {"opt_out": [], "opt_out_evidence": []}
