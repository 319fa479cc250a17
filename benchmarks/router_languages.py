"""What languages in Latin script look like: article 1 of the Universal Declaration of Human Rights
(United Nations, 1948; public domain), for benchmarks/train_router.py."""

ARTICLES = {
    "af": "Alle menslike wesens word vry, met gelyke waardigheid en regte, gebore. Hulle het rede"
    " en gewete en behoort in die gees van broederskap teenoor mekaar op te tree.",
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem"
    " a svědomím a mají spolu jednat v duchu bratrství.",
    "da": "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med"
    " fornuft og samvittighed, og de bør handle mod hverandre i en broderskabets ånd.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft"
    " und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.",
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with"
    " reason and conscience and should act towards one another in a spirit of brotherhood.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como"
    " están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
    "et": "Kõik inimesed sünnivad vabadena ja võrdsetena oma väärikuselt ja õigustelt. Neile on"
    " antud mõistus ja südametunnistus ja nende suhtumist üksteisesse peab kandma vendluse"
    " vaim.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués"
    " de raison et de conscience et doivent agir les uns envers les autres dans un esprit de"
    " fraternité.",
    "ga": "Saolaítear na daoine uile saor agus comhionann ina ndínit agus ina gcearta. Tá bua an"
    " réasúin agus an choinsiasa acu agus dlíd iad féin d'iompar de mheon bráithreachais i"
    " leith a chéile.",
    "hr": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena"
    " razumom i sviješću i trebaju jedna prema drugima postupati u duhu bratstva.",
    "id": "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka"
    " dikaruniai akal dan hati nurani dan hendaknya bergaul satu sama lain dalam semangat"
    " persaudaraan.",
    "is": "Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum. Menn eru gæddir"
    " vitsmunum og samvizku, og ber þeim að breyta bróðurlega hverjum við annan.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati"
    " di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di"
    " fratellanza.",
    "lt": "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir"
    " sąžinė ir jie turi elgtis vienas kito atžvilgiu kaip broliai.",
    "lv": "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti"
    " ar saprātu un sirdsapziņu, un viņiem jāizturas citam pret citu brālības garā.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd"
    " met verstand en geweten, en behoren zich jegens elkander in een geest van broederschap"
    " te gedragen.",
    "no": "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter. De er"
    " utstyrt med fornuft og samvittighet og bør handle mot hverandre i brorskapets ånd.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de"
    " razão e de consciência, devem agir uns para com os outros em espírito de fraternidade.",
    "ro": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt"
    " înzestrate cu rațiune și conștiință și trebuie să se comporte unele față de altele în"
    " spiritul fraternității.",
    "sk": "Všetci ľudia sa rodia slobodní a sebe rovní, čo sa týka ich dôstojnosti a práv. Sú"
    " obdarení rozumom a majú navzájom jednať v bratskom duchu.",
    "so": "Aadanaha dhammaantiis wuxuu dhashaa isagoo xor ah kana siman xagga sharafta iyo"
    " xuquuqada. Waxaa Alle siiyay aqoon iyo wacyi, waana in qof la arkaa qofka kale ula"
    " dhaqmaa si walaaltinimo ah.",
    "sq": "Të gjithë njerëzit lindin të lirë dhe të barabartë në dinjitet dhe në të drejta. Ata"
    " kanë arsye dhe ndërgjegje dhe duhet të sillen ndaj njëri tjetrit me frymë vëllazërimi.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med"
    " förnuft och samvete och bör handla gentemot varandra i en anda av broderskap.",
    "tl": "Ang lahat ng tao'y isinilang na malaya at pantay-pantay sa karangalan at mga karapatan."
    " Sila'y pinagkalooban ng katwiran at budhi at dapat magpalagayan ang isa't isa sa diwa ng"
    " pagkakapatiran.",
    "zu": "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo. Bahlanganiswe"
    " wumcabango nangunembeza futhi kufanele baphathane ngomoya wobunye.",
}
