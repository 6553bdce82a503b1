"""What free text says about a picture: side, projection, and what makes it no standard view.

Words of English, German, French, Spanish, Portuguese, Italian, Dutch and Swedish. Whole words only: "ml" is ML and
never MLO.
"""

from __future__ import annotations

import re
import unicodedata

from ..exam import Laterality, Projection

_SIDES = {
    "r": Laterality.RIGHT, "rt": Laterality.RIGHT, "right": Laterality.RIGHT, "rechts": Laterality.RIGHT,
    "rechte": Laterality.RIGHT, "rechter": Laterality.RIGHT, "droit": Laterality.RIGHT, "droite": Laterality.RIGHT,
    "derecha": Laterality.RIGHT, "derecho": Laterality.RIGHT, "dcha": Laterality.RIGHT, "direita": Laterality.RIGHT,
    "destra": Laterality.RIGHT,
    "l": Laterality.LEFT, "lt": Laterality.LEFT, "left": Laterality.LEFT, "links": Laterality.LEFT,
    "linke": Laterality.LEFT, "linker": Laterality.LEFT, "gauche": Laterality.LEFT, "izquierda": Laterality.LEFT,
    "izquierdo": Laterality.LEFT, "izq": Laterality.LEFT, "izda": Laterality.LEFT, "esquerda": Laterality.LEFT,
    "sinistra": Laterality.LEFT, "vanster": Laterality.LEFT, "esq": Laterality.LEFT, "venstre": Laterality.LEFT,
    "linkerborst": Laterality.LEFT, "lewa": Laterality.LEFT, "leva": Laterality.LEFT, "vasen": Laterality.LEFT,
    "hoger": Laterality.RIGHT, "højre": Laterality.RIGHT, "høyre": Laterality.RIGHT, "rechterborst": Laterality.RIGHT,
    "prawa": Laterality.RIGHT, "prava": Laterality.RIGHT, "oikea": Laterality.RIGHT,
}  # fmt: skip
#: German, after a word for the breast or a projection only: Li is also a surname
_ABBREVIATED_SIDE = re.compile(r" (?:mamma|brust|mammographie|mammografie|cc|mlo) (re|li) ")
_ABBREVIATED_SIDES = {"re": Laterality.RIGHT, "li": Laterality.LEFT}
_SHORT_SIDES = {"r": Laterality.RIGHT, "l": Laterality.LEFT, "dx": Laterality.RIGHT, "sx": Laterality.LEFT}
_PROJECTIONS = {p.value.lower(): p for p in Projection if p not in (Projection.AT, Projection.CV, Projection.SPECIMEN)}
#: what is glued to side and projection: "RMCC" and "RCCM" (magnification), "LCCID", "LCCD" (implant displaced), ...
_GLUED = {
    "m": "magnification", "mag": "magnification", "s": "spot", "sp": "spot", "spot": "spot",
    "ms": "spot", "sm": "spot", "d": "implant-displaced", "id": "implant-displaced", "imd": "implant-displaced",
    "rl": "rolled", "rm": "rolled", "ri": "rolled", "rs": "rolled", "tan": "tangential",
}  # fmt: skip
_SIDE_AND_PROJECTION = re.compile(
    rf"^(?P<side>right|left|rt|lt|r|l)?(?P<before>ms?|s|id)?(?P<projection>"
    rf"{'|'.join(sorted(_PROJECTIONS, key=len, reverse=True))})"
    rf"(?P<after>{'|'.join(sorted(_GLUED, key=len, reverse=True))})?$"
)
#: projections written out; the last one that fits wins, so the longer names come later
_WRITTEN_PROJECTIONS = (
    (re.compile(r" (?:cranio ?-? ?caud\w*|kranio ?kaud\w*|craneo ?caud\w*) "), Projection.CC),
    (re.compile(r" (?:medio ?-? ?later\w*) (?!obl|schrag)"), Projection.ML),
    (re.compile(r" (?:latero ?-? ?medi\w*) (?!obl|schrag)"), Projection.LM),
    (
        re.compile(
            r" (?:medio ?-? ?later\w*) (?:obl\w*|schrag\w*) | (?:obliqua?|oblicua) medio ?later\w* "
            r"| (?:m lo|ml o|m l o)(?= )(?! (?:ml|cc))"  # "ML-O"; "ml o cc" is Spanish
        ),
        Projection.MLO,
    ),
)

