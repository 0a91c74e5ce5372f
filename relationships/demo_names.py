"""The names of the demo: invented firms and people. Every domain ends in .example, which belongs to nobody."""

# Name, domain, city, country, and whose names its people bear.
PENSION_FUNDS = """
Alder Pension|alder-pension|Zurich|Switzerland|dach
Bernina Vorsorgestiftung|bernina-vorsorge|Chur|Switzerland|dach
Pensionskasse Rheintal|pk-rheintal|St. Gallen|Switzerland|dach
Caisse de Pensions du Léman|caisse-leman|Lausanne|Switzerland|french
Versorgungswerk Hansa|vw-hansa|Hamburg|Germany|dach
Isar Versorgungskasse|isar-vk|Munich|Germany|dach
Stichting Pensioenfonds Noordzee|pf-noordzee|Rotterdam|Netherlands|dutch
Pensioenfonds Zilvermeer|zilvermeer|Utrecht|Netherlands|dutch
Fjord Pensjonskasse|fjord-pensjon|Bergen|Norway|nordic
Öresund Tjänstepension|oresund-pension|Malmö|Sweden|nordic
Saimaa Eläke|saimaa-elake|Helsinki|Finland|nordic
Kattegat Pension|kattegat-pension|Aarhus|Denmark|nordic
Thames Valley Pension Scheme|thamesvalley-pension|Reading|United Kingdom|anglo
Clydeside Pension Fund|clydeside-pension|Glasgow|United Kingdom|anglo
Great Lakes Teachers' Retirement|greatlakes-retirement|Milwaukee|United States|anglo
Cascadia Public Employees|cascadia-pers|Portland|United States|anglo
Fondo Pensione Adriatico|fondo-adriatico|Trieste|Italy|italian
Southern Cross Super|southerncross-super|Brisbane|Australia|anglo
"""

INSURERS = """
Helvion Leben|helvion|Basel|Switzerland|dach
Mainbrücke Versicherung|mainbruecke|Frankfurt|Germany|dach
Donau Lebensversicherung|donau-leben|Vienna|Austria|dach
Assurances Garonne|assurances-garonne|Bordeaux|France|french
Mutuelle des Alpes|mutuelle-alpes|Grenoble|France|french
Seguros Mirasol|mirasol-seguros|Madrid|Spain|iberian
Assicurazioni Lario|lario|Como|Italy|italian
Hinode Life|hinode-life|Osaka|Japan|japanese
Hangang Life Insurance|hangang-life|Seoul|South Korea|korean
Maple Shield Mutual|mapleshield|Toronto|Canada|anglo
"""

ENDOWMENTS = """
Wexcombe University Endowment|wexcombe-endowment|Oxford|United Kingdom|anglo
St. Aldhelm's College Fund|aldhelm-fund|Cambridge|United Kingdom|anglo
Harrow Hill Foundation|harrowhill|Boston|United States|anglo
Redwood College Endowment|redwood-endowment|Palo Alto|United States|anglo
Fundação Tejo|fundacao-tejo|Lisbon|Portugal|iberian
Stiftung Morgenrot|stiftung-morgenrot|Berlin|Germany|dach
Lindqvist Stiftelse|lindqvist-stiftelse|Stockholm|Sweden|nordic
Fondation Clairval|clairval|Geneva|Switzerland|french
Banyan Tree Trust|banyan-trust|Mumbai|India|indian
Baobab Health Foundation|baobab-foundation|Nairobi|Kenya|african
Stichting Waterlelie|waterlelie|Amsterdam|Netherlands|dutch
Kestrel Hospital Endowment|kestrel-endowment|Chicago|United States|anglo
"""

