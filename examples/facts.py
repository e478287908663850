"""Facts that people know, one line each; `generate.py` makes world.sql of them.

    COUNTRIES   code|name|capital|continent|currency|languages    the 193 member states of the United Nations
    CURRENCIES  code|name|digits after the point                  ISO 4217
    LANGUAGES   code|name                                         ISO 639-1
    ELEMENTS    symbol|name|year of discovery                     by atomic number; - for those known since antiquity
    PLANETS     name|mean radius in km|orbit in years             from the Sun outwards
    MOONS       planet|name|year of discovery|discoverer          the better-known ones

Languages are official ones of the whole country that have a two-letter code, the list is not complete everywhere.
Of several capitals the one named in the constitution stands, else the seat of government. Sources differ on some
discoveries by a year or two.
"""

CONTINENTS = """
AF|Africa
AN|Antarctica
AS|Asia
EU|Europe
NA|North America
OC|Oceania
SA|South America
"""

COUNTRIES = """
AD|Andorra|Andorra la Vella|EU|EUR|ca
AE|United Arab Emirates|Abu Dhabi|AS|AED|ar
AF|Afghanistan|Kabul|AS|AFN|ps fa
AG|Antigua and Barbuda|St. John's|NA|XCD|en
AL|Albania|Tirana|EU|ALL|sq
AM|Armenia|Yerevan|AS|AMD|hy
AO|Angola|Luanda|AF|AOA|pt
AR|Argentina|Buenos Aires|SA|ARS|es
AT|Austria|Vienna|EU|EUR|de
AU|Australia|Canberra|OC|AUD|en
AZ|Azerbaijan|Baku|AS|AZN|az
BA|Bosnia and Herzegovina|Sarajevo|EU|BAM|bs hr sr
BB|Barbados|Bridgetown|NA|BBD|en
BD|Bangladesh|Dhaka|AS|BDT|bn
BE|Belgium|Brussels|EU|EUR|nl fr de
BF|Burkina Faso|Ouagadougou|AF|XOF|
BG|Bulgaria|Sofia|EU|EUR|bg
BH|Bahrain|Manama|AS|BHD|ar
BI|Burundi|Gitega|AF|BIF|rn fr en
BJ|Benin|Porto-Novo|AF|XOF|fr
BN|Brunei|Bandar Seri Begawan|AS|BND|ms
BO|Bolivia|Sucre|SA|BOB|es qu ay gn
BR|Brazil|Brasília|SA|BRL|pt
BS|Bahamas|Nassau|NA|BSD|en
BT|Bhutan|Thimphu|AS|BTN|dz
BW|Botswana|Gaborone|AF|BWP|en
BY|Belarus|Minsk|EU|BYN|be ru
BZ|Belize|Belmopan|NA|BZD|en
CA|Canada|Ottawa|NA|CAD|en fr
CD|Democratic Republic of the Congo|Kinshasa|AF|CDF|fr
CF|Central African Republic|Bangui|AF|XAF|fr sg
CG|Congo|Brazzaville|AF|XAF|fr
CH|Switzerland|Bern|EU|CHF|de fr it rm
CI|Côte d'Ivoire|Yamoussoukro|AF|XOF|fr
CL|Chile|Santiago|SA|CLP|es
CM|Cameroon|Yaoundé|AF|XAF|fr en
CN|China|Beijing|AS|CNY|zh
CO|Colombia|Bogotá|SA|COP|es
CR|Costa Rica|San José|NA|CRC|es
CU|Cuba|Havana|NA|CUP|es
CV|Cabo Verde|Praia|AF|CVE|pt
CY|Cyprus|Nicosia|AS|EUR|el tr
CZ|Czechia|Prague|EU|CZK|cs
DE|Germany|Berlin|EU|EUR|de
DJ|Djibouti|Djibouti|AF|DJF|fr ar
DK|Denmark|Copenhagen|EU|DKK|da
DM|Dominica|Roseau|NA|XCD|en
DO|Dominican Republic|Santo Domingo|NA|DOP|es
DZ|Algeria|Algiers|AF|DZD|ar
EC|Ecuador|Quito|SA|USD|es
EE|Estonia|Tallinn|EU|EUR|et
EG|Egypt|Cairo|AF|EGP|ar
ER|Eritrea|Asmara|AF|ERN|ti ar en
ES|Spain|Madrid|EU|EUR|es
ET|Ethiopia|Addis Ababa|AF|ETB|am om so ti aa
FI|Finland|Helsinki|EU|EUR|fi sv
FJ|Fiji|Suva|OC|FJD|en fj
FM|Micronesia|Palikir|OC|USD|en
FR|France|Paris|EU|EUR|fr
GA|Gabon|Libreville|AF|XAF|fr
GB|United Kingdom|London|EU|GBP|en
GD|Grenada|St. George's|NA|XCD|en
GE|Georgia|Tbilisi|AS|GEL|ka
GH|Ghana|Accra|AF|GHS|en
GM|Gambia|Banjul|AF|GMD|en
GN|Guinea|Conakry|AF|GNF|fr
GQ|Equatorial Guinea|Malabo|AF|XAF|es fr pt
GR|Greece|Athens|EU|EUR|el
GT|Guatemala|Guatemala City|NA|GTQ|es
GW|Guinea-Bissau|Bissau|AF|XOF|pt
GY|Guyana|Georgetown|SA|GYD|en
HN|Honduras|Tegucigalpa|NA|HNL|es
HR|Croatia|Zagreb|EU|EUR|hr
HT|Haiti|Port-au-Prince|NA|HTG|fr ht
HU|Hungary|Budapest|EU|HUF|hu
ID|Indonesia|Jakarta|AS|IDR|id
IE|Ireland|Dublin|EU|EUR|ga en
IL|Israel|Jerusalem|AS|ILS|he
IN|India|New Delhi|AS|INR|hi en
IQ|Iraq|Baghdad|AS|IQD|ar ku
IR|Iran|Tehran|AS|IRR|fa
IS|Iceland|Reykjavík|EU|ISK|is
IT|Italy|Rome|EU|EUR|it
JM|Jamaica|Kingston|NA|JMD|en
JO|Jordan|Amman|AS|JOD|ar
JP|Japan|Tokyo|AS|JPY|ja
KE|Kenya|Nairobi|AF|KES|sw en
KG|Kyrgyzstan|Bishkek|AS|KGS|ky ru
KH|Cambodia|Phnom Penh|AS|KHR|km
KI|Kiribati|South Tarawa|OC|AUD|en
KM|Comoros|Moroni|AF|KMF|ar fr
KN|Saint Kitts and Nevis|Basseterre|NA|XCD|en
KP|North Korea|Pyongyang|AS|KPW|ko
KR|South Korea|Seoul|AS|KRW|ko
KW|Kuwait|Kuwait City|AS|KWD|ar
KZ|Kazakhstan|Astana|AS|KZT|kk ru
LA|Laos|Vientiane|AS|LAK|lo
LB|Lebanon|Beirut|AS|LBP|ar
LC|Saint Lucia|Castries|NA|XCD|en
LI|Liechtenstein|Vaduz|EU|CHF|de
LK|Sri Lanka|Sri Jayawardenepura Kotte|AS|LKR|si ta
LR|Liberia|Monrovia|AF|LRD|en
LS|Lesotho|Maseru|AF|LSL|st en
LT|Lithuania|Vilnius|EU|EUR|lt
LU|Luxembourg|Luxembourg|EU|EUR|lb fr de
LV|Latvia|Riga|EU|EUR|lv
LY|Libya|Tripoli|AF|LYD|ar
MA|Morocco|Rabat|AF|MAD|ar
MC|Monaco|Monaco|EU|EUR|fr
MD|Moldova|Chișinău|EU|MDL|ro
ME|Montenegro|Podgorica|EU|EUR|
MG|Madagascar|Antananarivo|AF|MGA|mg fr
MH|Marshall Islands|Majuro|OC|USD|mh en
MK|North Macedonia|Skopje|EU|MKD|mk sq
ML|Mali|Bamako|AF|XOF|bm
MM|Myanmar|Naypyidaw|AS|MMK|my
MN|Mongolia|Ulaanbaatar|AS|MNT|mn
MR|Mauritania|Nouakchott|AF|MRU|ar
MT|Malta|Valletta|EU|EUR|mt en
MU|Mauritius|Port Louis|AF|MUR|en
MV|Maldives|Malé|AS|MVR|dv
MW|Malawi|Lilongwe|AF|MWK|en
MX|Mexico|Mexico City|NA|MXN|es
MY|Malaysia|Kuala Lumpur|AS|MYR|ms
MZ|Mozambique|Maputo|AF|MZN|pt
NA|Namibia|Windhoek|AF|NAD|en
NE|Niger|Niamey|AF|XOF|
NG|Nigeria|Abuja|AF|NGN|en
NI|Nicaragua|Managua|NA|NIO|es
NL|Netherlands|Amsterdam|EU|EUR|nl
NO|Norway|Oslo|EU|NOK|no
NP|Nepal|Kathmandu|AS|NPR|ne
NR|Nauru||OC|AUD|na en
NZ|New Zealand|Wellington|OC|NZD|en mi
OM|Oman|Muscat|AS|OMR|ar
PA|Panama|Panama City|NA|PAB|es
PE|Peru|Lima|SA|PEN|es qu ay
PG|Papua New Guinea|Port Moresby|OC|PGK|en ho
PH|Philippines|Manila|AS|PHP|en tl
PK|Pakistan|Islamabad|AS|PKR|ur en
PL|Poland|Warsaw|EU|PLN|pl
PT|Portugal|Lisbon|EU|EUR|pt
PW|Palau|Ngerulmud|OC|USD|en
PY|Paraguay|Asunción|SA|PYG|es gn
QA|Qatar|Doha|AS|QAR|ar
RO|Romania|Bucharest|EU|RON|ro
RS|Serbia|Belgrade|EU|RSD|sr
RU|Russia|Moscow|EU|RUB|ru
RW|Rwanda|Kigali|AF|RWF|rw en fr sw
SA|Saudi Arabia|Riyadh|AS|SAR|ar
SB|Solomon Islands|Honiara|OC|SBD|en
SC|Seychelles|Victoria|AF|SCR|en fr
SD|Sudan|Khartoum|AF|SDG|ar en
SE|Sweden|Stockholm|EU|SEK|sv
SG|Singapore|Singapore|AS|SGD|en ms zh ta
SI|Slovenia|Ljubljana|EU|EUR|sl
SK|Slovakia|Bratislava|EU|EUR|sk
SL|Sierra Leone|Freetown|AF|SLE|en
SM|San Marino|San Marino|EU|EUR|it
SN|Senegal|Dakar|AF|XOF|fr
SO|Somalia|Mogadishu|AF|SOS|so ar
SR|Suriname|Paramaribo|SA|SRD|nl
SS|South Sudan|Juba|AF|SSP|en
ST|São Tomé and Príncipe|São Tomé|AF|STN|pt
SV|El Salvador|San Salvador|NA|USD|es
SY|Syria|Damascus|AS|SYP|ar
SZ|Eswatini|Mbabane|AF|SZL|ss en
TD|Chad|N'Djamena|AF|XAF|fr ar
TG|Togo|Lomé|AF|XOF|fr
TH|Thailand|Bangkok|AS|THB|th
TJ|Tajikistan|Dushanbe|AS|TJS|tg
TL|Timor-Leste|Dili|AS|USD|pt
TM|Turkmenistan|Ashgabat|AS|TMT|tk
TN|Tunisia|Tunis|AF|TND|ar
TO|Tonga|Nukuʻalofa|OC|TOP|to en
TR|Türkiye|Ankara|AS|TRY|tr
TT|Trinidad and Tobago|Port of Spain|NA|TTD|en
TV|Tuvalu|Funafuti|OC|AUD|en
TZ|Tanzania|Dodoma|AF|TZS|sw en
UA|Ukraine|Kyiv|EU|UAH|uk
UG|Uganda|Kampala|AF|UGX|en sw
US|United States|Washington, D.C.|NA|USD|en
UY|Uruguay|Montevideo|SA|UYU|es
UZ|Uzbekistan|Tashkent|AS|UZS|uz
VC|Saint Vincent and the Grenadines|Kingstown|NA|XCD|en
VE|Venezuela|Caracas|SA|VES|es
VN|Vietnam|Hanoi|AS|VND|vi
VU|Vanuatu|Port Vila|OC|VUV|bi en fr
WS|Samoa|Apia|OC|WST|sm en
YE|Yemen|Sanaa|AS|YER|ar
ZA|South Africa|Pretoria|AF|ZAR|af en nr st ss ts tn ve xh zu
ZM|Zambia|Lusaka|AF|ZMW|en
ZW|Zimbabwe|Harare|AF|ZWG|en sn nd
"""

