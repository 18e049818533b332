"""What trainings, comparisons, loops and ablations say to people: tables and sentences of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segdata.catalog.label_statistics import label_remarks
from segdata.cli.printing import say, say_table

_KEYS = ("miou_image", "miou_dataset", "boundary_iou")
_LEAKS = 10


def say_moment(result: Mapping[str, Any]) -> None:
    """Of which moment the samples are, where it is not now."""
    if moment := result.get("as_of"):
        version, left_out = moment["versions"]["samples"], moment["left_out"]
        say(f"As of {moment['asked']}: version {version} of samples.")
        if left_out:
            say(f"  {left_out} of its samples left out: their files have changed or gone since, or they were forgotten")


def show_trained(result: Mapping[str, Any]) -> None:
    """The version, its metrics, and what the gate, the guard and the control said."""
    say_moment(result)
    if "model_id" not in result:
        say(
            f"{result['training_samples']} samples would be trained on, {result.get('hard', 0)} of them mined; "
            f"{result['leaks_removed']} leaks and {result['unlicensed']} of other licences left out."
        )
        if result["capped"]:
            say(f"  {result['capped']} hard cases are one too many for retrain.hard_share")
        return
    say(f"{result['path']} ({result['model_id']}){', found again' if result['reused'] else ''}")
    measured = [(split, result[key]) for split, key in (("test", "metrics"), ("val", "val"))]
    rows = [(split, *(values[key] for key in _KEYS)) for split, values in measured if values["miou_image"] is not None]
    if rows:
        say_table(("split", "mIoU (images)", "mIoU (pixels)", "boundary IoU"), rows)
    say(
        f"  trained on {result['training_samples']} samples, {result['hard']} of them mined; "
        f"{result['leaks_removed']} near-duplicates of test or val left out, {result['unlicensed']} by licence"
    )
    _say_leaks(result["leaks"])
    if final := result.get("final"):
        kept = "test" if final == "all_data" else "nothing"
        say(f"  the last of its line: {kept} was kept out; never promoted, use it with --model")
    else:
        say("  promoted" if result["promoted"] else "  not promoted")
    if "evidence" in result:
        show_evidence(result)


def _say_leaks(leaks: Sequence[Mapping[str, Any]]) -> None:
    for leak in leaks[:_LEAKS]:
        say(f"    left out: {leak['sample_id']}, a near-duplicate of {leak['of']}")
    if len(leaks) > _LEAKS:
        say(f"    and {len(leaks) - _LEAKS} more: segdata catalog leaks")


def show_evidence(result: Mapping[str, Any]) -> None:
    """Old, mined and control side by side, where they differ, and the sentence."""
    evidence = result["evidence"]
    keys = (*_KEYS, "hole_recall")
    say_table(
        ("arm", "mIoU (images)", "mIoU (pixels)", "boundary IoU", "hole recall", "versions"),
        [(arm["name"], *(arm["metrics"][key] for key in keys), len(arm["model_ids"])) for arm in evidence["arms"]],
    )
    for comparison in evidence["test"][:1]:
        say(f"{comparison['new']} minus {comparison['old']}, on test:")
        say_table(
            ("slice", "metric", "images", "mean", "from", "to", ""),
            [
                (
                    one["slice"],
                    one["metric"],
                    one["images"],
                    *(f"{one[key]:+.4f}" for key in ("mean", "low", "high")),
                    "differs" if one["differs"] and one["seeds"] >= 3 else "",
                )
                for one in comparison["differences"]
            ],
        )
    say(result["claim"])


def show_files(source: str, counts: Mapping[str, Any]) -> None:
    """How photos and masks were paired, and which files of the source were not looked at.

    Args:
        source: its name.
        counts: of `ingest --json`.
    """
    naming = counts.get("naming")
    parts = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")
    if naming and any(naming[part] for part in parts):
        photos, masks = (f"{naming[f'{what}_prefix']}*{naming[f'{what}_suffix']}" for what in ("image", "mask"))
        keys = ", ".join(f'{part} = "{naming[part]}"' for part in parts if naming[part])
        say(f"  {source} naming: photos {photos}, masks {masks}, {naming['pairs']:,} pairs ({keys})")
    if ignored := counts.get("ignored"):
        say(f"  {source} ignored: {ignored:,} leftovers of file systems")
    if others := counts.get("other_files"):
        kinds = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in others.items())
        say(f"  {source} other files, which are no pictures by their names: {kinds}")
    for remark in counts.get("remarks") or ():
        say(f"  {source}: {remark}")


def show_masks(name: str, masks: Mapping[str, Any] | None) -> None:
    """What is decided about the masks of a source, and which labels a person should look at."""
    if masks is None:
        return
    if masks["alpha"]:
        say(f"  {name} masks: {masks['alpha']}{_OPEN if masks['alpha_open'] else ''}")
    remarks = label_remarks(masks["labels"], tuple(masks["trimap_files"]), masks["alpha"]) if masks["labels"] else []
    for line in (masks["exif"], *masks["warnings"], *remarks):
        if line:
            say(f"  {name}: {line}")


_OPEN = ". All masks of the source are rejected until then"


def show_sets(name: str, sets: Mapping[str, Mapping[str, Any]]) -> None:
    """What a person should know about the sets of a source: skipped, or of another size than the published one."""
    differing = []
    for set_name, counts in sets.items():
        if counts["skipped"]:
            say(f"  {name}: {set_name} skipped: {counts['skipped']}")
        elif counts["published"] not in (None, counts["photos"]):
            differing.append(f"{set_name} has {counts['photos']:,} photos instead of {counts['published']:,}")
        if counts["remark"]:
            say(f"  {name}: {set_name}: {counts['remark']}")
    if differing:
        say(f"  {name} differs from what is published: {', '.join(differing)}")


def show_run(result: Mapping[str, Any]) -> None:
    """What ingest found of the sets and files, the rounds, why it stopped, and where the page is; or the plan."""
    for name, source in result.get("ingest", {"sources": {}})["sources"].items():
        show_sets(name, source["sets"])
        show_files(name, source)
    if "plan" in result:
        _show_plan(result)
        return
    if result["rounds"]:
        say_table(
            ("round", "hard cases", "test mIoU", "control's", "boundary IoU", ""),
            [
                (
                    row["round"],
                    row["selected"],
                    row["metrics"]["miou_image"],
                    row["control"]["metrics"]["miou_image"] if "control" in row else None,
                    row["metrics"]["boundary_iou"],
                    "promoted" if row["promoted"] else "refused",
                )
                for row in result["rounds"]
            ],
        )
        for row in result["rounds"]:
            if told := row.get("claim") or row.get("control_missing"):
                say(f"Round {row['round']}: {told}")
    say(f"Stopped: {result['stopped_because'].removesuffix('.')}.")
    if "path" in result:
        say(f"Look at {result['path']}")


def _show_plan(result: Mapping[str, Any]) -> None:
    say_table(
        ("would", "samples", "epochs", "times", "minutes"),
        [
            (
                step["what"],
                step["samples"],
                step["epochs"],
                step["times"],
                "done" if step["done"] else f"{step['seconds'] / 60:.1f}" if step["samples"] else "?",
            )
            for step in result["plan"]
        ],
    )
    if result["estimated_seconds"] is None:
        say("Nothing is ingested yet, so no numbers are known: run segdata ingest, and ask again.")
    else:
        say(
            f"About {result['estimated_seconds'] / 60:.0f} minutes, by {result['estimated_by']}, if every round is "
            f"gone through and {result['assumed_hard_share']:.0%} of the pool is hard."
        )
    if result["review"]:
        say("After each mining it waits until somebody has given a verdict; the same command then goes on.")


def show_ablation(result: Mapping[str, Any]) -> None:
    """The table, or the rows that would be trained."""
    if not result["rows"]:
        say(f"{len(result['planned'])} rows, {result['seeds']} trainings each: {', '.join(result['planned'])}")
        return
    keys = (*_KEYS, "hole_recall")
    rows = [
        (
            row["name"],
            *(row["metrics"][key] for key in keys),
            "" if row["difference"] is None else "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**row["difference"]),
        )
        for row in result["rows"]
    ]
    say_table(
        ("training", "mIoU (images)", "mIoU (pixels)", "boundary IoU", "hole recall", "against the row before"), rows
    )
    if result["claim"]:
        say(result["claim"])
    say(f"Written to {result['path']}, its curves to {result['curves']}")
