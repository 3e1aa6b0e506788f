from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.storage.ids import first_of, time_of, uuid7


@given(now_ms=st.integers(0, 2**48 - 1), entropy=st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7_with_its_time_first(now_ms: int, entropy: bytes) -> None:
    made = uuid7(now_ms, entropy)

    parsed = uuid.UUID(made)
    assert str(parsed) == made
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == now_ms


def test_the_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6: rand_a = 0xCC3, rand_b = 0x18C4DC0C0C07398F.
    random = 0xCC3 << 68 | 0x18C4DC0C0C07398F

    made = uuid7(0x017F22E279B0, random.to_bytes(10, "big"))

    assert made == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_different_entropy_makes_different_ids() -> None:
    made = {uuid7(1, bytes([i]) + bytes(9)) for i in range(64)}
    made |= {uuid7(1, bytes(9) + bytes([i])) for i in range(1, 64)}

    assert len(made) == 127


@pytest.mark.parametrize(("now_ms", "size"), [(-1, 10), (2**48, 10), (1, 9), (1, 11)])
def test_what_does_not_fit_is_refused(now_ms: int, size: int) -> None:
    with pytest.raises(ValueError, match="uuid7"):
        uuid7(now_ms, bytes(size))


def test_an_id_tells_when_it_was_made() -> None:
    made = uuid7(1_700_000_000_123, b"\xff" * 10)

    assert time_of(made) == 1_700_000_000.123
    assert first_of(1_700_000_000.123) < made < first_of(1_700_000_000.124)
    assert first_of(-1.0) == "00000000-0000"


@pytest.mark.parametrize("text", ["", "block", "f" * 32, "01890a5d-ac96-474b-bcce-b302099a8057"])
def test_another_id_tells_no_time(text: str) -> None:
    assert time_of(text) is None
