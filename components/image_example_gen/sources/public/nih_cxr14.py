"""Source `nih_cxr14`: NIH ChestX-ray14, as downloaded.

Input: 112,120 frontal PNG chest films (1024 x 1024) of 30,805 patients of the NIH Clinical Center.
Labels: 14 findings text-mined from reports, joined by `|` in `Finding Labels`, 0/1; none is
    unknown. `Effusion` is `effusion`, and also `pleural_effusion`, as in CheXpert; `No Finding`
    is `no_finding`.
Metadata: subgroups `sex` (`Patient Gender` or, since 2020, `Patient Sex`), `age` (58 or 058Y;
    above 120 is unknown), `view` (PA, AP); site `nih`.
Official split: test_list.txt is `test`; train_val_list.txt is `train`, from which validation is
    taken, by patient. Without the two lists `data.split` splits all patients.
Layout: `data.root` contains Data_Entry_2017*.csv, the lists, and the images in `images/`,
    `images_001/images/` ... `images_012/images/` or `images*/`.
Citation: Wang et al., ChestX-ray8, CVPR 2017 (arXiv 1705.02315).
License: free to use with citation and a link to the NIH download site.
"""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Iterator

from components.image_example_gen.rows.row import Row
from components.image_example_gen.sources.public.public_table import PublicTable
from components.image_example_gen.tables import demographics
from components.image_example_gen.tables.joins import Lookup
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError

FINDINGS = (
    "No Finding", "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule",
    "Pneumonia", "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis",
    "Pleural_Thickening", "Hernia",
)  # fmt: skip
SITE = "nih"
_IMAGE, _LABELS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"
_ABOUT = ("Patient Gender", "Patient Sex", "Patient Age", "View Position")
_LISTS = (("train_val_list.txt", features.TRAIN), ("test_list.txt", features.TEST))


class NihCxr14Source(PublicTable):
    """Rows of Data_Entry_2017*.csv."""

    findings = FINDINGS
    aliases = {"pleural_effusion": "Effusion"}  # noqa: RUF012 (constant)
    subgroups = ("sex", "age", "view")
    name = "Data_Entry_2017.csv"

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        table = self._entries()
        required = (_IMAGE, _LABELS, _PATIENT)
        for number, cells in enumerate(table.rows(required, _ABOUT), start=1):
            if self._data.view != "lateral":
                yield self._row(number, table, cells)

    def _row(self, number: int, table: Table, cells: dict[str, str]) -> Row:
        name = cells[_IMAGE]
        if not name or name != os.path.basename(name) or name in (".", "..") or "\0" in name:
            raise InputError(f"{table.where(number)}: {_IMAGE} is not a file name")
        if not cells[_PATIENT]:
            raise InputError(f"{table.where(number)}: {_PATIENT} is empty")
        found = self._found(table, number, cells[_LABELS])
        about = {
            "sex": demographics.sex(
                cells.get("Patient Sex", "") or cells.get("Patient Gender", "")
            ),
            "age": demographics.age(cells.get("Patient Age", "")),
            "view": cells.get("View Position", ""),
        }
        return Row(
            number=number,
            image=f"{self._folders.get(name) or 'images'}/{name}",
            patient_id=cells[_PATIENT],
            site=SITE,
            domain=features.IN_DISTRIBUTION,
            split=self._split(table, number, name),
            labels=tuple(float(column in found) for column in self._columns.values()),
            subgroups=self._subgroups(about),
        )

    def _found(self, table: Table, number: int, text: str) -> set[str]:
        found = {finding.strip() for finding in text.split("|")}
        if not found <= set(FINDINGS):
            accepted = f"{', '.join(FINDINGS)}, joined by |"
            raise table.bad_value(number, _LABELS, text, accepted)
        if "No Finding" in found and len(found) > 1:
            raise table.bad_value(number, _LABELS, text, "No Finding, or findings, not both")
        return found

    def _split(self, table: Table, number: int, name: str) -> str | None:
        if not self._data.official_split or self._listed is None:
            return None
        split = self._listed.get(name)
        if split is None:
            raise InputError(
                f"{table.where(number)}: {_IMAGE} is in neither {_LISTS[0][0]} nor "
                f"{_LISTS[1][0]}; use the lists of this release, or data.official_split=false"
            )
        return split

    @functools.cached_property
    def _listed(self) -> Lookup[str] | None:
        if not self._list_paths():
            return None
        return Lookup(self._list_lines(), " and ".join(name for name, _ in _LISTS))

    def _list_lines(self) -> Iterator[tuple[str, str]]:
        for path, (_, split) in zip(self._list_paths(), _LISTS, strict=True):
            with open(path, encoding="utf-8-sig", errors="replace") as file:
                for line in file:
                    if line.strip():
                        yield line.strip(), split

    def _list_paths(self) -> list[str]:
        paths = [os.path.join(self._root, name) for name, _ in _LISTS]
        present = [os.path.isfile(path) for path in paths]
        if any(present) and not all(present):
            missing = _LISTS[present.index(False)][0]
            raise InputError(
                f"data.root '{self._root}' contains one list of the official split, but no "
                f"'{missing}': add it, or set data.official_split=false and remove the other"
            )
        return paths if all(present) else []

    @functools.cached_property
    def _folders(self) -> Lookup[str]:
        return Lookup(self._image_places(), "images*/")

    def _image_places(self) -> Iterator[tuple[str, str]]:
        seen = set()
        for pattern in ("images*", "images*/images"):
            for folder in sorted(glob.glob(os.path.join(glob.escape(self._root), pattern))):
                real = os.path.realpath(folder)
                if not os.path.isdir(folder) or real in seen:
                    continue
                seen.add(real)
                place = os.path.relpath(folder, self._root)
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.lower().endswith(".png"):
                            yield entry.name, place

    def _entries(self) -> Table:
        pattern = os.path.join(glob.escape(self._root), "Data_Entry_2017*.csv*")
        names = sorted(os.path.basename(path) for path in glob.glob(pattern))
        if len(names) > 1:
            raise InputError(
                f"data.root '{self._root}' contains {', '.join(names)}: keep only the one to read"
            )
        told = "name the folder that contains Data_Entry_2017*.csv and images*/"
        return self._find_tables(*(names or ["Data_Entry_2017.csv"]), told=told)[0]

    def _tables(self) -> list[str]:
        return [self._entries().path, *self._list_paths()]

    def _check_files(self) -> None:
        super()._check_files()
        self._entries()
        self._list_paths()
