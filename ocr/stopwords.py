"""The commonest short words and letter pairs of languages in Latin script.

They stand for "this reads like a language at all", not for which one; a page of prose in any of
them has 20 to 50 % of such words.  Lists of names or terms have few, but still the letter pairs.
"""

_WORDS = {
    "English": (
        "the of and to in a is that for it as was with be by on not he his but at are this have "
        "from or had an they which you were her all she there would their we him been has when "
        "who will no if out so what up our can do its may any than then these your i"
    ),
    "French": (
        "le la les de des du un une et est en que qui dans pour pas sur au aux avec par il elle "
        "ce cette ces son sa ses ne se plus ou mais nous vous leur été sont d l"
    ),
    "German": (
        "der die das und ist in den von zu mit sich des auf für nicht ein eine dem es auch als an "
        "nach wie im bei aus werden wird sind oder zum zur einer einem"
    ),
    "Spanish, Portuguese, Italian": (
        "el los las y del se con por una su al lo como más para es o os as do da dos das em no na "
        "um uma não ao è di che il per non sono della dei le gli nel alla si delle"
    ),
    "Dutch, Swedish, Danish, Norwegian": (
        "het een van en op te zijn dat voor niet met aan er om ook maar bij naar och att det som "
        "på är av till den inte ett til af ikke jeg har ble"
    ),
    "Polish, Czech, Turkish, Indonesian, Romanian, Hungarian, Finnish, Vietnamese": (
        "w i na z do nie się że jest to po od za v je s k bir ve bu için ile çok yang dan untuk "
        "dengan pada ini itu dari și în la cu pe nu az egy és hogy nem ja ei oli että se và của "
        "là có cho các được không"
    ),
    "Polish, Czech, Croatian, Lithuanian, Latvian, Estonian: more of them": (
        "przez dla jak oraz lub ich jego być tym tego jsou jako které která nebo aby byl ima su "
        "kao koji kako ili ir kad yra bei kaip iš un ir par kas ar no tas see ning oma või kui"
    ),
    "Welsh, Irish, Basque, Albanian, Icelandic, Afrikaans": (
        "yn yr ac ei eu mae ar gan wedi hyn bod i'r agus na is go leis eta da du bat ere ez dira "
        "të dhe në që një për me nga að og er sem við því ekki die het nie en van is"
    ),
    "Swahili, Zulu, Somali, Tagalog, Malay": (
        "na ya wa kwa ni katika la za cha kama ngo futhi ukuthi iyo ku ee oo ka ang ng mga sa at "
        "ay kepada oleh atau adalah tidak"
    ),
    "Latin: much printed matter, and the dummy text of designers": (
        "et in ut ad non cum sed est ac vel sit nec per eu ipsum lorem dolor amet quis id"
    ),
}

_PAIRS = (
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io "
    "le ve co me de hi ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho "
    "pe ec pr no ct us ac ot il tr ly nc et ut ss so rs un lo ge ie ee em ad ol rt po na ul "
    "ni ts mo pa im mi ai sh ir su id os iv ia am ci vi pl ig tu ev ab op sa ei au qu do ue "
    "va ui ag av az ov ow oo"
)

STOP_WORDS = frozenset(word for words in _WORDS.values() for word in words.split())
COMMON_PAIRS = frozenset(_PAIRS.split())
