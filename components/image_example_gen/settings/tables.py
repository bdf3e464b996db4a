"""Settings about tables in their own words: which take them, meanings as text, ids as subgroups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Sources that read tables of the user's own.
SOURCES = ("manifest", "dicom")

_ID_COLUMNS = ("image", "patient_id", "study_id", "slide_id")
# Letters and digits of names that columns of ids, names and paths have.
_IDS = """image imageid imagepath path filepath file filename uri patient patientid patientname
    subject subjectid pid mrn medicalrecordnumber caseid studyid slideid birthdate dateofbirth
    dob patientbirthdate name fullname lastname firstname surname familyname givenname patientsname
    birthname email phone address ssn socialsecuritynumber accessionnumber
    sopinstanceuid seriesinstanceuid studyinstanceuid"""
_RESERVED = frozenset(_IDS.split())
# YAML reads these words as true and false, also as the keys of a mapping.
_READ_AS = {True: ("yes", "true", "on"), False: ("no", "false", "off")}


def refuse_ids(subgroups: Iterable[str], columns: Mapping[str, str]) -> None:
    """Raises ValueError for a subgroup whose values would identify patients in every record."""
    ids = {columns.get(name, name) for name in _ID_COLUMNS}
    for name in subgroups:
        column = columns.get(name, name)
        if column in ids or re.sub(r"[^a-z0-9]", "", column.lower()) in _RESERVED:
            raise ValueError(
                f"subgroups names '{name}': ids, names and paths can't be subgroups, for they "
                "would be in every record; name columns like sex, age or scanner"
            )


def meanings(column: str, values: Any) -> Any:
    """A table's values and their meanings as text; what is no mapping is left to validation."""
    if not isinstance(values, dict):
        return values
    texts: dict[str, str] = {}
    for value, meaning in values.items():
        for text in _READ_AS[value] if isinstance(value, bool) else (_text(value),):
            known = next((known for known in texts if known.casefold() == text.casefold()), text)
            if texts.setdefault(known, _text(meaning)) != _text(meaning):
                raise ValueError(f"{column}: '{text}' has two meanings")
    return texts


def _text(value: Any) -> str:
    """A YAML value as a table writes it."""
    if value is None:
        return ""
    if isinstance(value, bool | float) and float(value).is_integer():
        return str(int(value))
    return str(value)
