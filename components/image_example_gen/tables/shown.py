"""What messages may show of a table: its cells and, without a header, its first line can be names.

Shown are numbers of two digits, a single short word without capitals and digits, words of a list,
and what is nearly one of the accepted words; anything else is described by its length. Of columns
of ids or names, nothing is shown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from components.image_example_gen.tables import patient_ids

_KNOWN = """yes no true false on off positive negative pos neg present absent maybe possible unclear
    uncertain unsure unknown nan none null na n/a nil normal abnormal benign malignant healthy
    diseased train training val valid validate validation test testing development holdout shifted
    internal external ood in_distribution unlabeled male female other frontal lateral ap pa"""
_WORDS = frozenset(_KNOWN.split())
_NUMBER = re.compile(r"[+-]?\d{1,2}(\.\d{1,2})?", re.ASCII)
# Names are written with capitals or as two words, ids with digits.
_PLAIN = re.compile(r"[a-z_.?-]{1,12}|[./-]{1,3}[0-9]{1,2}")
_LISTED = 30
# Names that no cell of a table without a header has. A label's name alone can be such a cell.
_HEADINGS = """image path file patient_id study_id slide_id site domain split sex age view patient
    patientid subject_id dicom_id sopinstanceuid seriesinstanceuid studyinstanceuid
    accessionnumber"""
_HEADING = frozenset(_HEADINGS.split())
_SURE = 2


def cell(text: str, accepted: str, column: str = "") -> str:
    """A cell for a message, to follow 'is'.

    Args:
        text: the cell.
        accepted: what the message says is accepted.
        column: name of its column.
    """
    plain = text.casefold()
    # After the semicolon come words of advice, not values.
    words = re.findall(r"[\w-]{3,}", accepted.partition(";")[0].casefold())
    near = difflib.get_close_matches(plain, words, n=1)
    plainly = _PLAIN.fullmatch(text) or _NUMBER.fullmatch(text)
    harmless = plain in _WORDS or plainly or (near and len(text) < 40)
    personal = "name" in column.casefold() or patient_ids.like_patients([column])
    if harmless and not personal:
        return f"'{text}'"
    kind = "a number" if text.replace(".", "", 1).isdecimal() else "a text"
    return f"{kind} of {len(text)} characters (not shown, it may be a name)"


def columns(header: Sequence[str], known: Collection[str]) -> str:
    """The columns for a message, where the first line is evidently a header."""
    if not header:
        return "none"
    names = {name.casefold() for name in known}
    found = {name.casefold() for name in header if name.casefold() in names}
    if len(found) < _SURE and not found & _HEADING:
        return f"{len(header)} other columns (not shown: they may be data; is there a header?)"
    more = ", ..." if len(header) > _LISTED else ""
    return ", ".join(header[:_LISTED]) + more


def nearest(name: str, header: Iterable[str], aliases: Collection[str] = ()) -> str:
    """The column that was probably meant, empty if none looks like it.

    Args:
        name: what is looked for.
        header: all columns.
        aliases: letters and digits of other names that the column has in practice.
    """
    plain = {column: patient_ids.letters_and_digits(column) for column in header}
    wanted = patient_ids.letters_and_digits(name)
    for column, letters in plain.items():
        if letters in (wanted, *aliases):
            return column
    # 'image1' and 'patient7' are cells of a table without a header.
    names = [letters for letters in plain.values() if _digits(letters) <= _digits(wanted)]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.8)
    return next((column for column, letters in plain.items() if letters in near), "")


def _digits(text: str) -> set[str]:
    return {character for character in text if character.isdigit()}
