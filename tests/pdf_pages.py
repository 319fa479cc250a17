"""Texts that the tests of PDFs write on their pages, and how they read them."""

from functools import cache

from ocr import PdfOptions, read_pdf
from tests.pdfs import Page, make

TEXT_ONLY = PdfOptions(engine="none")


def read(*pages: Page, options: PdfOptions = TEXT_ONLY, **more):
    return read_pdf(make(*pages, **more).bytes(), options)


PROSE = [
    "The river had been rising since the early morning, and by noon the",
    "lower fields were under water. Nobody in the village was surprised,",
    "for the winter had been long and the snow lay deep on the hills. The",
    "miller took his sacks to the upper floor and waited for the evening.",
]
LEFT = [
    "Bread was baked on Fridays in",
    "the large oven behind the inn,",
    "and the smell of it went down",
    "the street as far as the church",
    "where the children were sitting",
    "with their books on their knees.",
]
RIGHT = [
    "Ships came in with the morning",
    "tide and left with the evening",
    "one, carrying wool and cheese to",
    "the towns across the bay, where",
    "merchants were waiting for them",
    "with silver in their heavy bags.",
]


@cache
def good() -> bytes:
    return make(Page().lines(72, 100, PROSE)).bytes()


XMP = b"""<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:cc="http://creativecommons.org/ns#">
<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) 2021 The Valley Press</rdf:li></rdf:Alt>
</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
SENTENCES = {
    "en": " ".join(PROSE),
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on"
    " annettu järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä."
    " Jokaisella on oikeus elämään, vapauteen ja henkilökohtaiseen turvallisuuteen.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek,"
    " ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy"
    " viseltessenek. Minden személynek joga van az élethez, a szabadsághoz és biztonsághoz.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni"
    " obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa. Każdy"
    " człowiek ma prawo do życia, wolności i bezpieczeństwa swej osoby.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana"
    " sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. Yaşamak,"
    " hürriyet ve kişi emniyeti her ferdin hakkıdır ve hiç kimse kölelik altında bulundurulamaz.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con"
    " người đều được tạo hóa ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình"
    " bằng hữu. Mọi người đều có quyền sống, quyền tự do và an toàn cá nhân.",
    "sw": "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri,"
    " hivyo yapasa watendeane kindugu. Kila mtu anastahili kuwa na haki zote na uhuru wote ambao"
    " umeelezwa katika taarifa hii bila ubaguzi wa rangi, taifa, dini au siasa.",
    "cy": "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir"
    " â rheswm a chydwybod, a dylai pawb ymddwyn y naill at y llall mewn ysbryd cymodlon. Y mae"
    " gan bawb hawl i fywyd, rhyddid a diogelwch ei berson.",
    "eu": "Gizon-emakume guztiak aske jaiotzen dira, duintasun eta eskubide berberak dituztela;"
    " eta ezaguera eta kontzientzia dutenez gero, elkarren artean senide legez jokatu beharra"
    " dute. Nornahik du bizitzeko, aske izateko eta segurtasunerako eskubidea bere bizitzan.",
}