FAMILY_OFFICES = """
Steinbach Family Office|steinbach-fo|Zug|Switzerland|dach
Haus Wellenberg|wellenberg|Winterthur|Switzerland|dach
Casa Olivares|casa-olivares|Barcelona|Spain|iberian
Rossetti Holding|rossetti-holding|Milan|Italy|italian
Maison Beaurivage|beaurivage-fo|Monaco|Monaco|french
Al Noor Holdings|alnoor-holdings|Dubai|United Arab Emirates|arabic
Al Waha Family Office|alwaha|Riyadh|Saudi Arabia|arabic
Jade Harbour Capital|jadeharbour|Hong Kong|Hong Kong|chinese
Lion Gate Family Office|liongate|Singapore|Singapore|chinese
Okonkwo & Daughters|okonkwo-daughters|Lagos|Nigeria|african
Mehta Legacy Partners|mehta-legacy|Bengaluru|India|indian
Tamarack Family Capital|tamarack|Denver|United States|anglo
"""

FUNDS_OF_FUNDS = """
Compasso Fund of Funds|compasso|Lugano|Switzerland|italian
Limmat Private Markets|limmat-pm|Zurich|Switzerland|dach
Northern Ladder Partners|northernladder|Copenhagen|Denmark|nordic
Polder Private Equity|polder-pe|The Hague|Netherlands|dutch
Meridian Access Partners|meridian-access|London|United Kingdom|anglo
Sakura Private Markets|sakura-pm|Tokyo|Japan|japanese
Harbourlight Secondaries|harbourlight|New York|United States|anglo
Pampas Capital Solutions|pampas-cs|São Paulo|Brazil|iberian
"""

FIRMS = {
    "pension fund": PENSION_FUNDS,
    "insurer": INSURERS,
    "endowment": ENDOWMENTS,
    "family office": FAMILY_OFFICES,
    "fund of funds": FUNDS_OF_FUNDS,
}

# It places the funds of others.
NOT_LPS = frozenset({"pampas-cs"})

# Given names, then family names.
NAMES = {
    "dach": (
        "Ursula Matthias Beatrice Jürg Sabine Reto Annelies Florian Katharina Lukas",
        "Ammann Brunner Gäumann Vogt Schärer Müller Wyss Zurbriggen Hofstetter Köhler",
    ),
    "french": (
        "Émilie Olivier Chantal Jean-Luc Margaux Thibault Solène Étienne",
        "Rochat Delacroix Béguin Lefèvre Moreau Duvanel Chevalley Girard",
    ),
    "dutch": ("Sanne Pieter Marijke Joost Willemijn Bram", "Hoekstra Verhoeven Dijkman Kuipers Postma Vermeer"),
    "nordic": (
        "Ingrid Lars Sølvi Anders Åsa Mikko Freja Håkon",
        "Lindqvist Bjørnstad Nyström Korhonen Østergaard Dahl Virtanen Holm",
    ),
    "anglo": (
        "Fiona Alastair Priscilla Desmond Caitlin Graham Latoya Marcus Bridget Theodore",
        "Whitcombe O'Malley Fairweather MacAllister Jefferson Nakamura Okafor Hargreaves Delgado Thornbury",
    ),
    "iberian": (
        "Inés João Beatriz Íñigo Catarina Rodrigo",
        "Echevarría Gonçalves Villalobos Magalhães Serrano Figueiredo",
    ),
    "italian": ("Giulia Lorenzo Chiara Matteo Ornella", "Bernasconi Ferraris D'Angelo Colombo Pedrazzini"),
    "japanese": ("Haruka Kenji Yuki Takumi Naoko", "Watanabe Fujimoto Ishikawa Shimizu Kobayashi"),
    "korean": ("Ji-woo Min-seo Hyun-jin Seo-yeon", "Park Choi Jeong Kang"),
    "chinese": ("Wei-Ling Jian Mei Xiaoming Kar-Wai", "Tan Zhang Leung Ong Chen"),
    "indian": ("Ananya Rajesh Lakshmi Vikram Priya Arjun", "Mehta Krishnamurthy Banerjee Iyer Deshpande Kapoor"),
    "arabic": ("Layla Khalid Noura Yousef Hessa", "Al-Mansouri Haddad Al-Rashid Nasser Al-Qahtani"),
    "african": ("Amara Kwame Wanjiru Chidi Zainab", "Okonkwo Mwangi Adeyemi Njoroge Diallo"),
}

