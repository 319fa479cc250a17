"""The four conditions of Creative Commons in the languages of its deeds and ported licences."""

from __future__ import annotations

import re

NAMES = (
    *(
        "クリエイティブ・コモンズ",
        "知识共享",
        "知識共享",
        "創用cc",
        "創用 cc",
        "크리에이티브 커먼즈",
    ),
    "المشاع الإبداعي",
)
"""Creative Commons by names that have no such letters, in lower case."""

_WORDS = {
    "BY": r"""
        attribution namensnennung paternit atribuci reconocimiento reconeixement recoñecemento
        aitortu atribui attribuzione naamsvermelding uznanie.autorstwa erkännande navngivelse nimeä
        uveďte.(?:původ|autora) uveďte.pôvod nevezd.meg atribuire atıf imenovanje
        priznanje.avtorstva atribusi ghi.công указанием.авторства атрибуция зазначенням.авторства
        ауторство αναφορά 表示 署名 姓名標示 저작자.?표시 نسب ייחוס
        """,
    "NC": r"""
        non\W?commerci no\W?comercial n[ãa]o\W?comercial nicht\W{0,2}kommerz keine.kommerzielle
        pas.d\W?utilisation.commerciale niet\W?commerc użycie.niekomercyjne nekomer
        icke\W?kommersiell ikke\W?komm?er ei\W?kaupallinen neužívejte.{0,6}komerčně ne.add.el
        necomercial gayri\W?ticari non\W?komersial phi.thương.mại некоммерч некомерц
        μη.εμπορική 非営利 非商业 非商業 비영리 غير.تجاري מסחרי
        """,
    "SA": r"""
        share\W?alike \bshare$ weitergabe.unter.gleichen gleichen.bedingungen
        partage.(?:dans.les.m|à.l) compartir\W?igual compartilha\w*\W?igual partil\w+.nos.termos
        partekatu condividi gelijk\W?delen (?:na.)?tych.samych.warunkach lika\W?villkor dela\W?lika
        del\W?på\W?samme jaa\W?samoin zachovejte.licenci így.add partajare.în distribuire.în
        aynı\W?lisans dijeli deliti.pod deljenje berbagi\W?serupa chia.sẻ.tương
        с.сохранением.условий на.тех.же.условиях на.тих.самих делити.под παρόμοια.διανομή
        継承 相同方式 동일조건 بالمثل قدم.المساواة שיתוף.זהה
        """,
    "ND": r"""
        no\W?deriv keine\W{0,2}bearbeitung pas.de.modification sin\W?(?:obra)?\W?derivad
        sense\W?obra sem\W?deriva non.opere.derivate geen\W?afgeleide bez.utworów.zależnych
        inga\W?bearbetning ingen\W?bearbe ei\W?muutoksia nezpracov nezasahujte ne.változtasd
        fără\W?(?:deriv|modific) türetilemez bez.prerad brez.predelav tanpa\W?turunan
        không.phái.sinh без.производных без.похідних όχι.παράγωγα 改変禁止 禁止演绎 禁止改作
        변경금지 منع.الاشتقاق נגזרות
        """,
}


def _short(name: str) -> str:
    """The abbreviation: as it is, or in small letters where others stand beside it."""
    low = name.lower()
    small = (
        rf"\bcc[-\s]{low}(?![a-z])|\b{low}(?=-(?:nc|nd|sa))"
        if name == "BY"
        else "|".join(rf"(?<={before}){low}(?![a-z0-9])" for before in ("-", "_", "by ", "nc "))
    )
    return rf"(?-i:(?<![A-Za-z0-9]){name}(?![A-Za-z0-9]))|{small}"


CONDITIONS = tuple(
    (name, re.compile("|".join((_short(name), *words.split())), re.IGNORECASE))
    for name, words in _WORDS.items()
)
"""BY, NC, SA and ND with what tells each of them."""
