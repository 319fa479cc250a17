"""What is said around a licence: that something is licensed, and what.

Stems of words in the languages that Creative Commons licences are ported to. Alphabets without
spaces between words are matched anywhere, the others as whole words. All patterns are of text in
small letters, which is several times faster than patterns of both cases.
"""

from __future__ import annotations

import re


def _either(words: str, anywhere: str = "") -> re.Pattern[str]:
    """Words, blanks between them as ``_``; `anywhere` may stand within other letters."""
    joined = "|".join(word.replace("_", r"\s+") for word in words.split())
    loose = "|".join(anywhere.split())
    bounded = rf"(?<!\w)(?:{joined})(?!\w)"
    return re.compile(f"{bounded}|{loose}" if loose else bounded)


_OTHERWISE = r"""
    otherwise_(?:noted|stated|specified|indicated|marked) (?:stated|noted|specified)_otherwise
    (?:soweit|sofern|falls|wenn|wo)_nicht_anders nicht_anders sauf_(?:mention|indication)
    salvo_(?:que_se_indique|donde|dove|indicaci\w+|diversa) exce[pt]+o_(?:onde|donde|cuando|quando)
    se_non_diversamente dove_non_diversamente tenzij_anders o_ile_nie om_inget_annat
    (?:medmindre|med_mindre|hvis_ikke)_andet med_mindre_annet ellei_toisin není-li aksi_belirtil\w+
    si_no_s['’]indica если_не_указано якщо_не_зазначено
"""
OTHERWISE = _either(_OTHERWISE)
"""What is said holds for all that stands there, but for exceptions."""
_THING = (
    "(?:work|content|text|article|post|story|material|publication|document|book|page|wiki|"
    "podcast|episode|tutorial|documentation|report|course)"
)
CLAIM = _either(
    rf"""
    licen[sc]ed licen[sc]e[ds]?\s*: under_(?:a|an|the|this) under available_under released
    published distributed_under under_the_terms dedicated shared_(?:under|via) uses_the
    (?:re)?publish\w*\s[^.]*under
    li[zs]en[zs]iert\w* steht stehen unterlieg(?:t|en) unter_(?:einer|der|den|folgender) \w*lizenz
    sous mis(?:es?)?_à_disposition disponibles? selon_les_termes distribués?
    bajo licenciad[oa]s? licencia disponibili distribuit[oaie] rilasciat[oaie] licenza secondo_la
    licença disponibilizad[oa]s? nos_termos sob
    onder licentie beschikbaar valt vallen licencji dostępn\w+ udostępni\w+
    licens\w* tillgänglig\w* lisens\w* tilgængelig\w* tilgjengelig\w* udgivet utgitt
    lisenso\w+ lisenssi\w* käytettävissä licenc[íi]\w* dostupn\w+ podléh\w+ lisans\w* llicència
    subject[ae] licenc elérhető licenț\w+ disponibil\w* διατίθε\w+ άδεια
    лиценз\w+ доступ[еын]\w* распростран\w+ ліценз\w+ поширю\w+
    {_OTHERWISE}
    """,
    "の下で のもとで に提供 ライセンス 許諾 采用 採用 授权 授權 许可 許可 遵循 "
    "에_따라 라이선스 허락 "
    "رخصة ترخيص متاح بموجب רישיון",
)
"""Something is said to be licensed."""
STRONG = _either(
    rf"""
    (?:this|our|original|all|the|other)_(?:\w+_)?{_THING}s?
    open[-\s]access_(?:article|paper|publication|book|chapter|journal)
    contents? texts? articles material materials contributions documentation docs
    everything_on_this ©\s*\d{{4}}_by
    inhalte?n? texte?n? dieser_text werk werkes beiträge beitrag artikel veröffentlichung\w*
    contenus? textes? œuvre cet_article articles? documents? contenidos? textos? obras? artículos?
    contenut[oi] test[oi] opera articol[oi] conteúdos? artigos? trabalho
    inhoud tekst tekste[nr]? werken artikelen treś\w+ teksty utw[oó]r\w* materiał\w* artykuł\w*
    innehåll\w* texte[rn] verk indhold\w* innhold\w* sisält\w+ teos teksti\w*
    obsah\w* dílo článk\w+ içeri\w+ eser tartal\w+ conținut\w* περιεχόμεν\w+ κείμεν\w+
    continguts? konten karya
    материал\w* текст\w* контент\w* содержани\w+ стать\w+ произведени\w+ вміст\w* матеріал\w*
    {_OTHERWISE}
    """,
    "テキスト コンテンツ 作品 記事 文書 本サイト 文字 内容 內容 文章 本文 本站 "
    "문서 저작물 콘텐츠 내용 "
    "النصوص المحتوى العمل תוכן טקסט",
)
"""What is licensed is a text, or all there is."""
WEAK = _either(
    r"""
    (?:web)?sites? (?:we)?blogs? pages? homepage seiten? web-?seiten? auftritt sitio sito strona
    wiki ce_site diese[rs]? website\w* webov\w+ webu сайт\w* sivust\w* siden sida\w* projects?
    """,
    "サイト ブログ 网站 網站 博客 사이트",
)
"""What is licensed is a site."""
PART = _either(
    r"""
    photos? photograph\w* pictures? images? illustrations? graphics? screenshots? icons? fonts?
    logos? videos? audio music songs? sounds? maps? tiles (?:meta)?data datasets? databases?
    charts? diagrams? figures? infographics? slides? players? emojis? stickers? avatars?
    wallpapers? clip-?art brochures?
    fotos? \w*foto foto['’]s bild(?:er|es|rechte|quelle|nachweis)? \w+bild abbildung\w* grafik\w*
    musik karten? urheber photographies? image[ns]? imagen imágenes imagem immagin\w+ zdjęci\w+
    fot\. fotograf\w* ilustra\w+ afbeelding\w* beelden? bilde[rt]? bilder billede\w* kuva\w*
    obrázk?\w* snímk\w+ fotoğraf\w* görsel\w* fotó\w* képek?
    фото\w* изображени\w+ зображення картинк\w+
    themes? templates? design\w* layouts? plugins? plug-in scripts? widgets? software(?!\s+found)
    source_code code_(?:samples?|examples?|snippets?) code library jquery lightbox\w* javascript
    openstreetmap stamen leaflet geonames flickr wikimedia pixabay unsplash via powered
    font_?awesome glyphicons? twemoji fontawesome feather freepik flaticon icons8 html5_up
    """,
    "写真 画像 イラスト 動画 地図 图片 圖片 照片 摄影 攝影 视频 사진 이미지",
)
"""What is licensed is a picture, a map, code, a theme …"""
HEDGE = re.compile(
    r"aspire|may not be able|not (?:be )?licen[sc]ed|was ist|what is|explain|learn more about|"
    r"erklärt|choose a licen|you (?:must|should|can|may) (?:choose|select|apply)|i confirm|"
    r"i agree|you agree (?:to|that) (?:your|release|licen[sc]e|publish)|"
    r"if you want|must be (?:released|published|licensed)",
)
"""A licence is spoken of, wished for or asked for."""
SELF = re.compile(
    r"\b(?:this|dies(?:e[rs]?)?|cet(?:te)?|cette|ce(?:\(tte\))?|est[ea]|quest[oa']|dit) ?"
    r"(?:[\w-]+ )?"
    r"(?:work|article|text|post|story|page|document|publication|book|chapter|paper|documentation|"
    r"(?:web)?site|blog|wiki|tutorial|content|material|werk|artikel|beitrag|inhalt|seite|dokument|"
    r"œuvre|texte|contenu|obra|artículo|texto|contenido|opera|articolo|testo)\b[^.!?]{0,40}"
    r"\b(?:licen[sc]ed|distributed|available|released|(?:re)?published|lizenziert|steht|unterliegt|"
    r"veröffentlicht|sous licence|mise? à disposition|bajo|licenza|rilasciat|licenciad|valt onder)|"
    r"\bthis is an open[- ]access (?:article|paper|publication|book|chapter)|"
    r"permission is granted to copy, distribute|published\b[\w ]{0,60}\bunder the terms of",
)
"""The page says of itself that it is licensed."""
MEDIA_FILE = re.compile(r"\w\.(?:jpe?g|png|gif|svg|webp|mp[34]|ogg|wav)\b")
"""The name of a picture or a recording."""
GRANT = re.compile(r"permission is granted to copy, distribute (?:and/?or|or|and) modify this")
"""The formula of the GNU Free Documentation License, which manuals set as a quotation."""
OWNED = re.compile(r"©|\(c\)\s|\bcopyright\b")
"""A line of copyright: whose the page is."""
CREDIT = re.compile(r"\b(?:by|von|par|por|from|di|door|av|af)\s")
"""Somebody is thanked for something."""
APPLIES = re.compile(
    r"\W*(?:waiver |licen[sc]e )?(?:applies|apply|gilt|gelten) (?:only |nur )?(?:to |für )"
    r"(?:the |any |all |die )?",
)
"""What is licensed is named after the licence."""