CURRENCIES = """
AED|UAE dirham|2
AFN|Afghani|2
ALL|Lek|2
AMD|Armenian dram|2
AOA|Kwanza|2
ARS|Argentine peso|2
AUD|Australian dollar|2
AZN|Azerbaijan manat|2
BAM|Convertible mark|2
BBD|Barbados dollar|2
BDT|Taka|2
BHD|Bahraini dinar|3
BIF|Burundi franc|0
BND|Brunei dollar|2
BOB|Boliviano|2
BRL|Brazilian real|2
BSD|Bahamian dollar|2
BTN|Ngultrum|2
BWP|Pula|2
BYN|Belarusian ruble|2
BZD|Belize dollar|2
CAD|Canadian dollar|2
CDF|Congolese franc|2
CHF|Swiss franc|2
CLP|Chilean peso|0
CNY|Yuan renminbi|2
COP|Colombian peso|2
CRC|Costa Rican colón|2
CUP|Cuban peso|2
CVE|Cabo Verde escudo|2
CZK|Czech koruna|2
DJF|Djibouti franc|0
DKK|Danish krone|2
DOP|Dominican peso|2
DZD|Algerian dinar|2
EGP|Egyptian pound|2
ERN|Nakfa|2
ETB|Ethiopian birr|2
EUR|Euro|2
FJD|Fiji dollar|2
GBP|Pound sterling|2
GEL|Lari|2
GHS|Ghana cedi|2
GMD|Dalasi|2
GNF|Guinean franc|0
GTQ|Quetzal|2
GYD|Guyana dollar|2
HNL|Lempira|2
HTG|Gourde|2
HUF|Forint|2
IDR|Rupiah|2
ILS|New Israeli sheqel|2
INR|Indian rupee|2
IQD|Iraqi dinar|3
IRR|Iranian rial|2
ISK|Icelandic króna|0
JMD|Jamaican dollar|2
JOD|Jordanian dinar|3
JPY|Yen|0
KES|Kenyan shilling|2
KGS|Som|2
KHR|Riel|2
KMF|Comorian franc|0
KPW|North Korean won|2
KRW|Won|0
KWD|Kuwaiti dinar|3
KZT|Tenge|2
LAK|Lao kip|2
LBP|Lebanese pound|2
LKR|Sri Lanka rupee|2
LRD|Liberian dollar|2
LSL|Loti|2
LYD|Libyan dinar|3
MAD|Moroccan dirham|2
MDL|Moldovan leu|2
MGA|Malagasy ariary|2
MKD|Denar|2
MMK|Kyat|2
MNT|Tugrik|2
MRU|Ouguiya|2
MUR|Mauritius rupee|2
MVR|Rufiyaa|2
MWK|Malawi kwacha|2
MXN|Mexican peso|2
MYR|Malaysian ringgit|2
MZN|Mozambique metical|2
NAD|Namibia dollar|2
NGN|Naira|2
NIO|Córdoba oro|2
NOK|Norwegian krone|2
NPR|Nepalese rupee|2
NZD|New Zealand dollar|2
OMR|Rial omani|3
PAB|Balboa|2
PEN|Sol|2
PGK|Kina|2
PHP|Philippine peso|2
PKR|Pakistan rupee|2
PLN|Zloty|2
PYG|Guarani|0
QAR|Qatari rial|2
RON|Romanian leu|2
RSD|Serbian dinar|2
RUB|Russian ruble|2
RWF|Rwanda franc|0
SAR|Saudi riyal|2
SBD|Solomon Islands dollar|2
SCR|Seychelles rupee|2
SDG|Sudanese pound|2
SEK|Swedish krona|2
SGD|Singapore dollar|2
SLE|Leone|2
SOS|Somali shilling|2
SRD|Surinam dollar|2
SSP|South Sudanese pound|2
STN|Dobra|2
SYP|Syrian pound|2
SZL|Lilangeni|2
THB|Baht|2
TJS|Somoni|2
TMT|Turkmenistan manat|2
TND|Tunisian dinar|3
TOP|Paʻanga|2
TRY|Turkish lira|2
TTD|Trinidad and Tobago dollar|2
TZS|Tanzanian shilling|2
UAH|Hryvnia|2
UGX|Uganda shilling|0
USD|US dollar|2
UYU|Peso uruguayo|2
UZS|Uzbekistan sum|2
VES|Bolívar soberano|2
VND|Dong|0
VUV|Vatu|0
WST|Tala|2
XAF|CFA franc BEAC|0
XCD|East Caribbean dollar|2
XOF|CFA franc BCEAO|0
YER|Yemeni rial|2
ZAR|Rand|2
ZMW|Zambian kwacha|2
ZWG|Zimbabwe Gold|2
"""

