"""Codes of languages and scripts: the labels of models, and what each language is written in."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

# ISO 639-3 to ISO 639-1, all 184.
_TWO_LETTERS = """
    aar:aa abk:ab afr:af aka:ak amh:am ara:ar arg:an asm:as ava:av ave:ae aym:ay aze:az bak:ba
    bam:bm bel:be ben:bn bis:bi bod:bo bos:bs bre:br bul:bg cat:ca ces:cs cha:ch che:ce chu:cu
    chv:cv cor:kw cos:co cre:cr cym:cy dan:da deu:de div:dv dzo:dz ell:el eng:en epo:eo est:et
    eus:eu ewe:ee fao:fo fas:fa fij:fj fin:fi fra:fr fry:fy ful:ff gla:gd gle:ga glg:gl glv:gv
    grn:gn guj:gu hat:ht hau:ha hbs:sh heb:he her:hz hin:hi hmo:ho hrv:hr hun:hu hye:hy ibo:ig
    ido:io iii:ii iku:iu ile:ie ina:ia ind:id ipk:ik isl:is ita:it jav:jv jpn:ja kal:kl kan:kn
    kas:ks kat:ka kau:kr kaz:kk khm:km kik:ki kin:rw kir:ky kom:kv kon:kg kor:ko kua:kj kur:ku
    lao:lo lat:la lav:lv lim:li lin:ln lit:lt ltz:lb lub:lu lug:lg mah:mh mal:ml mar:mr mkd:mk
    mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my nau:na nav:nv nbl:nr nde:nd ndo:ng nep:ne nld:nl
    nno:nn nob:nb nor:no nya:ny oci:oc oji:oj ori:or orm:om oss:os pan:pa pli:pi pol:pl por:pt
    pus:ps que:qu roh:rm ron:ro run:rn rus:ru sag:sg san:sa sin:si slk:sk slv:sl sme:se smo:sm
    sna:sn snd:sd som:so sot:st spa:es sqi:sq srd:sc srp:sr ssw:ss sun:su swa:sw swe:sv tah:ty
    tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tso:ts tuk:tk tur:tr twi:tw
    uig:ug ukr:uk urd:ur uzb:uz ven:ve vie:vi vol:vo wln:wa wol:wo xho:xh yid:yi yor:yo zha:za
    zho:zh zul:zu
"""
# Single languages whose macrolanguage has a two-letter code that means them by default (CLDR).
_MAIN = """
    als:sq arb:ar ayr:ay azj:az cmn:zh ekk:et fuc:ff gaz:om gug:gn ike:iu khk:mn kmr:ku knc:kr
    kng:kg kpv:kv lvs:lv npi:ne ory:or pbt:ps pbu:ps pes:fa plt:mg quy:qu quz:qu src:sc swh:sw
    uzn:uz ydd:yi zsm:ms zyb:za
"""
# Scripts (ISO 15924) that texts of a language are usually written in, after CLDR.
_WRITTEN = {
    "Latn": """
    af an ast ay az bar bcl bi bm br bs ca cbk ceb co cs cy da de diq dsb ee eml en eo es et eu fi
    fil fj fo fr frr fy ga gd gl gn gom gv ha hif hr hsb ht hu ia id ie ig ilo io is it jbo jv kk kl
    ku kw la lb lg li lmo ln lt lv mg mi min ms mt mwl na nah nap nb nds nl nn no nso ny oc om pam
    pfl pl pms pt qu rm rn ro rw sc scn sco se sg sh sk sl sm sn so sq sr ss st su sv sw tk tl tn to
    tr ts tt ty ug uz ve vec vep vi vls vo wa war wo xh yo zu""",
    "Cyrl": """
    ab av az ba be bg bs bxr ce chm cv kk krc kv ky lez mhr mk mn mrj myv os ro ru rue sah sh sr tg
    tk tt tyv ug uk uz xal""",
    "Arab": """
    ar arz az azb ckb fa ha kk ks ku ky lrc min ms mzn pa pnb ps sd tg tk ug ur""",
    "Deva": "bh dty gom hi hif ks mai mr ne new sa sd",
    "Hani": "ja ko wuu yue zh",
    "Jpan": "ja",
    "Kore": "ko",
    "Hebr": "he yi",
    "Beng": "as bn bpy",
    "Ethi": "am ti",
    "Geor": "ka xmf",
    "Tibt": "bo dz",
    "Grek": "el",
    "Armn": "hy",
    "Gujr": "gu",
    "Guru": "pa",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Mlym": "ml",
    "Mong": "mn",
    "Mymr": "my",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thaa": "dv",
    "Thai": "th",
    "Java": "jv",
    "Sund": "su",
    "Cans": "cr iu oj",
    "Yiii": "ii",
}
# Codes for scripts that texts mix by nature, and what most of such a text may be in.
_MIXED = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hang": ("Hang", "Kore"),
    "Hrkt": ("Hira", "Kana", "Jpan"),
    "Jpan": ("Hira", "Kana", "Jpan", "Hani"),
    "Kore": ("Hang", "Kore", "Hani"),
}


class Label(NamedTuple):
    """A language as ISO 639-1 where there is such a code, else 639-3; its script, if named."""

    language: str
    script: str | None


@lru_cache(maxsize=8192)
def parse_label(label: str) -> Label:
    """What the label of a model, or a code in a recipe, stands for.

    ``en``, ``eng``, ``eng_Latn`` and ``__label__eng_Latn`` are English. With a script the code is
    read as ISO 639-3 (GlotLID, OpenLID, NLLB): ``arb_Arab`` is ``ar`` and ``als_Latn`` is ``sq``.
    Without one a code of two or three letters stands as lid.176 has it, where ``als`` is Alemannic.
    Anything else is left as it is.
    """
    label = label.removeprefix("__label__")
    code, *rest = label.replace("-", "_").split("_")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        return Label(label, None)
    code = code.lower()
    if script is not None:
        code = _main().get(code, code)
    return Label(_two_letters().get(code, code), script.title() if script else None)


def scripts_of(label: Label) -> frozenset[str] | None:
    """What most of a text in that language may be written in; None where that is not known."""
    if label.script is not None:
        return frozenset(_MIXED.get(label.script, (label.script,)))
    return _written().get(label.language)


@lru_cache(maxsize=1)
def _two_letters() -> dict[str, str]:
    return dict(pair.split(":") for pair in _TWO_LETTERS.split())


@lru_cache(maxsize=1)
def _main() -> dict[str, str]:
    return dict(pair.split(":") for pair in _MAIN.split())


@lru_cache(maxsize=1)
def _written() -> dict[str, frozenset[str]]:
    scripts: dict[str, set[str]] = {}
    for script, languages in _WRITTEN.items():
        for language in languages.split():
            scripts.setdefault(language, set()).update(_MIXED.get(script, (script,)))
    scripts["als"] = {"Latn"}  # Alemannic, as lid.176 calls it
    return {language: frozenset(names) for language, names in scripts.items()}
