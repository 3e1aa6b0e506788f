from __future__ import annotations

import numpy as np
import pytest

from trunkline.routing.intervals import Offsets


@pytest.mark.parametrize("noise", ["normal", "skewed", "shifted"])
def test_nine_in_ten_fall_within_whatever_the_noise(noise: str) -> None:
    rng = np.random.default_rng(0)
    draws = {
        "normal": rng.normal(size=4000),
        "skewed": rng.exponential(size=4000) - 1,
        "shifted": np.concatenate([rng.normal(size=2000), 2 + 3 * rng.normal(size=2000)]),
    }[noise]
    offsets = Offsets((1.0,))
    offsets.add_arm()

    inside = []
    for r in draws.tolist():
        low, high = offsets.ends[0, 0]
        inside.append(low <= r <= high)
        offsets.observe(0, (r,))

    assert 0.87 <= np.mean(inside[300:]) <= 0.93


def test_a_new_arm_starts_from_what_all_arms_have_shown() -> None:
    offsets = Offsets((1.0, 1.0))
    offsets.add_arm()
    for _ in range(20):
        offsets.observe(0, (3.0, 0.0))

    offsets.add_arm()

    assert offsets.ends.shape == (3, 2, 2)
    np.testing.assert_array_equal(offsets.ends[1], offsets.ends[2])
    assert offsets.ends[1, 0, 1] > 1.0
    assert offsets.seen.tolist() == [20, 0, 20]