LANGUAGES = """
aa|Afar
af|Afrikaans
am|Amharic
ar|Arabic
ay|Aymara
az|Azerbaijani
be|Belarusian
bg|Bulgarian
bi|Bislama
bm|Bambara
bn|Bengali
bs|Bosnian
ca|Catalan
cs|Czech
da|Danish
de|German
dv|Dhivehi
dz|Dzongkha
el|Greek
en|English
es|Spanish
et|Estonian
fa|Persian
fi|Finnish
fj|Fijian
fr|French
ga|Irish
gn|Guarani
he|Hebrew
hi|Hindi
ho|Hiri Motu
hr|Croatian
ht|Haitian Creole
hu|Hungarian
hy|Armenian
id|Indonesian
is|Icelandic
it|Italian
ja|Japanese
ka|Georgian
kk|Kazakh
km|Khmer
ko|Korean
ku|Kurdish
ky|Kyrgyz
lb|Luxembourgish
lo|Lao
lt|Lithuanian
lv|Latvian
mg|Malagasy
mh|Marshallese
mi|Māori
mk|Macedonian
mn|Mongolian
ms|Malay
mt|Maltese
my|Burmese
na|Nauruan
nd|Northern Ndebele
ne|Nepali
nl|Dutch
no|Norwegian
nr|Southern Ndebele
om|Oromo
pl|Polish
ps|Pashto
pt|Portuguese
qu|Quechua
rm|Romansh
rn|Kirundi
ro|Romanian
ru|Russian
rw|Kinyarwanda
sg|Sango
si|Sinhala
sk|Slovak
sl|Slovene
sm|Samoan
sn|Shona
so|Somali
sq|Albanian
sr|Serbian
ss|Swazi
st|Sotho
sv|Swedish
sw|Swahili
ta|Tamil
tg|Tajik
th|Thai
ti|Tigrinya
tk|Turkmen
tl|Tagalog
tn|Tswana
to|Tongan
tr|Turkish
ts|Tsonga
uk|Ukrainian
ur|Urdu
uz|Uzbek
ve|Venda
vi|Vietnamese
xh|Xhosa
zh|Chinese
zu|Zulu
"""

