"""The same released-layout file gives the same features in timm and here."""

import pytest

from benchmarks import parity, peers


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "width", "arrays"), [(50, 1, 153)])
def test_features_agree_with_timm(depth, width, arrays):
    if not peers.PYTHON.exists():
        pytest.skip("no peer environment: benchmarks/peer/setup_peer.sh makes .setup/peer")
    found = parity.compare("timm", depth, width)
    assert found["arrays"] == arrays
    assert found["relative_error"] <= parity.TOLERANCE
