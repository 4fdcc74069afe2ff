"""The links of the chain: what they are made of, and what they tell apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tipman.chain import LINK_BYTES, link

ENTRY = (3, "attempt.succeeded", 1_700_000_000_000_000, "engine", "executing", "succeeded")
FULL = (*ENTRY, '{"attempt":1}', "task.settled")
OWNER = bytes(range(16))
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=3)
ENTRIES = st.tuples(
    st.integers(1, 12), TEXT, st.integers(0, 12), TEXT, TEXT, TEXT, st.none() | TEXT,
    st.none() | TEXT,
)  # fmt: skip


def test_a_link_is_the_same_for_ever():
    assert link(OWNER, FULL).hex() == "1fd7a1f1b31652ab23e0d88a9dca5db1"
    assert len(link(OWNER, FULL)) == LINK_BYTES


@pytest.mark.parametrize("column", range(8))
def test_every_column_of_an_entry_counts(column):
    other = 4 if isinstance(FULL[column], int) else "other"
    changed = (*FULL[:column], other, *FULL[column + 1 :])

    assert link(OWNER, changed) != link(OWNER, FULL)


@pytest.mark.parametrize("column", [6, 7])
@pytest.mark.parametrize("text", ["", "None"])
def test_nothing_is_no_text(column, text):
    without = (*FULL[:column], None, *FULL[column + 1 :])
    instead = (*FULL[:column], text, *FULL[column + 1 :])

    assert link(OWNER, without) != link(OWNER, instead)


def test_a_link_depends_on_the_one_before():
    assert link(OWNER, FULL) != link(bytes(16), FULL)


@given(ENTRIES, ENTRIES)
def test_no_two_entries_share_a_link(one, other):
    assert (link(OWNER, one) == link(OWNER, other)) == (one == other)


@given(ENTRIES, st.integers(0, 6))
def test_a_text_that_holds_what_divides_columns_is_no_way_round(entry, column):
    """Somebody who edits the file can write NUL where we never do."""
    parts = list(entry)
    at = column if isinstance(entry[column], str) else 1
    parts[at] = f"{parts[at]}\0{parts[at + 1]}"

    assert link(OWNER, tuple(parts)) != link(OWNER, entry)