ELEMENTS = """
H|Hydrogen|1766
He|Helium|1868
Li|Lithium|1817
Be|Beryllium|1798
B|Boron|1808
C|Carbon|-
N|Nitrogen|1772
O|Oxygen|1774
F|Fluorine|1886
Ne|Neon|1898
Na|Sodium|1807
Mg|Magnesium|1808
Al|Aluminium|1825
Si|Silicon|1824
P|Phosphorus|1669
S|Sulfur|-
Cl|Chlorine|1774
Ar|Argon|1894
K|Potassium|1807
Ca|Calcium|1808
Sc|Scandium|1879
Ti|Titanium|1791
V|Vanadium|1801
Cr|Chromium|1797
Mn|Manganese|1774
Fe|Iron|-
Co|Cobalt|1735
Ni|Nickel|1751
Cu|Copper|-
Zn|Zinc|-
Ga|Gallium|1875
Ge|Germanium|1886
As|Arsenic|-
Se|Selenium|1817
Br|Bromine|1826
Kr|Krypton|1898
Rb|Rubidium|1861
Sr|Strontium|1790
Y|Yttrium|1794
Zr|Zirconium|1789
Nb|Niobium|1801
Mo|Molybdenum|1778
Tc|Technetium|1937
Ru|Ruthenium|1844
Rh|Rhodium|1803
Pd|Palladium|1803
Ag|Silver|-
Cd|Cadmium|1817
In|Indium|1863
Sn|Tin|-
Sb|Antimony|-
Te|Tellurium|1782
I|Iodine|1811
Xe|Xenon|1898
Cs|Caesium|1860
Ba|Barium|1808
La|Lanthanum|1839
Ce|Cerium|1803
Pr|Praseodymium|1885
Nd|Neodymium|1885
Pm|Promethium|1945
Sm|Samarium|1879
Eu|Europium|1901
Gd|Gadolinium|1880
Tb|Terbium|1843
Dy|Dysprosium|1886
Ho|Holmium|1878
Er|Erbium|1843
Tm|Thulium|1879
Yb|Ytterbium|1878
Lu|Lutetium|1907
Hf|Hafnium|1923
Ta|Tantalum|1802
W|Tungsten|1783
Re|Rhenium|1925
Os|Osmium|1803
Ir|Iridium|1803
Pt|Platinum|1735
Au|Gold|-
Hg|Mercury|-
Tl|Thallium|1861
Pb|Lead|-
Bi|Bismuth|-
Po|Polonium|1898
At|Astatine|1940
Rn|Radon|1899
Fr|Francium|1939
Ra|Radium|1898
Ac|Actinium|1899
Th|Thorium|1829
Pa|Protactinium|1917
U|Uranium|1789
Np|Neptunium|1940
Pu|Plutonium|1940
Am|Americium|1944
Cm|Curium|1944
Bk|Berkelium|1949
Cf|Californium|1950
Es|Einsteinium|1952
Fm|Fermium|1952
Md|Mendelevium|1955
No|Nobelium|1966
Lr|Lawrencium|1961
Rf|Rutherfordium|1969
Db|Dubnium|1970
Sg|Seaborgium|1974
Bh|Bohrium|1981
Hs|Hassium|1984
Mt|Meitnerium|1982
Ds|Darmstadtium|1994
Rg|Roentgenium|1994
Cn|Copernicium|1996
Nh|Nihonium|2004
Fl|Flerovium|1999
Mc|Moscovium|2003
Lv|Livermorium|2000
Ts|Tennessine|2010
Og|Oganesson|2002
"""