COMPOUND = re.compile(
    r"\b(?:photo|foto|design|music|musik|image|bilder|video|map|code|data)s?[-\s]?"
    r"(?:blog|site|seite|magazine?|journal|wiki|podcast)\b",
)
"""Names of sites that hold the word for a part."""
JOINED = re.compile(r"(?<=\w) (?:and|und|et|y|e|i|en|og|och) (?:(?:the|die|les|las|los|le) )?\w+")
"""What is named beside something else is not the whole subject."""
PICTURE = re.compile(
    r"(?:\w*(?:photos?|fotos?|bilder|bild)|images?|pictures?|imagen|immagine|illustrations?|grafik|"
    r"credits?|zdjęcie|фото|写真|图片)"
)
"""The label of a picture."""
SOURCE = re.compile(
    r"[\W_]*(?:via|über|from|on|auf|bei|sur|en|su)\s+(?:wikimedia|wikipedia|flickr|unsplash|pixabay|"
    r"pexels)"
)
"""Where a picture was taken from."""
LABEL = re.compile(r"([\w-]+)\s*[:：]")
"""A label before what it is of."""
NAMED = re.compile(
    r"\b(?:licen[sc]e|lizenz|licencia|licença|licenza|licentie|licencja|licens)\s*[:：]\s*$"
)
"""The label of a licence."""


