"""Images that can't be used: which sizes, and what is known of them in another process."""

import pickle

import pytest

from components.image_example_gen.pixels.rejected import Rejected, require_size


def test_a_rejection_is_the_same_in_another_process():
    again = pickle.loads(pickle.dumps(Rejected("unreadable", "cut short")))
    assert (again.reason, again.detail) == ("unreadable", "cut short")
    assert again.args == ("unreadable", "cut short")


@pytest.mark.parametrize(("width", "height"), [(8, 8), (8, 10), (10, 8)])
def test_limits_are_inclusive(width, height):
    require_size(width, height, width * height)


@pytest.mark.parametrize(
    ("width", "height", "reason", "detail"),
    [
        (9, 9, "too_large", "9x9, data.max_pixels is 80"),
        (7, 9, "too_small", "7x9, the shortest side must be 8"),
        (9, 7, "too_small", "9x7, the shortest side must be 8"),
        (7, 20, "too_large", "7x20, data.max_pixels is 80"),
    ],
)
def test_other_sizes_are_refused(width, height, reason, detail):
    with pytest.raises(Rejected) as caught:
        require_size(width, height, 80)
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
