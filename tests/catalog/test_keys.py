"""Keys as texts tell apart what keys as tuples do."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from segdata.catalog.keys import COLUMNS, key_of, keys_of, rows_in

HASHES = st.one_of(st.none(), st.text("0a", min_size=2, max_size=2))
ROWS = st.lists(st.tuples(st.text(" a/é", max_size=3), HASHES, HASHES), max_size=8)


def table(keys):
    return pa.Table.from_pylist(
        [dict(zip(COLUMNS, key, strict=True)) for key in keys], pa.schema([(name, pa.string()) for name in COLUMNS])
    )


@given(ROWS)
def test_two_texts_are_equal_where_the_keys_are_blanks_in_an_id_included(keys):
    texts = keys_of(table(keys)).to_pylist()
    for one, ours in zip(keys, texts, strict=True):
        for other, theirs in zip(keys, texts, strict=True):
            assert (ours == theirs) == (one == other)


def test_rows_come_in_order_whatever_pieces_the_table_is_in():
    whole = pa.concat_tables([table([(str(number), None, None)]) for number in range(600)])
    assert [key_of(row)[0] for row in rows_in(whole)] == [str(number) for number in range(600)]
    assert list(rows_in(whole.slice(0, 0))) == []
