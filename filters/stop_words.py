"""Stop words of 53 languages: a dozen or so of the commonest function words of each.

Chosen among the lists of spaCy 3.8 (MIT), and articles, pronouns, prepositions and conjunctions
that these lack. Languages are named as fastText's lid.176 names them (ISO 639-1). English has the
eight words of Rae et al. 2021, A1.1. Chinese and Japanese words are of one character, as these
scripts are cut.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from filters.wordstats import language_key, two_place_table, word_hash

STOP_WORDS: dict[str, tuple[str, ...]] = {
    code: tuple(words.split())
    for code, words in {
        "af": "die van en in is het dit wat om nie te vir met op word",
        "ar": "في من على إلى أن عن مع هذا هذه التي الذي كان ما لا أو",
        "az": "və bu ilə üçün bir ki olan da də o",
        "bg": "на и в се от за да с по не са че като до",
        "bn": "এবং ও করে এই থেকে না করা হয় জন্য তার এক যে",
        "ca": "de la i el a en que per un una amb no és del els les",
        "cs": "a v se na je že s z o i do to k pro jako za",
        "da": "og i at det er en til på som for med af de den ikke",
        "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als",
        "el": "και το να του η της για με που την από είναι τα στο",
        "en": "the be to of and that have with",
        "es": "de la que el en y a los se del las un por con una no para es su al",
        "et": "ja on ei et see kui oli ka ning mis ta oma aga",
        "eu": "eta da ez du bat ere baina dira hau izan den",
        "fa": "و در به از که این را با است برای آن یک تا بر",
        "fi": "ja on ei se että oli hän mutta myös ovat joka kun sekä tai",
        "fr": "de la le et les des en un une du dans que pour est qui par sur au pas ne",
        "ga": "an na agus ar a do go le is i ag de",
        "he": "של את על לא זה עם הוא גם כי או היא יש אל",
        "hi": "के में की है और से का को पर हैं यह नहीं एक भी",
        "hr": "i je u se na da za su od s kao koji što ne",
        "hu": "a az és hogy nem is egy ez meg volt de el csak mint",
        "hy": "և է են որ մեջ համար այս իր",
        "id": "yang dan di itu dengan untuk dari dalam ini pada tidak akan adalah juga",
        "is": "og að í er á sem til við um ekki en var það",
        "it": "di e il la che in a per un una è del non con si da i della le",
        "ja": "の に は を た が で て と し れ さ も な",
        "ka": "და რომ არ არის ეს იყო რა თუ მაგრამ ან როგორც",
        "ko": "이 그 저 및 등 수 것 는 은 를 을 의 에 가 하는 있는 있다 한",
        "lt": "ir kad yra su į iš tai ne bet o kaip po per",
        "lv": "un ir ar no par ka uz kas bet kā arī pēc",
        "mk": "и на во се од да за со е не што",
        "mr": "आणि आहे या हे ते व की हा आहेत तर",
        "ms": "dan yang di dengan untuk dari pada ini itu dalam tidak akan adalah juga",
        "nl": "de van het een en in is dat op te zijn met voor niet die aan",
        "no": "og i det er på en som til å for av med at de ikke",
        "pl": "i w na z się do nie to że jest o jak od za po",
        "pt": "de a o que e do da em um para é com não uma os no se na por",
        "ro": "de și în la a cu o pe nu din că care este un mai",
        "ru": "и в не на что с по как из к он это за от для но",
        "sk": "a v na sa je to že s z o do ako pre po",
        "sl": "in je v na se za da so z ki ne tudi po",
        "sq": "e të dhe në për me një nga që është si më",
        "sr": "и је у се на да за су од са као који не",
        "sv": "och i att det en som på är av för med till den inte om",
        "sw": "ya na wa kwa ni katika la za cha vya hii kama lakini",
        "ta": "ஒரு என்று மற்றும் இந்த இது அந்த என",
        "te": "ఈ ఆ మరియు కూడా ఒక అని",
        "tr": "ve bir bu da de için ile çok daha o ne ama gibi olarak",
        "uk": "і в на не що з у та до за як це від для",
        "ur": "کے میں کی اور ہے سے کا کو پر نے کہ یہ ہیں",
        "vi": "và của là có được cho không trong các với này một những đã",
        "zh": "的 了 是 在 和 有 不 我 他 也 这 人 一 上 就",
    }.items()
}
STOP_WORDS["nb"] = STOP_WORDS["no"]
UNSPACED = frozenset(["zh", "wuu", "yue", "ja", "th", "lo", "km", "my"])
"""Languages written without spaces, whose texts are cut into words by character."""
_SLOTS = 1 << 12


@lru_cache(maxsize=1)
def stop_word_table() -> tuple[np.ndarray, dict[str, int]]:
    """Hashes of all stop words with their languages, and the languages' numbers.

    uint64 (2, 4096), as `two_place_table` has it; row 1 is the word's bit among those of its
    language.
    """
    numbers = {code: number for number, code in enumerate(STOP_WORDS)}
    bits = {
        language_key(word_hash(word.encode()), numbers[code]): 1 << bit
        for code, words in STOP_WORDS.items()
        for bit, word in enumerate(words)
    }
    return two_place_table(bits, _SLOTS), numbers


def language_numbers(languages: list[str | None] | None, rows: int) -> np.ndarray:
    """The number of each language in the table, int32; -1 for those that are not in it."""
    if languages is None:
        return np.full(rows, -1, np.int32)
    numbers = stop_word_table()[1]
    return np.array([numbers.get(code, -1) for code in languages], np.int32)
