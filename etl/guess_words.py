"""The words by which cities call columns, months and missing values, in four languages.

Input: nothing. Output: patterns for names in plain words, small and without accents, and `fold`, which
makes them so.
"""

import re
import unicodedata
from typing import NamedTuple

from etl.timestamps import ENGLISH_MONTHS

MISSING_WORDS = frozenset({
    "unbekannt", "keine angabe", "k.a.", "ohne", "inconnu", "inconnue", "non renseigne", "desconocido",
    "desconocida", "sin dato", "s/d", "n.d.", "no especificado", "not reported", "not recorded",
    "(blank)", "n.a.",
})  # fmt: skip
"""Spellings of a missing value beyond those that every layout knows, folded."""

MONTH_NAMES = (
    ENGLISH_MONTHS,
    ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
     "November", "Dezember"),
    ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
     "novembre", "décembre"),
    ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
     "noviembre", "diciembre"),
)  # fmt: skip
"""January first, a language each, English first."""

ADDRESS = r"(?i)\d+\w* .*\b(st|street|ave?|avenue|rd|road|dr|drive|blvd|ln|lane|way|pkwy|hwy|ct|pl)\b.*"
PRIVATE = (
    r"\b(addr\w*|adress\w*|anschrift|street\w*|strasse\w*|hausn\w*|rue|calle|direcc\w*|domicil\w*|block"
    r"|hundred|location|ubicac\w*|apt|apartment|suite|vic|vict|victims?|opfer\w*|victimes?|victimas?"
    r"|suspects?|susp|offenders?|accused|birth\w*|dob|age|edad|alter|sex|sexo|gender|race|ethnic\w*"
    r"|descent|phone\w*|email|plate|license|vin|narrative|notes?|remarks?)\b"
)
PLACE_TYPE = (
    r"\b(loc\w* (type|desc\w*|category)|loctype|premis\w*|place type|tatortlichkeit|ortlichkeit"
    r"|tipo (de )?lugar|type (de )?lieu)\b"
)

DATE_WORDS = r"date|datum|fecha|\b(dt|time|timestamp|day|tag|jour|zeit|zeitpunkt|from|to|at)\b"
IGNORED = r"\b(updated?|modif\w*|extract\w*|edit\w*|publi\w*|clear\w*|arrest\w*|birth\w*|load\w*)\b"
ROLES = {
    "occurred_until": r"\b(to|end\w*|until|thru|through|poss|possible|last|latest|bis|ende|fin|hasta"
    r"|jusqu\w*)\b",
    "reported": r"\b(rep|rpt|rptd|report\w*|filed|recorded|entered|created|received|gemeldet|melde\w*"
    r"|meldung\w*|anzeige\w*|erfass\w*|signal\w*|declar\w*|denunci\w*|registr\w*|plainte)\b",
    "occurred": r"\b(occ\w*|start\w*|begin\w*|from|fr|von|commit\w*|tat\w*|commis\w*|faits?|hechos?"
    r"|ocurr\w*)\b",
}
"""A moment's role by the words in its name, the first that fits; without any it is the occurrence."""

UNITS = {
    "year": r"\b(year|yr|jahr|annee|ano|anio)\b",
    "month": r"\b(month|monat|mois|mes)\b",
    "day": r"\b(day|tag|jour|dia)\b",
    "hour": r"\b(hour|hr|stunde|heure|hora)\b",
    "minute": r"\b(minutes?|min|minuto)\b",
    "clock": r"\b(time|tm|clock|zeit|uhrzeit|tatzeit|uhr|heure|hora|hour|stunde)\b",
}


class Rule(NamedTuple):
    """What names a field goes by, the most specific first, and which kinds of values it can have."""

    field: str
    kinds: str
    names: tuple[str, ...]


NIBRS_WORDS = r"\b(nibrs|ibr)\b"

RULES = (
    Rule("nibrs_code", "nibrs", (NIBRS_WORDS, r"code", r"")),
    Rule("report_number", "id", (
        r"\b(incident|offen[sc]e)\b.*\b(number|no|num|nr|id)\b",
        r"\b(case|report|complaint|cmplnt|event|record)\b.*\b(number|no|num|nr|id)\b|^dr no$"
        r"|^case$|aktenzeichen|vorgang\w*|fallnummer|dossier|expediente|folio|carpeta|numero",
        r"\b(id|nr|no|number|key)\b|\b\w*nummer\b",
    )),
    Rule("offense_literal", "label", (
        r"\bliteral\b|ofns desc|crm cd desc|primary type|^crime( type| name)?$"
        r"|^(nibrs )?offen[sc]e( (name|type|desc\w*))?$|delikt\w*|straftat\w*"
        r"|infraction|delito|qualification",
        r"^(?!.*(against|group)).*\b(offen[sc]e|crime|charge|mci)\b",
        r"^(type|category|description|what|art|typ|tipo|nature)$",
    )),
    Rule("latitude", "number", (r"\b(lat\w*|breite\w*)\b", r"\b(y|north\w*|nord|norte|hochwert)\b")),
    Rule("longitude", "number", (
        r"\b(lon\w*|lng|lange\w*)\b", r"\b(x|east\w*|ost|este|rechtswert)\b",
    )),
    Rule("location_type", "label number id", (PLACE_TYPE,)),
    Rule("beat", "label number", (r"\bbeat\b", r"patrol area|rpt dist|reporting area|cuadrante")),
    Rule("zone", "label number", (
        r"\bzone\b", r"precinct|revier\w*|comisaria|commissariat", r"\b(district|division|distrito)\b",
    )),
    Rule("neighborhood", "label number", (
        r"neighbou?rhood|nhood|\bhood\b|barrio|stadtteil|ortsteil|quartier|colonia|mcpp",
        r"ward|community area|area name|viertel|bezirk|\bboro|comuna|arrondissement|gemeinde",
    )),
    Rule("npu", "label number", (
        r"\bnpu\b|planning unit", r"community (area|board|council)|\bward\b",
    )),
    Rule("firearm_involved", "flag", (
        r"fire ?arm\w*|\bgun\b|schusswaffe\w*|arme a feu|arma de fuego",
    )),
    Rule("weekday", "weekday", (r"\b(occ\w*|avg)\b", r"day|dow|week", r"")),
    Rule("shift", "label", (r"\b(shift|watch|schicht|turno|equipe)\b",)),
)  # fmt: skip


def fold(text: str) -> str:
    """Return a text in small letters without accents."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def split_words(name: str) -> str:
    """Return a column's name in plain words: `OccurredFromDate` is `occurred from date`."""
    return " ".join(re.findall(r"[a-z0-9]+", fold(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))))
