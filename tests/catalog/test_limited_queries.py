"""SQL that a user typed ends at a time limit, at a memory limit and by Ctrl-C, whatever DuckDB is computing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

import segdata
from segdata.catalog.limited_queries import (
    QueryLimits,
    check_predicate_limited,
    filter_rows_limited,
    select_limited,
)
from segdata.catalog.queries import select
from segdata.errors import RecipeError, TooFewSamplesError, UsageError
from segdata.mine.recipe import MineRecipe
from segdata.mine.selection import check_recipe
from segdata.review.cases import chosen_by

ROWS = pa.table({"miou": [0.5, 0.9]})
# DuckDB evaluates these while it plans, in one function call: it looks for no interruption, and counts no memory.
ENDLESS = "levenshtein(repeat('a', 3000000), repeat('b', 3000000)) > 0"
HUGE = "damerau_levenshtein(repeat('a', 60000), repeat('b', 60000)) > 0"  # a table of 60,000 x 60,000 numbers
SHORT = QueryLimits(timeout_s=1)
# Which of the two it is depends on where the memory ends.
STOPPED = r"query: stopped: (it|DuckDB crashed \(SIG[A-Z]+\), as it may where it) needs more than half of .*memory, "
SMALL = QueryLimits(memory=700 * 2**20)


def test_a_query_within_its_limits_is_answered_as_without_them() -> None:
    sql = """
        SELECT miou, miou < 0.8 AS b, [1, NULL] AS l, {'a': 1, 'b': 'x'} AS s, 'e'::ENUM('e', 'f') AS e,
               1::HUGEINT AS h, INTERVAL 1 MONTH AS i, TIMESTAMPTZ '2026-01-01 00:00:00+01' AS t, ''::BLOB AS y,
               uuid_nil AS u, 1.5::DECIMAL(9, 2) AS d, NULL AS n, 1 AS twice, 2 AS twice
        FROM rows, (SELECT '00000000-0000-0000-0000-000000000000'::UUID AS uuid_nil) ORDER BY miou
    """
    assert select_limited(sql, {"rows": ROWS}, QueryLimits()).equals(select(sql, {"rows": ROWS}))


def test_a_query_ends_at_its_time_limit_and_the_message_names_the_key() -> None:
    with pytest.raises(UsageError, match=r"query: stopped after 1 s \(query\.timeout_s\).*--set query\.timeout_s="):
        select_limited(f"SELECT {ENDLESS}", {}, SHORT)


def test_a_predicate_ends_at_its_time_limit_also_while_it_is_only_checked() -> None:
    with pytest.raises(UsageError, match=r"levenshtein.*stopped after 1 s \(query\.timeout_s\)"):
        check_predicate_limited(ENDLESS, ROWS.schema, SHORT)
    with pytest.raises(UsageError, match=r"query\.timeout_s"):
        filter_rows_limited(ROWS, ENDLESS, SHORT)
    with pytest.raises(RecipeError, match=r"mine\.where: .*query\.timeout_s"):
        check_recipe(MineRecipe(where=ENDLESS), SHORT)
    with pytest.raises(UsageError, match=r"query\.timeout_s"):
        chosen_by(ENDLESS, [], {}, {}, SHORT)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {HUGE}",
        "SELECT length(repeat('x', 3000000000))",
        "SELECT list(range) FROM range(200000000)",
        "SELECT * FROM range(60000000)",  # 480 MB: it fits, but not once more beside it
        "SELECT string_agg(repeat('x', 1000), '') FROM range(1000000)",
    ],
)
def test_a_query_ends_when_it_needs_more_than_its_memory(sql: str) -> None:
    with pytest.raises(UsageError, match=STOPPED + r"0\.7 GiB"):
        select_limited(sql, {}, SMALL)


def test_a_predicate_ends_when_it_needs_more_than_its_memory() -> None:
    with pytest.raises(UsageError, match=r"damerau.*more than half of the machine's memory"):
        filter_rows_limited(ROWS, HUGE, SMALL)


def test_a_query_may_hold_half_of_the_machines_memory_and_spills_nothing_to_disk() -> None:
    sql = "SELECT current_setting('memory_limit') AS memory, current_setting('temp_directory') AS folder"
    answer = select_limited(sql, {}, QueryLimits(memory=2**30)).to_pylist()
    assert answer == [{"memory": "1.0 GiB", "folder": ""}]
    assert QueryLimits().memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def test_a_table_that_exceeds_the_memory_is_named_as_the_reason_even_if_it_was_not_read_to_its_end() -> None:
    large = pa.table({"miou": pa.repeat(0.5, 60 * 2**20)})  # 480 MiB
    with pytest.raises(UsageError, match=STOPPED + r"0\.2 GiB"):
        select_limited("SELECT count(*) FROM rows", {"rows": large}, QueryLimits(memory=200 * 2**20))


def test_what_is_wrong_is_said_as_without_limits() -> None:
    with pytest.raises(UsageError, match="one SELECT statement, please"):
        select_limited("DROP TABLE rows", {"rows": ROWS}, QueryLimits())
    with pytest.raises(UsageError, match="the columns are miou"):
        filter_rows_limited(ROWS, "iou < 1", QueryLimits())
    with pytest.raises(UsageError, match="a subquery has no place here"):
        filter_rows_limited(ROWS, "miou < (SELECT max(miou) FROM rows)", QueryLimits())
    with pytest.raises(UsageError, match="is not UTF-8"):
        select_limited("SELECT '\udcff'", {}, QueryLimits())
    with pytest.raises(TooFewSamplesError):
        chosen_by("miou < 0.8", [], {}, {})


def test_a_query_reads_no_files_and_no_settings_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="disabled by configuration"):
        select_limited(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')", {}, QueryLimits())
    with pytest.raises(UsageError, match="does not exist"):
        select_limited("SELECT getenv('HOME')", {}, QueryLimits())


def test_the_recipes_limit_counts_wherever_a_user_can_type_sql(workspace: Path, segdata: Callable[..., Any]) -> None:
    limit = ["--set", "query.timeout_s=1", "--json"]
    for command in (
        ["query", f"SELECT {ENDLESS}"],
        ["export", "repair", "out", "--where", ENDLESS],
        ["review", "--where", ENDLESS, "--dry-run"],
    ):
        answer = segdata(*command, *limit, cwd=workspace)
        if "fiftyone" in answer.err and command[0] == "review":
            pytest.skip("FiftyOne is not installed: review --where can't be tested")
        assert (answer.code, "query.timeout_s" in answer.json["error"]["message"]) == (2, True), answer.err


def test_the_recipes_limit_counts_in_python(ingested: Path) -> None:
    ws = segdata.open(ingested, settings={"query.timeout_s": 1})
    assert ws.samples("split = 'pool'").num_rows == ws.query("SELECT * FROM samples WHERE split = 'pool'").num_rows > 0
    assert ws.table("samples", ["sample_id"], "split = 'pool'").column_names == ["sample_id"]
    for ask in (
        lambda: ws.query(f"SELECT {ENDLESS}"),
        lambda: ws.samples(ENDLESS),
        lambda: ws.table("runs", ["run_id"], ENDLESS),
    ):
        with pytest.raises(UsageError, match=r"query\.timeout_s"):
            ask()


def test_ctrl_c_ends_a_running_query_and_leaves_no_process(ingested: Path, segdata_entry: list[str]) -> None:
    command = [*segdata_entry, "query", f"SELECT {ENDLESS}", "--json"]
    process = subprocess.Popen(command, cwd=ingested, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started = psutil.Process(process.pid)
    while not (children := [child for child in started.children() if "query_process" in " ".join(child.cmdline())]):
        assert process.poll() is None, process.stderr
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert '"status": "interrupted"' in out
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_an_error_message_is_cut_however_long_the_query_makes_it() -> None:
    with pytest.raises(UsageError, match=r"xxx \[\.\.\.\]") as raised:
        select_limited("SELECT error(repeat('x', 3000000))", {}, QueryLimits())
    assert len(str(raised.value)) < 3000


def test_values_that_python_does_not_have_are_shown_as_text() -> None:
    from segdata.cli.inspecting import slices_of

    sql = "SELECT date '99999-01-01' AS day, 7 AS number UNION ALL SELECT date '2026-01-02', 8 ORDER BY number"
    rows = [row for rows in slices_of(select_limited(sql, {}, QueryLimits())) for row in rows]
    assert [row["number"] for row in rows] == [7, 8]
    assert (rows[0]["day"][:19], rows[1]["day"]) == ("<value out of range", "2026-01-02")


def test_printing_an_answer_ends_when_it_needs_more_than_its_memory() -> None:
    from segdata.cli.inspecting import memory_for_printing, slices_of

    held = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line).split()[1])
    answer = select("SELECT range AS a FROM range(20000000)", {})  # 160 MB; some GB as Python's objects
    with (
        pytest.raises(UsageError, match="printing the answer needs more than half"),
        memory_for_printing(held * 1024 + 600 * 2**20),
    ):
        list(slices_of(answer))
    assert [len(rows) for rows in slices_of(answer.slice(0, 5), 20)] == [2, 2, 1]
