"""Many numbers at a time are the numbers that Python's float reads, one by one."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rcg.annotations import decimals
from rcg.annotations.decimals import read_decimals

digits = st.text("0123456789", min_size=1, max_size=20)
plain = st.builds(lambda whole, rest: f"{whole}.{rest}", st.text("0123456789", min_size=1, max_size=3), digits)
written = st.one_of(plain, st.integers(0, 10**18).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr))


@given(rows=st.lists(st.lists(written, min_size=1, max_size=9), min_size=1, max_size=9))
@example(rows=[["0.123456789012345", "0.1234567890123456"], ["9.99999999999999", "999999999999999"]])
@example(rows=[["0.5", "100"], ["0.25", "12.5"]])
def test_they_are_what_float_reads_or_none(rows):
    found = read_decimals("\n".join(" ".join(row) for row in rows).encode())
    if found is not None:  # a JSON parser has the last word, and refuses 01.5
        assert found[0].tolist() == [float(each) for row in rows for each in row]
        assert found[1].tolist() == [len(row) for row in rows]
    else:
        assert any(each.startswith("0") and each[1:2].isdigit() for row in rows for each in row)


def test_long_texts_are_read_in_stretches(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [[f"{value:.6f}" for value in rng.uniform(0, 1, count)] for count in rng.integers(1, 30, 500)]
    text = "\n".join(" ".join(row) for row in rows).encode()
    whole = read_decimals(text)
    monkeypatch.setattr(decimals, "_STRETCH", 100)
    parts = read_decimals(text)
    for found in (whole, parts):
        assert found[0].tolist() == [float(each) for row in rows for each in row]
        assert found[1].tolist() == [len(row) for row in rows]


@pytest.mark.parametrize(
    "text", [b"1  2", b" 1", b"1 ", b"1\n\n2", b"0.5 .", b"0..5", b"1-2", b"0.1.2", b"-", b"5e", b"1,2"]
)
def test_what_is_no_row_of_numbers_is_none(text):
    assert read_decimals(text) is None
