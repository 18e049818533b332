"""Commands that do the work and have a row in the journal: the loop, its stages, the report, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from segdata.cli.execute import execute
from segdata.cli.mending import show_mending
from segdata.cli.options import AsOfOption, Common
from segdata.cli.printing import say, say_histogram, say_table
from segdata.cli.showing import say_moment, show_ablation, show_files, show_masks, show_run, show_sets, show_trained
from segdata.errors import SourceError, UsageError

_COUNTS = ("found", "added", "changed", "unchanged", "gone", "rejected")
StrictLeaks = Annotated[
    bool | None,
    typer.Option("--strict-leaks", help="Exit 5 where near-duplicates of held-out images would be left out."),
]
_Model = Annotated[
    str | None, typer.Option(help="A model's id, name or folder.", show_default="the promoted one", metavar="MODEL")
]


def ingest(
    common: Common,
    names: Annotated[list[str] | None, typer.Argument(help="Sources of the recipe; all by default.")] = None,
    root: Annotated[str | None, typer.Option(help="Another root for the one source named.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file again.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 if anything was rejected, skipped or held back.")
    ] = False,
    mended: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Take in corrected labels: the folder, ZIP or file that a tool exported."),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="RUN", help="The run of segdata export repair that they belong to.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take corrected labels too that are very different from the old ones.")
    ] = False,
    undo: Annotated[
        str | None, typer.Option(metavar="RUN", help="Restore the labels that a run with --mended replaced.")
    ] = None,
) -> None:
    """Bring the catalog up to date with the sources: portraits, their alphas, backgrounds.

    Files that have not changed are not read again. Nothing in a source is ever written. What can't become a sample is
    a row of the table `rejects`, with its reason.
    """
    from segdata.cli import mending
    from segdata.pipeline import commands

    options = mending.MendingOptions(mended, of, trust, strict, undo)
    mending.check_options(options, bool(names or root or verify))

    def work(session: Any) -> Any:
        if undo is not None:
            return commands.undo_mended(session, undo)
        if mended is not None:
            return mending.take_in(session, mended, options, common.json)
        record = commands.ingest(session, names or (), root, verify)
        rejects = record.result["rejects"]
        if strict and rejects:
            told = ", ".join(f"{count} {reason}" for reason, count in sorted(rejects.items()))
            raise SourceError(
                f'--strict: rejected: {told}; see segdata query "SELECT * FROM rejects". The rest is in the catalog'
            )
        return record

    execute(common, "ingest", work, show_ingest)


def show_ingest(result: Mapping[str, Any]) -> None:
    """A table of the sources, and what was rejected or left out, by reason."""
    show_mending(result)
    sources = result["sources"]
    if not sources:
        return
    rows = [
        (name, *(source[key] for key in _COUNTS), sum(source["filtered"].values())) for name, source in sources.items()
    ]
    say_table(("source", *_COUNTS, "filtered"), rows)
    for name, source in sources.items():
        show_sets(name, source["sets"])
        show_files(name, source)
        show_masks(name, source.get("masks"))
        if source["renamed"]:
            say(f"  {name} renamed: {source['renamed']}, known by the bytes; scores and verdicts stay")
        if source["filtered"]:
            say(
                f"  {name} filtered: "
                + ", ".join(f"{count} {why}" for why, count in sorted(source["filtered"].items()))
            )
    if result["rejects"]:
        say("  rejected: " + ", ".join(f"{count} {why}" for why, count in sorted(result["rejects"].items())))
        say('  which: segdata query "SELECT dataset, path, reason, detail FROM rejects"')


def fuse(
    common: Common,
    ratio: Annotated[float | None, typer.Option(min=0, max=1, help="Share of the training portraits.")] = None,
    composites: Annotated[int | None, typer.Option(min=1, help="Composites for each of them.")] = None,
    people: Annotated[str | None, typer.Option(help="Portraits in a composite: 1, 2, or 2..4.")] = None,
    foreground: Annotated[
        str | None, typer.Option(help="multilevel, blur_fusion, or observed: the plain blend, for comparison.")
    ] = None,
    placement: Annotated[str | None, typer.Option(help="original: where the portrait stands; or jitter.")] = None,
    prefer: Annotated[str | None, typer.Option(help="any, or holes: portraits with a gap first.")] = None,
    preview: Annotated[
        int | None, typer.Option(min=1, max=200, help="Draw so many on one sheet, and render nothing else.")
    ] = None,
) -> None:
    """Lay training portraits over person-free backgrounds, with the foreground estimated and alpha applied once.

    The same call gives the same files; what is there is not rendered again. Once a version is promoted, backgrounds in
    which it sees a person are left out.
    """
    from segdata.pipeline import commands

    options = {
        "fuse.ratio": ratio,
        "fuse.composites": composites,
        "fuse.people": people,
        "fuse.foreground": foreground,
        "fuse.placement": placement,
        "fuse.prefer": prefer,
    }
    execute(common, "fuse", lambda session: commands.fuse(session, preview), show_fuse, options)


def show_fuse(result: Mapping[str, Any]) -> None:
    """What was rendered, or would be."""
    if "preview" in result:
        say(f"{result['preview']}: {result['composites']} composites to look at; the catalog is as it was.")
    else:
        say(
            f"{result['composites']} composites of {result['portraits']} portraits over {result['backgrounds']} "
            f"backgrounds: {result['written']} written, {result['reused']} reused."
        )
        if set(result["people"]) - {"1"}:
            say("  people: " + ", ".join(f"{number} in {count}" for number, count in result["people"].items()))
    if veto := result.get("veto"):
        show_veto(veto)
    if planned := result.get("planned"):
        parents = [[one["portrait"], *one.get("companions", ())] for one in planned]
        rows = [
            (one["sample_id"], " + ".join(people), one["background"])
            for one, people in zip(planned, parents, strict=True)
        ]
        say_table(("composite", "portraits", "background"), rows)


def show_veto(veto: Mapping[str, Any]) -> None:
    """In which backgrounds somebody was found, and by whom."""
    version, presence = veto["version"], veto["presence"]
    for who, told in ((version and version["model_id"], version), ("what the other photos teach", presence)):
        if told and not told["trusted"]:
            seen = f"{told['seen']} of {told['judged']}"
            say(f"  veto: by {who} people are in {seen} backgrounds: not believed, none left out")
        elif told:
            say(f"  veto: by {who} people are in {len(told['vetoed'])} of {told['judged']} backgrounds: left out")
    if veto["vetoed"]:
        rows = [(one["sample_id"], one["person_probability"], one["by"]) for one in veto["vetoed"]]
        say_table(("background", "p(person)", "by"), rows)


def train(
    common: Common,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training samples.")] = None,
    fusion: Annotated[str | None, typer.Option(help="none, rendered or online.")] = None,
    as_of: AsOfOption = None,
    strict_leaks: StrictLeaks = None,
) -> None:
    """Train on the training split, measure on test, and promote the first version.

    A training that was cut off goes on where it was; one that is done is found again and not repeated.
    """
    from segdata.pipeline import commands

    options = {"train.epochs": epochs, "train.fusion": fusion, "guard.strict_leaks": strict_leaks}
    execute(common, "train", lambda session: commands.train(session, as_of), show_trained, options)


def mine(  # noqa: PLR0913, PLR0917  # each argument is an option
    common: Common,
    where: Annotated[str | None, typer.Option(help="What is hard: one boolean expression over the scores.")] = None,
    quantile: Annotated[float | None, typer.Option(help="Only the worst share of what was scored, as 0.05.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="So many at most, the worst.")] = None,
    diverse: Annotated[
        bool | None, typer.Option("--diverse", help="Spread the budget over failures, batches and looks.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="The column that says what is worst: miou, -sad, ...")] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto: the quickest that agrees with fp32 on the first images; fp32; bf16.")
    ] = None,
    second_opinion: Annotated[
        list[str] | None,
        typer.Option(help="Another version or an ONNX file: do they agree against a label? May be repeated."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Also score what the model was trained on, by so many versions trained without it."),
    ] = None,
    model: _Model = None,
    as_of: AsOfOption = None,
) -> None:
    """Score the pool with the promoted version and select the hard cases.

    What this version has scored already is not scored again, so another choice costs next to nothing. A quantile or a
    --by without --where looks at all that was scored.

    Examples: segdata mine --where "miou < 0.9 AND hole_count > 0"; segdata mine --budget 500 --diverse;
    segdata mine --quantile 0.05 --by boundary_iou
    """
    from segdata.pipeline import commands

    if where is None and (quantile is not None or by is not None):
        where = "true"
    options: dict[str, Any] = {"where": where, "quantile": quantile, "budget": budget, "diverse": diverse, "by": by}
    options |= {"precision": precision, "folds": folds, "second_opinions": second_opinion or None}
    dotted = {f"mine.{key}": value for key, value in options.items()}
    execute(common, "mine", lambda session: commands.mine(session, model, as_of), show_mined, dotted)


def show_mined(result: Mapping[str, Any]) -> None:
    """What was scored and what was selected."""
    say_moment(result)
    say(
        f"{result['scored']} scored with {result['runtime']} {result['precision']}, {result['reused']} scored before, "
        f"{result['skipped']} skipped (trained on, leaks, or judged)."
    )
    say(
        f"{result['selected']} selected as {result['selection']}: {result['hard']} hard, "
        f"{result['suspect_label']} with a suspect label."
    )
    if result["failure_modes"]:
        say("  " + ", ".join(f"{count} {mode}" for mode, count in result["failure_modes"].items()))
    say_histogram(result["histogram"])
    for opinion in result["second_opinions"]:
        passed = f", {opinion['trained_on']} passed over (it was trained on them)" if opinion["trained_on"] else ""
        say(f"  {opinion['model']} was asked about {opinion['asked']}{passed}.")
    if result["sheet"]:
        say(f"The worst are on {result['sheet']}")
    say(f"Next: {what_next(result)}")


def what_next(result: Mapping[str, Any]) -> str:
    """What to run after mining.

    >>> what_next({"selected": 0, "hard": 0, "suspect_label": 0})
    'nothing was selected; ask for more with --where "miou < 0.9", or --quantile 0.05'
    >>> what_next({"selected": 3, "hard": 3, "suspect_label": 0})
    'segdata report, to look at them; segdata retrain, to train on the hard ones.'
    """
    if not result["selected"]:
        return 'nothing was selected; ask for more with --where "miou < 0.9", or --quantile 0.05'
    if result["suspect_label"]:
        return "segdata review, to judge the suspect labels first; segdata retrain, to train on the hard ones."
    return "segdata report, to look at them; segdata retrain, to train on the hard ones."


def retrain(  # noqa: PLR0913, PLR0917  # each argument is an option
    common: Common,
    selection: Annotated[str | None, typer.Option(help="A selection's name.", show_default="the newest")] = None,
    model: _Model = None,
    control: Annotated[
        bool, typer.Option("--control", help="Also train with random images instead: what is mining worth?")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each arm; fewer than 3 support no claim.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training samples.")] = None,
    fusion: Annotated[str | None, typer.Option(help="none, rendered or online.")] = None,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="The last version: train on everything but test.")
    ] = False,
    include_test: Annotated[
        bool, typer.Option("--include-test", help="The last version: train on everything; it can't be evaluated.")
    ] = False,
    strict_leaks: StrictLeaks = None,
) -> None:
    """Train on with the accepted hard cases; the new version is promoted unless it is worse on val (then exit 5).

    With --control --seeds 3 it also says what the mining was worth, against as many random images, and whether that is
    more than luck.
    """
    from segdata.pipeline.retrain import retrain as again

    options = {
        "train.epochs": epochs,
        "retrain.max_epochs": epochs,
        "train.fusion": fusion,
        "retrain.seeds": seeds,
        "guard.strict_leaks": strict_leaks,
    }
    final: Literal["", "all_data", "include_test"] = "all_data" if all_data else "include_test" if include_test else ""

    def work(session: Any) -> Any:
        if all_data and include_test:
            raise UsageError("retrain: give one of --all-data and --include-test")
        if seeds is not None and not control:
            raise UsageError(
                "retrain: --seeds goes with --control: it says how often each arm of the comparison is trained"
            )
        return again(session, selection, model, control, final)

    execute(common, "retrain", work, show_trained, options)


def run(
    common: Common,
    rounds: Annotated[int | None, typer.Option(min=0, help="Rounds of mining and retraining at most.")] = None,
    review: Annotated[
        bool, typer.Option("--review", help="Stop after mining until somebody has looked; then the same call goes on.")
    ] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each round and of its control.")] = None,
    strict_leaks: StrictLeaks = None,
) -> None:
    """The whole loop: ingest, fuse, train, then mine and retrain until a round no longer helps; and the report.

    Each stage skips what is done: a loop that was cut off goes on where it was. --dry-run says what would be done and
    how long it would take.
    """
    from segdata.pipeline.loop import run_loop

    options = {"loop.rounds": rounds, "retrain.seeds": seeds, "guard.strict_leaks": strict_leaks}
    execute(common, "run", lambda session: run_loop(session, review), show_run, options)


def ablate(
    common: Common,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each row; fewer than 3 support no claim.")
    ] = None,
) -> None:
    """Train every row of the recipe's [[ablation]] and write the table to reports/ablation.md, its curves beside it."""
    from segdata.pipeline.ablation import ablate as train_rows

    execute(common, "ablate", train_rows, show_ablation, {"retrain.seeds": seeds})


def report(
    common: Common,
    selection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show all of a selection, to judge it on the page.")
    ] = None,
) -> None:
    """Write a page to look at: histogram, hard cases, curves, lineage. It needs no server and no network.

    Cases are judged on it with Alt+1 to Alt+4, and saved to a file that segdata review --import reads. Its charts are
    PNG files beside it.
    """
    from segdata.pipeline import commands

    execute(
        common,
        "report",
        lambda session: commands.report(session, selection),
        lambda result: say(f"Look at {result['path']}"),
    )
