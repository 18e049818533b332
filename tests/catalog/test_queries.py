"""What DuckDB is allowed to do, beyond what the doctests show."""

from __future__ import annotations

from segdata.catalog.queries import select


def test_a_slow_query_draws_no_bar_on_stdout_where_the_one_json_object_is() -> None:
    answer = select("SELECT current_setting('enable_progress_bar') AS drawn", {}).to_pylist()
    assert answer == [{"drawn": False}]
