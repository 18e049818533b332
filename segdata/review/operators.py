"""The operators behind the App's review bar and its keys: what FiftyOne's server runs when a reviewer acts.

The acts themselves are in `judging`; here they are brought together with what the App has open. Each answers with what
the bar shows next.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import fiftyone.core.json as foj
import fiftyone.operators as foo

from segdata.review.dataset import MARK
from segdata.review.environment import REVIEWER
from segdata.review.judging import annotate, judge, next_case, own_note, progress, undo

_ONE_AT_A_TIME = threading.Lock()

BarState = dict[str, Any]
"""What an operator answers: JSON for review.js, which draws the bar."""


class State(foo.Operator):  # type: ignore[misc]  # FiftyOne has no types
    """What the bar shows: progress, the open case, what was said about it."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne calls it."""
        return foo.OperatorConfig(name="state", label="Review: state", unlisted=True)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """What the bar asks for after each click and key."""
        return _state(ctx, ctx.current_sample)


class Judge(foo.Operator):  # type: ignore[misc]  # as above
    """Gives the open case, or else the selected ones, a verdict, and opens the next."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne calls it."""
        return foo.OperatorConfig(name="judge", label="Review: give a verdict", unlisted=True)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Parameters: `verdict`; `id`, FiftyOne's, of the case whose picture the reviewer saw, or none to judge the
        selected samples; `note` if the reviewer wrote one.
        """
        if not _is_ours(ctx):
            return {}
        with _ONE_AT_A_TIME:
            seen = ctx.params.get("id")
            if seen is None:
                return _judge_selected(ctx, str(ctx.params["verdict"]))
            return _judge_seen(ctx, str(seen), str(ctx.params["verdict"]), ctx.params.get("note"))


class Note(foo.Operator):  # type: ignore[misc]  # as above
    """Leaves a note on a case."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne calls it."""
        return foo.OperatorConfig(name="note", label="Review: leave a note", unlisted=True)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """`id`, FiftyOne's, and `note` in the parameters; an empty one takes it away."""
        if not _is_ours(ctx):
            return {}
        with _ONE_AT_A_TIME:
            annotate(ctx.dataset, str(ctx.params["id"]), str(ctx.params.get("note") or ""), _reviewer())
        return {**_state(ctx, ctx.current_sample), "samples": _as_in_app(ctx, [str(ctx.params["id"])])}


class Undo(foo.Operator):  # type: ignore[misc]  # as above
    """Takes the last verdict or note back, and opens its case again."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne calls it."""
        return foo.OperatorConfig(name="undo", label="Review: undo")

    def execute(self, ctx: Any) -> dict[str, Any]:
        """What Alt+Z calls."""
        if not _is_ours(ctx):
            return {}
        with _ONE_AT_A_TIME:
            return _undo(ctx)


class Next(foo.Operator):  # type: ignore[misc]  # as above
    """Opens the next case without a verdict."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne calls it."""
        return foo.OperatorConfig(name="next", label="Review: next case")

    def execute(self, ctx: Any) -> dict[str, Any]:
        """What Alt+N calls."""
        if not _is_ours(ctx):
            return {}
        following = next_case(ctx.view, ctx.current_sample)
        if following is None:
            ctx.ops.notify("Every case of this view has a verdict", variant="success")
            return _state(ctx, ctx.current_sample)
        ctx.ops.open_sample(id=following)
        return _state(ctx, following)


def register(plugin: Any) -> None:
    """What FiftyOne calls when it loads the plugin."""
    for operator in (State, Judge, Note, Undo, Next):
        plugin.register(operator)


def _judge_seen(ctx: Any, seen: str, verdict: str, note: Any) -> BarState:
    """Judge the case that the reviewer saw, and open the next, without `reload_samples`: it blanks the picture."""
    following = next_case(ctx.view, seen)  # before the verdict: it may take the case out of the view
    judge(ctx.dataset, [seen], verdict, _reviewer(), None if note is None else str(note))
    if following is not None:
        ctx.ops.open_sample(id=following)
    else:
        ctx.ops.close_sample()  # the bar reloads the samples when a case is closed
        ctx.ops.notify("That was the last case of this view", variant="success")
    return {**_state(ctx, following), "samples": _as_in_app(ctx, [seen])}


def _judge_selected(ctx: Any, verdict: str) -> BarState:
    """Judge the samples that are selected in the grid, if no case is open."""
    if ctx.current_sample is not None or not ctx.selected:
        ctx.ops.notify("Open a case and look at it, or close it and select some; then judge", variant="warning")
        return _state(ctx, ctx.current_sample)
    judge(ctx.dataset, list(ctx.selected), verdict, _reviewer())
    ctx.ops.clear_selected_samples()
    ctx.ops.reload_samples()
    return {**_state(ctx, None), "samples": _as_in_app(ctx, ctx.selected)}


def _undo(ctx: Any) -> BarState:
    taken = undo(ctx.dataset, _reviewer())
    if not taken:
        ctx.ops.notify("Nothing to undo: what was pulled is in the catalog; judge it anew instead", variant="warning")
        return _state(ctx, ctx.current_sample)
    if len(taken) == 1:
        ctx.ops.open_sample(id=taken[0])
    elif ctx.current_sample is None:
        ctx.ops.reload_samples()
    state = _state(ctx, taken[0] if len(taken) == 1 else ctx.current_sample)
    return {**state, "samples": _as_in_app(ctx, taken)}


def _state(ctx: Any, key: str | None) -> BarState:
    if not _is_ours(ctx):
        return {}
    done, total = progress(ctx.view)
    told = {"done": done, "total": total, "reviewer": _reviewer(), "selected": len(ctx.selected), "case": None}
    if key is None:
        return told
    sample = ctx.dataset[key]
    own = own_note(sample, _reviewer())
    others = [] if own or not sample["note"] else [f"{sample['noted_by']}: “{sample['note']}”"]
    return {
        **told,
        "id": key,
        "case": sample["sample_id"],
        "verdict": sample["verdict"],
        "words": [*(sample["verdicts"] or []), *others],
        "note": own,
        "why": sample["why"] or "",
    }


def _as_in_app(ctx: Any, ids: Sequence[str]) -> list[Any]:
    """Samples in the form in which the App keeps them: `reload_samples` leaves those that it has as they are."""
    documents = [sample.to_mongo_dict(include_id=True) for sample in ctx.dataset.select(list(ids)).iter_samples()]
    return [foj.stringify(document) for document in documents]


def _is_ours(ctx: Any) -> bool:
    """Whether the App has a dataset of ours open: a user's own is never written to."""
    return ctx.dataset is not None and MARK in (ctx.dataset.info or {})


def _reviewer() -> str:
    return os.environ.get(REVIEWER) or "unknown"