_BARE = frozenset(
    """
    a an the and is are it they re licensed licenced license licence released available distributed
    under used terms of via cc und ist sind unter der einer lizenziert veröffentlicht lizenz
    """.split()  # noqa: SIM905
)
THING = re.compile(
    r"\b(?:photos?|images?|pictures?|icons?|fonts?|logos?|themes?|templates?|designs?|illustrations?|"
    r"artwork|covers?|background|graphics?|music|maps?|data|fotos?|bilder|bild|grafik)\b"
)
"""What is a part of a page for sure."""


def bare(text: str) -> bool:
    """Whether a text says only that something is licensed."""
    return _BARE.issuperset(re.findall(r"\w+", text))


def sentence(before: str) -> str:
    """The last sentence before a mark."""
    return re.split(r"[.;!?]\s|[。；！？]", before)[-1]


def clause(before: str) -> str:
    """The last clause before a mark: what the licence is said of.

    "Icons by Jo. Licensed under": where the last sentence names nothing, the one before it does.
    """
    sentences = re.split(r"[.;!?]\s|[。；！？]", before)
    last = re.split(r", and |[|•·—–]", sentences[-1])[-1]
    if len(sentences) > 1 and last == sentences[-1] and bare(last):
        earlier = re.split(r"[|•·—–]", sentences[-2])[-1]
        return earlier if THING.search(earlier) and not OWNED.search(earlier) else last
    return last


def quoted(before: str) -> bool:
    """Whether a claim before a mark stands in a quotation that is still open."""
    at = max(
        before.rfind('"') if before.count('"') % 2 else -1,
        *(
            before.rfind(begin) if before.rfind(begin) > before.rfind(end) else -1
            for begin, end in ("“”", "„“", "«»")
        ),
    )
    return at >= 0 and CLAIM.search(before[at + 1 :]) is not None