PLANETS = """
Mercury|2439.7|0.241
Venus|6051.8|0.615
Earth|6371.0|1.0
Mars|3389.5|1.881
Jupiter|69911.0|11.86
Saturn|58232.0|29.46
Uranus|25362.0|84.02
Neptune|24622.0|164.8
"""

MOONS = """
Earth|Moon|-|
Mars|Phobos|1877|Asaph Hall
Mars|Deimos|1877|Asaph Hall
Jupiter|Io|1610|Galileo Galilei
Jupiter|Europa|1610|Galileo Galilei
Jupiter|Ganymede|1610|Galileo Galilei
Jupiter|Callisto|1610|Galileo Galilei
Jupiter|Amalthea|1892|Edward Emerson Barnard
Jupiter|Himalia|1904|Charles Dillon Perrine
Jupiter|Elara|1905|Charles Dillon Perrine
Jupiter|Pasiphae|1908|Philibert Jacques Melotte
Jupiter|Sinope|1914|Seth Barnes Nicholson
Jupiter|Lysithea|1938|Seth Barnes Nicholson
Jupiter|Carme|1938|Seth Barnes Nicholson
Jupiter|Ananke|1951|Seth Barnes Nicholson
Jupiter|Leda|1974|Charles Kowal
Jupiter|Thebe|1979|Voyager 1
Jupiter|Metis|1979|Voyager 1
Jupiter|Adrastea|1979|Voyager 2
Saturn|Titan|1655|Christiaan Huygens
Saturn|Iapetus|1671|Giovanni Domenico Cassini
Saturn|Rhea|1672|Giovanni Domenico Cassini
Saturn|Tethys|1684|Giovanni Domenico Cassini
Saturn|Dione|1684|Giovanni Domenico Cassini
Saturn|Mimas|1789|William Herschel
Saturn|Enceladus|1789|William Herschel
Saturn|Hyperion|1848|William Lassell
Saturn|Phoebe|1899|William Henry Pickering
Saturn|Janus|1966|Audouin Dollfus
Saturn|Epimetheus|1966|Richard Walker
Saturn|Atlas|1980|Voyager 1
Saturn|Prometheus|1980|Voyager 1
Saturn|Pandora|1980|Voyager 1
Saturn|Pan|1990|Mark Showalter
Uranus|Titania|1787|William Herschel
Uranus|Oberon|1787|William Herschel
Uranus|Ariel|1851|William Lassell
Uranus|Umbriel|1851|William Lassell
Uranus|Miranda|1948|Gerard Kuiper
Uranus|Puck|1985|Voyager 2
Uranus|Cordelia|1986|Voyager 2
Uranus|Ophelia|1986|Voyager 2
Uranus|Bianca|1986|Voyager 2
Uranus|Cressida|1986|Voyager 2
Uranus|Desdemona|1986|Voyager 2
Uranus|Juliet|1986|Voyager 2
Uranus|Portia|1986|Voyager 2
Uranus|Rosalind|1986|Voyager 2
Uranus|Belinda|1986|Voyager 2
Neptune|Triton|1846|William Lassell
Neptune|Nereid|1949|Gerard Kuiper
Neptune|Naiad|1989|Voyager 2
Neptune|Thalassa|1989|Voyager 2
Neptune|Despina|1989|Voyager 2
Neptune|Galatea|1989|Voyager 2
Neptune|Larissa|1981|Harold Reitsema
Neptune|Proteus|1989|Voyager 2
"""


def lines(table: str) -> list[list[str]]:
    """Split one of the tables above into its lines' fields."""
    return [line.split("|") for line in table.strip().splitlines()]