# Names as their bearers write them: other scripts, one word, particles. With the local part of the address.
UNUSUAL = (
    ("山田 花子", "hanako.yamada"),
    ("鈴木 一郎", "i.suzuki"),
    ("李明", "ming.li"),
    ("陳 大文", "dt.chan"),
    ("김민준", "minjun.kim"),
    ("محمد العلي", "m.alali"),
    ("فاطمة الزهراء", "fatima"),
    ("Ольга Смирнова", "o.smirnova"),
    ("Γιώργος Παπαδόπουλος", "g.papadopoulos"),
    ("Ана Петровић", "ana.petrovic"),
    ("नेहा शर्मा", "neha.sharma"),
    ("דוד לוי", "david.levi"),
    ("Suryani", "suryani"),
    ("Thandeka", "thandeka"),
    ("Björk", "bjork"),
    ("Prakash", "prakash"),
    ("María de los Ángeles Ruiz y Castro", "mruiz"),
    ("Nguyễn Thị Minh Khai", "khai.nguyen"),
    ("Ludwig von der Heide-Sternberg", "l.vonderheide"),
    ("J. R. “Bob” McTavish Jr.", "bob.mctavish"),
)

TITLES = (
    "Chief Investment Officer",
    "Head of Private Markets",
    "Senior Portfolio Manager",
    "Investment Director",
    "Investment Analyst",
    "Head of Operational Due Diligence",
    "General Counsel",
    "Managing Director",
)

# Domains where anybody can have an address.
FREE_MAIL = ("gmail.com", "googlemail.com", "hey.com", "gmx.ch", "outlook.com", "icloud.com")

Colleague = tuple[str, str, str]
"""Name, local part of the address, time zone."""

COLLEAGUES = (
    ("Anna Keller", "anna.keller", "Europe/Zurich"),
    ("Marc Dubois", "marc.dubois", "Europe/Zurich"),
    ("Priya Raman", "priya.raman", "Europe/London"),
    ("Tom Okafor", "tom.okafor", "America/New_York"),
)

FEW_COLLEAGUES = (
    ("Harriet Lowe", "harriet.lowe", "Europe/London"),
    ("Daniel Osei", "daniel.osei", "Europe/London"),
    ("Ingrid Falk", "ingrid.falk", "Europe/Stockholm"),
)

FEW_FUND_NAMES = ("Buyout Fund IV", "Renewables Fund I")

FUND_NAMES = ("Growth Partners III", "Infrastructure Fund II")

REASONS = {
    "pension fund": ("Has an open allocation to private markets", "Actuary asks for long, steady cash flows"),
    "insurer": ("Solvency rules favour this structure", "Replaces maturing bonds with real assets"),
    "endowment": ("Invests for the very long term", "Board wants more impact in the portfolio"),
    "family office": ("Family made its money in this sector", "Likes co-investments beside the fund"),
    "fund of funds": ("Is raising its next vintage now", "Looks for managers of this size"),
}
DOUBTS = (
    "has not backed a third fund before",
    "prefers larger tickets",
    "committee meets only twice a year",
    "asks for a fee discount early",
    "already holds two managers in the region",
)
CALLS = (
    "Introduction call",
    "Update call",
    "Questions on the data room",
    "Reference call",
    "Fee discussion",
    "Catch-up",
)
SAID = (
    ("Would like to see the Q3 report before the committee meets.", "interested"),
    ("Liked the team slide; asked twice about key-person cover.", "interested"),
    ("Passes for this vintage, wants to stay in touch for the next one.", "declined"),
    ("Needs the ESG questionnaire answered in their own form.", "follow_up"),
    ("Allocation for the year is used up; budget opens in January.", "follow_up"),
    ("Mostly listened. Their consultant decides more than they admit.", ""),
    ("Offered a reference from their infrastructure team.", "interested"),
)
PROMISES = (
    "Send the Q3 report",
    "Answer the ESG questionnaire",
    "Arrange a call with the CFO",
    "Send the draft side letter",
    "Invite to the annual meeting",
    "Share the track record by deal",
)
