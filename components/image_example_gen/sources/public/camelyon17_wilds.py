"""Source `camelyon17_wilds`: lymph-node patches of five hospitals (WILDS), as downloaded.

Input: 455,954 PNG patches of 96 x 96 pixels from 50 slides of five hospitals.
Labels: `tumor` (0/1): whether the central 32 x 32 region holds tumor.
Metadata: site `center_0` ... `center_4`, subgroups `center` and `slide`.
Official split: centers 0, 3 and 4 are in distribution; center 1 (WILDS's OOD validation) and center
    2 (OOD test) are shifted, and results list both as sites. For the test center only:
    `data.sites=[center_0,center_2,center_3,center_4]`. WILDS's `id_val` is not used, because its
    patches are from the slides of `train`; `data.split` splits the patients of the three centers
    instead.
Layout: `data.root` contains metadata.csv (its index column has no name) and
    `patches/patient_004_node_4/patch_patient_004_node_4_x_3328_y_21792.png`.
Citation: Koh et al., WILDS, ICML 2021 (arXiv 2012.07421); Bandi et al., CAMELYON17, IEEE TMI 2018.
License: CC0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.image_example_gen.rows.row import Row
from components.image_example_gen.sources.public.public_table import PublicTable
from components.image_example_gen.tables.reader import Table
from schemas import features

_COLUMNS = ("patient", "node", "x_coord", "y_coord", "center")
_SHIFTED_CENTERS = frozenset({"1", "2"})
_PATTERNS = {
    "patient": (re.compile(r"^\d{1,3}$"), "a number of up to three digits"),
    "node": (re.compile(r"^\d$"), "a digit"),
    "x_coord": (re.compile(r"^\d+$"), "a number"),
    "y_coord": (re.compile(r"^\d+$"), "a number"),
    "center": (re.compile(r"^[0-4]$"), "0 to 4"),
}


class WildsSource(PublicTable):
    """Rows of metadata.csv."""

    findings = ("tumor",)
    subgroups = ("center", "slide")
    name = "metadata.csv"

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        table = self._metadata()
        required = (*_COLUMNS, *self._columns.values())
        for number, cells in enumerate(table.rows(required, ("slide",)), start=1):
            yield self._row(number, table, cells)

    def _row(self, number: int, table: Table, cells: dict[str, str]) -> Row:
        for column, (pattern, accepted) in _PATTERNS.items():
            if not pattern.match(cells[column]):
                raise table.bad_value(number, column, cells[column], accepted)
        center = cells["center"]
        slide = f"patient_{int(cells['patient']):03d}_node_{cells['node']}"
        patch = f"patch_{slide}_x_{cells['x_coord']}_y_{cells['y_coord']}.png"
        shifted = center in _SHIFTED_CENTERS
        return Row(
            number=number,
            image=f"patches/{slide}/{patch}",
            patient_id=f"patient_{int(cells['patient']):03d}",
            site=f"center_{center}",
            domain=features.SHIFTED if shifted else features.IN_DISTRIBUTION,
            split=None,
            labels=self._labels(table, number, cells),
            subgroups=self._subgroups({"center": center, "slide": cells.get("slide", "")}),
            slide_id=slide,
        )

    def _metadata(self) -> Table:
        told = "name the folder that contains metadata.csv and patches/"
        return self._find_tables(self.name, told=told)[0]

    def _tables(self) -> list[str]:
        return [self._metadata().path]

    def _check_files(self) -> None:
        super()._check_files()
        self._metadata()
