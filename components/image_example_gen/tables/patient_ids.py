"""Ids of patients as text: one form of each, what makes two alike, what means none.

Also the names that columns of such ids have in practice.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable

_INVISIBLE = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp"})
# A part of a combination stands before its ids.
_PART = "\x1f"
_POINT_ZERO = re.compile(r"^([+-]?\d+)\.0+$")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_ROUNDED = re.compile(r"^[+-]?\d+([.,]\d+)?E[+-]\d+$", re.IGNORECASE)
_AS_TEXT = re.compile(r'^(?:\'(.+)|="(.+)")$')
_DASH = re.compile("[\u2010-\u2015\u2212]")
_CHARACTER = re.compile(r"\w")
# Words that stand where an id should.
_NO_ID = """nan none null na n/a #n/a nat <na> nil - -- . ? unknown missing #ref! #value! #name?
    (null) \\n n.a. k.a. #nv #wert! #div/0! #num!
    anonymous anonymized anonymised anon deidentified de-identified removed redacted"""
_MISSING = frozenset(_NO_ID.split())
# Letters and digits of the names.
_NAMES = """patient patientid patid ptid pid pat patientno patientnr patientnumber patientkey
    patientuid patientcode subject subjectid subj subjid sub subid participant participantid person
    personid case caseid mrn medicalrecordnumber anonid anonpatientid pseudonym pseudoid eid empi
    empiid hospitalnumber nhsnumber individual individualid studysubjectid donor donorid client
    clientid"""
_COLUMNS = frozenset(_NAMES.split())
_PARTS = ("patient", "subject", "participant")
_NO_IDS = re.compile("age|sex|gender|name|birth|position|view|weight|size|height|orientation|class")


def normalized(identity: str) -> str:
    """The id in Unicode's composed form, in which equal texts are equal."""
    return identity if identity.isascii() else unicodedata.normalize("NFC", identity)


@functools.lru_cache(maxsize=65_536)
def folded(identity: str) -> str:
    """The id without what is lost on the way through spreadsheets, forms and other systems."""
    part, mark, own = identity.rpartition(_PART)
    for fold in _FOLDS.values():
        own = fold(own)
    return part + mark + own


def difference(first: str, second: str) -> str:
    """What two similar ids differ in, in words."""
    for name, fold in _FOLDS.items():
        if fold(normalized(first)) == fold(normalized(second)):
            return name
    return "more than one of: " + ", ".join(_FOLDS)


@functools.lru_cache(maxsize=65_536)
def meaningless(identity: str) -> str:
    """Why the id can't be one, to follow 'the patient id'; empty where it can."""
    text = _visible(identity.rpartition(_PART)[2])
    if text.casefold() in _MISSING or not _CHARACTER.search(text):
        return "is a word for a missing or removed value"
    if _ROUNDED.match(text):
        return "is a number that a spreadsheet has rounded (like 1.23E+05)"
    return ""


def letters_and_digits(name: str) -> str:
    """A column's name without what people write differently: case, spaces, marks."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def like_patients(names: Iterable[str]) -> list[str]:
    """The names that columns of patient ids have, the likeliest first."""
    found = {}
    for name in names:
        plain = letters_and_digits(name)
        if _NO_IDS.search(plain):
            continue
        close = difflib.SequenceMatcher(None, plain, "patientid").ratio()
        if plain in _COLUMNS or close > 0.8 or any(part in plain for part in _PARTS):
            found[name] = -close - (plain in _COLUMNS)
    return sorted(found, key=lambda name: found[name])


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)


def _without_marks(text: str) -> str:
    """Without what spreadsheets write to keep an id a text: '007 and ="007"."""
    found = _AS_TEXT.match(text)
    return next(filter(None, found.groups())) if found else text


def _without_zeros(text: str) -> str:
    return _LEADING_ZEROS.sub("", text)


def _without_point(text: str) -> str:
    return _POINT_ZERO.sub(r"\1", text)


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _plain_dashes(text: str) -> str:
    return _DASH.sub("-", text)


# In the order in which they are applied.
_FOLDS: dict[str, Callable[[str], str]] = {
    "wide or composed characters": _compatible,
    "dashes": _plain_dashes,
    "spaces or invisible characters": _visible,
    "marks of a spreadsheet for text": _without_marks,
    "upper and lower case": str.casefold,
    "a decimal point": _without_point,
    "leading zeros": _without_zeros,
}
