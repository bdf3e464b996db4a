"""The areas name what there is, so that a moved file does not drop out of them in silence."""

import pytest

from tests.mutation.areas import AREAS
from tests.mutation.mutants import ROOT


@pytest.mark.parametrize("area", AREAS)
def test_every_place_of_an_area_exists(area):
    assert [pattern for pattern in AREAS[area].sources if not any(ROOT.glob(pattern))] == []
    assert [place for place in AREAS[area].tests if not (ROOT / place).exists()] == []