#: code of the mark -> how people write it. Matched against `plain(text)`.
_KINDS = {
    "magnification": (
        r"mags?|magn|magnif\w*|magnificat\w*|vergroe?ss?er\w*|vergr|agrandi\w*|ampliac\w*|ampliad\w*|ampliat\w*|"
        r"ingrandi\w*|magnificac\w*|magnificad\w*|(?:uit)?vergrot\w*|vergroting\w*|forstor\w*|zoom\w*|"
        r"x ?(?:1[.,][4-9]\d?|2|2[.,]\d)|(?:1[.,][4-9]\d?|2[.,]\d) ?x"
    ),
    "spot": (
        r"spot\w*|cone ?down|coned|focal compress\w*|local\w* compress\w*|compress\w* (?:focal\w*|locali\w*|localisee|"
        r"localizada|mirata|centree|selectiva)|cliches? (?:localise\w*|centre\w*)|(?:ziel|punkt|lokal)kompress\w*|"
        r"(?:ge)?ziel\w* (?:aufnahme|kompress\w*)|zielaufnahme\w*|kompressionsaufnahme\w*|focali[sz]ad\w*|paddle small"
    ),
    "implant-displaced": (
        r"(?:implant\w*|impl|prosthe\w*|prothes\w*|protes\w*)(?: \w+)? (?:disp|displ|displac\w*|dislo\w*|push\w*|"
        r"verschob\w*|verlager\w*|deplac\w*|refoul\w*|desplaz\w*|deslocad\w*|spost\w*|verplaats\w*)|displaced|"
        r"displacement|eklund\w*|push ?back|pushed ?back|impl? ?disp\w*|pinch view"
    ),
    "rolled": r"roll|rolled|gerollt\w*|rolado|rodada",
    "tangential": r"tangen\w*|tang|(?:cc|mlo) tan",
    "specimen": (
        r"specimens?|prae?parate?\w*|piece (?:operatoire|chirurg\w*)|surgical piece|pieza (?:quirurgica|operatoria)|"
        r"peca (?:cirurgica|operatoria)|pezzo operatorio|preparaat\w*|core biopsy specimen|biopsy cores?|cores|"
        r"lumpectom\w*|resektat\w*|exzisat\w*"
    ),
    "stereo": (
        r"stereo\w*|stx|wire (?:loc\w*|guid\w*)|needle\w*|hook ?wire\w*|pre ?fire|post ?fire|drahtmark\w*|"
        r"drahtlokal\w*|nadellokal\w*|nadelmark\w*|reperage\w*|harpon|arpon|localisation wire|galactogra\w*|"
        r"galaktogra\w*|ductogra\w*|prone biopsy"
    ),
    "subtraction": r"subtract\w*|subtrakt\w*|soustra\w*|sustrac\w*|substra\w*|subtraca\w*|sottraz\w*|subtr",
    "recombined": r"recombin\w*|rekombin\w*",
    "region": (
        r"roi|rois|region of interest|masks?|masque|mascara|maske|cropped|crops?|ausschnitt\w*|recorte\w*|ritaglio|"
        r"patch|patches|segment(?:ation|ed|ierung)|(?<!with )(?<!w )(?<!and )(?<!mit )cad|overlay\w*|"
        r"heat ?maps?|annotat\w*|screen ?shots?|screen ?captures?|snapshot\w*|key ?images?|thumbnail\w*|montage"
    ),
}  # fmt: skip
#: taken as a standard view, and marked
_TAKEN_KINDS = {
    "synthetic": (
        r"c ?view\w*|v ?preview|s ?view|insight(?: ?2d)?|i2d|s2d|2ds|syn ?2d|(?<!tomo )synth?et\w*|sintet\w*|"
        r"(?:generated|gen) ?2d|tomo ?2d|intelligent 2d"
    ),
    "low-energy": (
        r"low ?energ\w*|niedrig ?energ\w*|niederenerg\w*|basse energie|baja energia|baixa energia|bassa energia"
    ),
}
#: words that may mean an extra picture and may mean a standard view of a longer examination: the reader is asked
_DOUBTFUL_KINDS = {
    "biopsy": r"biops\w*|clip|post (?:procedure|clip|biopsy)|stanz\w*|vab|vacuum",
    "tomosynthesis": r"tomo\w*|dbt|3d|slab\w*|slices?|schicht\w*|coupes?|projections?",
    "contrast": r"cesm|cem|cedm|contrast\w*|kontrast\w*|contraste|titanium",
    "test object": r"qc|qa|phantom\w*|flat ?field\w*|quality (?:control|assurance)|test ?object|prufkorper|calibrat\w*",
}
_NEGATION = (
    r"(?<! no)(?<! non)(?<! not)(?<! without)(?<! w o)(?<! ohne)(?<! kein)(?<! keine)(?<! sans)(?<! sin)(?<! sem)"
    r"(?<! senza)(?<! un)"
)
_COMPILED = {
    code: re.compile(rf"{_NEGATION} (?:{pattern})(?= )")
    for table in (_KINDS, _TAKEN_KINDS, _DOUBTFUL_KINDS)
    for code, pattern in table.items()
}
#: "ID" after a projection or before a side is "implant displaced"; before a number it is somebody's number
_IMPLANT_ID = re.compile(
    r" (?:cc|mlo|ml|lm|(?:r|l|rt|lt|right|left)(?:cc|mlo)) (?:r |l )?id(?! \d| [a-z]*\d)(?= )"
    r"|(?<! patient)(?<! pat)(?<! study)(?<! case)(?<! exam) id (?=(?:r|l|rt|lt|right|left) ?(?:cc|mlo) )"
)


def plain(text: str) -> str:
    """Return text in lower case, without accents and punctuation, its words and numbers between single spaces."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    letters = unicodedata.normalize("NFKD", split.replace("ß", "ss"))
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter)).lower()
    words = re.findall(r"x?\d+[.,]\d+[^\W\d_]*|[^\W_]+", letters)
    return f" {' '.join(words)} "


def _glued(word: str) -> re.Match[str] | None:
    """The parts of a word such as "lmlo", "rmcc" or "mloid"; without a side only what is no word by itself ("ccd")."""
    match = _SIDE_AND_PROJECTION.match(word)
    if match and not match["side"] and (match["before"] or match["after"] not in (None, "id", "imd", "mag", "spot")):
        return None
    return match


def from_words(text: str) -> tuple[Laterality | None, Projection | None]:
    """Return side and projection in text such as `R_CC`, `LMLO`, `left-mlo_1`; None where missing or contradictory.

    A lone r, l, dx or sx counts only beside a projection.
    """
    sides: set[Laterality] = set()
    letters: set[Laterality] = set()
    projections: set[Projection] = set()
    written = plain(text)
    for pattern, projection in _WRITTEN_PROJECTIONS:
        if pattern.search(written):
            projections.add(projection)
            written = pattern.sub(" ", written)
    for word in re.sub(r"[^a-z]+", " ", written).split():
        if match := _glued(word):
            if match["side"]:
                sides.add(_SIDES[match["side"]])
            projections.add(_PROJECTIONS[match["projection"]])
        elif word in _SHORT_SIDES:
            letters.add(_SHORT_SIDES[word])
        elif word in _SIDES:
            sides.add(_SIDES[word])
    if not sides and projections:
        sides = letters or {_ABBREVIATED_SIDES[side] for side in _ABBREVIATED_SIDE.findall(plain(text))}
    return (sides.pop() if len(sides) == 1 else None, projections.pop() if len(projections) == 1 else None)


def kinds_in(text: str) -> set[str]:
    """Return the codes of what text says that makes a picture no standard view: keys of the tables above."""
    written = plain(text)
    found = {code for code in _KINDS if _COMPILED[code].search(written)}
    if _IMPLANT_ID.search(written):
        found.add("implant-displaced")
    for word in re.sub(r"[^a-z]+", " ", written).split():
        if match := _glued(word):
            found |= {_GLUED[part] for part in (match["before"], match["after"]) if part}
    return found


def taken_kinds_in(text: str) -> set[str]:
    """Return "synthetic" or "low-energy" where text says so."""
    written = plain(text)
    return {code for code in _TAKEN_KINDS if _COMPILED[code].search(written)}


def doubtful_kinds_in(text: str) -> set[str]:
    """Return what text says that may or may not make a picture an extra one."""
    written = plain(text)
    return {code for code in _DOUBTFUL_KINDS if _COMPILED[code].search(written)}


#: words in the names of pictures that tell one from no other
_COMMON_WORDS = frozenset(
    ("breast", "copy", "dicom", "exam", "final", "file", "im", "image", "img", "mammo", "mammogram", "mg", "new", "pic",
     "picture", "png", "raw", "scan", "study", "view", "views")
)  # fmt: skip


def without_view_words(name: str) -> str:
    """Return what a file's name says besides its view: whose picture it may be. Short numbers say nothing."""
    rest = plain(name)
    for pattern, _ in _WRITTEN_PROJECTIONS:
        rest = pattern.sub(" ", rest)
    known = _SIDES.keys() | _SHORT_SIDES.keys() | _PROJECTIONS.keys() | _COMMON_WORDS | _GLUED.keys()
    kinds = [pattern for code, pattern in _COMPILED.items() if code in _KINDS or code in _TAKEN_KINDS]
    words = [
        word for word in rest.split()
        if word not in known and not _glued(word) and not (word.isdigit() and len(word) < 3)
        and not any(pattern.search(f" {word} ") for pattern in kinds)
    ]  # fmt: skip
    return " ".join(words)
