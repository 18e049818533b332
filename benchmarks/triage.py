"""Does the triage find wrong labels? Against labels damaged on purpose, beside cleanlab and plain mIoU, in one run.

    python benchmarks/triage.py [--work DIR] [--seeds 101 102 103 104] [--model FOLDER] [--sheet FILE]
    python benchmarks/triage.py [--work DIR] --fit [--model FOLDER]

The photographs are split into two halves. A network is trained on the labels of half 1, as they are. Then for each seed
`lay_out.py --quirks --errors 0.12` lays the photographs out as AiSegment is, with damaged labels; segdata ingests and
mines that tree with the network, and of half 0, which neither the network nor the triage's weights have seen, its
suspicions are held against the truth. cleanlab gets the predictions that segdata kept. `--sheet` draws what is most
suspected among labels that nobody damaged.

`--fit` is how the weights were found: a network trained on half 0 judges half 1, each label as it is and with three
damages drawn by chance, and a logistic regression is fitted, where an error weighs as much as if one label in eight
were wrong. It prints coefficients and, over folds by photo, what each piece of evidence adds.

Needs cleanlab and scikit-learn. Training takes ten minutes on two cores; `--model` takes a version that is there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import segdata
from segdata.catalog.packing import unpack_probability
from segdata.catalog.pixels import read_pair
from segdata.catalog.training_sets import minable
from segdata.imaging.frame import alpha_into_frame
from segdata.inference.model_folder import read_spec
from segdata.inference.predict import predict_images
from segdata.inference.runtimes import open_runtime
from segdata.metrics.confusion import confusion, miou
from segdata.mine.evidence import weigh
from segdata.mine.recipe import MineRecipe, TriageRecipe
from segdata.mine.run import run as mine
from segdata.mine.triage import suspicion_of
from segdata.pipeline.session import open_session

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
SAME_SHOOT = {"00481": "00625", "02206": "02560", "00192": "00193"}
BAND = (0.5, 0.95)  # of mIoU: where hard images and wrong labels look alike
DRAWS = 2000
RECIPE = """seed = {half}
[[sources]]
name = "studio"
reader = "folder"
root = "{root}"
split = "train"
[model]
spec = "bisenet_lite0"
[train]
epochs = 14
size = [224, 224]
"""
POOL = """[[sources]]
name = "aisegment"
root = "{root}"
[model]
spec = "bisenet_lite0"
"""


def halves(data: Path) -> dict[str, int]:
    """Each photo's half; two photos of one shoot are in the same one."""
    names = sorted(path.stem for path in (data / "portraits").glob("*.jpg"))
    order = np.random.default_rng(7).permutation(len(names))
    half = {names[index]: rank % 2 for rank, index in enumerate(order)}
    return half | {other: half[one] for one, other in SAME_SHOOT.items()}


def workspace(folder: Path, recipe: str) -> Path:
    """A workspace with a recipe."""
    subprocess.run([sys.executable, "-c", "from segdata.cli.main import entry; entry()", "init", folder, "--json"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    (folder / "pipelines/portrait.toml").write_text(recipe)
    return folder


def train(work: Path, data: Path, half: int) -> Path:
    """The version trained on a half's labels as they are."""
    root = work / f"half-{half}"
    for name in (name for name, side in halves(data).items() if side == half):
        for kind, end in (("images", ".jpg"), ("masks", "_matte.png")):
            (root / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / "portraits" / f"{name}{end}", root / kind / f"{name}{end.removeprefix('_matte')}")
    folder = workspace(work / f"trained-{half}", RECIPE.format(half=half, root=root))
    opened = segdata.open(folder)
    opened.ingest()
    return folder / str(opened.train()["path"])


def judged(work: Path, data: Path, model: Path, seed: int) -> list[dict[str, Any]]:
    """The cases of half 0 in one lay-out: as segdata mined them, with what was planted."""
    laid = work / f"laid-out-{seed}"
    shutil.rmtree(work / f"mined-{seed}", ignore_errors=True)
    call = [sys.executable, data / "lay_out.py", laid, "--quirks", "--errors", "0.12", "--seed", seed]
    counts = ["--train", 1, "--test", 4, "--pool", 780]
    subprocess.run([str(word) for word in (*call, *counts)], check=True)
    truth = json.loads((laid / "truth.json").read_text())
    planted = {name.rpartition(".")[0]: kind for name, kind in truth["aisegment"]["label_errors"].items()}
    half = halves(data)
    folder = workspace(work / f"mined-{seed}", POOL.format(root=laid / "aisegment"))
    segdata.open(folder).ingest()
    session = open_session(folder)
    context = session.context(f"triage-{seed}")
    eligible, skipped = minable(context.workspace, model)
    known = [half.get(truth["photo_of"].get(name, ""), 1) == 0 for name in eligible["sample_id"].to_pylist()]
    eligible = eligible.filter(known)
    mine(context, MineRecipe(where="true"), model, eligible, skipped)
    tables = {name: {row["sample_id"]: row for row in context.catalog.read(name).to_pylist()}
              for name in ("selections", "scores", "predictions")}  # fmt: skip
    return [
        {
            "seed": seed,
            "photo": truth["photo_of"][name],
            "kind": planted.get(name, ""),
            "miou": tables["scores"][name]["miou"],
            "segdata": tables["selections"][name]["label_suspicion"],
            "suspect": tables["selections"][name]["triage"] == "suspect_label",
            "why": tables["selections"][name]["why"],
            **_for_others(context.workspace, sample, tables["predictions"][name], read_spec(model)),
        }
        for sample in eligible.to_pylist()
        if (name := sample["sample_id"])
    ]


def _for_others(where: Any, sample: dict[str, Any], row: dict[str, Any], spec: Any) -> dict[str, Any]:
    """Label and probability at network size, for cleanlab; and the suspicion if straight cuts were not looked at."""
    image, alpha = read_pair(where, sample)
    probability = unpack_probability(row["probability"], row["network_height"], row["network_width"])
    evidence = weigh(image, alpha, probability, TriageRecipe().confident_from)
    return {
        "without_cut": suspicion_of(replace(evidence, cut=0.0)),
        "label": (alpha_into_frame(alpha, spec.input_hw, spec.resize) >= 128).astype(np.int64),
        "probability": probability,
        "picture": cv2.resize(image, (225, 300), interpolation=cv2.INTER_AREA),
    }


def cleanlab_scores(cases: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """1 - label quality of one lay-out's cases, by each of cleanlab's methods and some of their settings."""
    from cleanlab.segmentation.rank import get_label_quality_scores

    labels = np.stack([case["label"] for case in cases])
    likely = np.stack([case["probability"] for case in cases]).astype(np.float32)
    both = np.stack([1 - likely, likely], axis=1)
    settings = {
        "cleanlab softmin": {"method": "softmin"},
        "cleanlab softmin, temperature 1": {"method": "softmin", "temperature": 1.0},
        "cleanlab num_pixel_issues": {"method": "num_pixel_issues"},
        "cleanlab num_pixel_issues, downsample 4": {"method": "num_pixel_issues", "downsample": 4},
    }
    return {
        name: 1 - get_label_quality_scores(labels, both, verbose=False, n_jobs=1, **options)[0]
        for name, options in settings.items()
    }


def auroc(wrong: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The share of pairs of a wrong and a right label that the score puts in order, ties half; weights are counts."""
    weight = np.ones(len(score)) if weight is None else weight
    ours, theirs = score[wrong][:, None], score[~wrong][None, :]
    right = (ours > theirs) + 0.5 * (ours == theirs)
    return float(weight[wrong] @ right @ weight[~wrong] / (weight[wrong].sum() * weight[~wrong].sum()))


def leads(wrong: np.ndarray, photo: np.ndarray, ours: np.ndarray, other: np.ndarray) -> list[float]:
    """AUROC of ours minus that of the other: the value, and its 95 % interval by a bootstrap over photos."""
    names, index = np.unique(photo, return_inverse=True)
    generator = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        weight = np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names))[index].astype(float)
        if weight[wrong].sum() and weight[~wrong].sum():
            found.append(auroc(wrong, ours, weight) - auroc(wrong, other, weight))
    low, high = np.quantile(found, (0.025, 0.975))
    return [round(float(value), 4) for value in (auroc(wrong, ours) - auroc(wrong, other), low, high)]


def compare(cases: list[dict[str, Any]], scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """All figures: overall, in the band of mIoU, per kind (each against all right labels)."""
    from sklearn.metrics import average_precision_score

    kind, seed = np.array([case["kind"] for case in cases]), np.array([case["seed"] for case in cases])
    wrong, photo = kind != "", np.array([case["photo"] for case in cases])
    likeness = np.array([case["miou"] for case in cases])
    in_band = (likeness >= BAND[0]) & (likeness <= BAND[1])

    def at_20(score: np.ndarray) -> float:
        return float(np.mean([wrong[seed == s][np.argsort(-score[seed == s])[:20]].mean() for s in set(seed)]))

    def measured(score: np.ndarray, among: np.ndarray) -> dict[str, float]:
        return {"auroc": round(auroc(wrong[among], score[among]), 4),
                "average_precision": round(float(average_precision_score(wrong[among], score[among])), 4)}  # fmt: skip

    everywhere = np.ones(len(cases), bool)
    suspects = np.array([case["suspect"] for case in cases])
    precision, recall = wrong[suspects].mean(), suspects[wrong].mean()
    kinds = sorted(set(kind[wrong]))
    return {
        "cases": len(cases),
        "photos": len(set(photo)),
        "errors": {name: int((kind == name).sum()) for name in kinds},
        "in_band": {"right": int((in_band & ~wrong).sum()), "wrong": int((in_band & wrong).sum())},
        "suspect_label": {"precision": round(float(precision), 4), "recall": round(float(recall), 4)},
        "overall": {
            name: {**measured(score, everywhere), "precision_at_20": round(at_20(score), 4)}
            for name, score in scores.items()
        },
        "band": {name: measured(score, in_band) for name, score in scores.items()},
        "band_lead": {
            ours: {
                name: leads(wrong[in_band], photo[in_band], scores[ours][in_band], score[in_band])
                for name, score in scores.items()
                if not name.startswith("segdata")
            }
            for ours in ("segdata", "segdata without cut")
        },
        "per_kind": {name: _against_right(kind == name, wrong, scores) for name in kinds},
        "per_kind_in_band": {
            name: _against_right((kind == name)[in_band], wrong[in_band], {n: s[in_band] for n, s in scores.items()})
            for name in kinds
            if (kind == name)[in_band].sum() >= 5
        },
    }


def _against_right(one_kind: np.ndarray, wrong: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, float]:
    among = one_kind | ~wrong
    return {name: round(auroc(one_kind[among], score[among]), 4) for name, score in scores.items()}


def draw_sheet(cases: list[dict[str, Any]], path: Path, count: int = 24) -> list[dict[str, Any]]:
    """What is suspected most among labels that nobody damaged: photo, label in green, prediction in violet."""
    best: dict[str, dict[str, Any]] = {}
    for case in sorted((case for case in cases if not case["kind"]), key=lambda case: -case["segdata"]):
        best.setdefault(case["photo"], case)
    chosen = list(best.values())[:count]
    tiles = []
    for case in chosen:
        picture = case["picture"]
        masks = [cv2.resize(np.asarray(mask, np.float32), picture.shape[1::-1])[..., None]
                 for mask in (case["label"], case["probability"] >= 0.5)]  # fmt: skip
        tints = [np.array((0, 140, 105)), np.array((150, 80, 165))]
        tile = np.hstack(
            [picture, *(picture * m + (0.8 * t + 0.2 * picture) * (1 - m) for m, t in zip(masks, tints, strict=True))]
        )
        tile = tile.astype(np.uint8)
        cv2.putText(
            tile, f"{case['photo']} {case['segdata']:.2f} {case['miou']:.2f}", (4, 16), 0, 0.5, (255, 255, 0), 1
        )
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 2)
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[row : row + 2]) for row in range(0, len(tiles), 2)])[..., ::-1])
    return [{key: case[key] for key in ("photo", "segdata", "miou", "why")} for case in chosen]


def damaged(data: Path, model: Path) -> Iterator[dict[str, Any]]:
    """The evidence on half 1, by a version trained on half 0: each label as it is, and with three damages."""
    spec_of = importlib.util.spec_from_file_location("lay_out", data / "lay_out.py")
    assert spec_of is not None
    assert spec_of.loader is not None
    lay_out = importlib.util.module_from_spec(spec_of)
    spec_of.loader.exec_module(lay_out)
    spec, runtime, generator = read_spec(model), open_runtime(model), np.random.default_rng(0)
    for name in sorted(name for name, side in halves(data).items() if side == 1):
        photo = data / "portraits" / f"{name}.jpg"
        image, alpha = cv2.imread(str(photo))[..., ::-1], lay_out.matte_of(photo)
        likely = next(predict_images(runtime, spec, [np.ascontiguousarray(image)]))
        for kind in ("", *generator.permutation(lay_out.KINDS)[:3]):
            label = lay_out.damage(alpha, str(kind)) if kind else alpha
            found = weigh(image, label, likely, 0.8)
            likeness = miou(confusion(label >= 128, likely >= 0.5))
            yield {"photo": name, "wrong": bool(kind), "miou": likeness, "evidence": found}


def fit(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Coefficients, and the AUROC over five folds by photo as one piece of evidence after the other is added."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    wrong = np.array([row["wrong"] for row in rows])
    weight = np.where(wrong, (~wrong).sum() / wrong.sum() / 7, 1.0)
    likeness = np.array([row["miou"] for row in rows])
    in_band = (likeness >= BAND[0]) & (likeness <= BAND[1])
    evidence: dict[str, Callable[[Any], float]] = {
        "size": lambda one: np.log(one.size + 0.01),
        "sureness": lambda one: one.sureness,
        "edges": lambda one: one.edges,
        "cut": lambda one: float(np.clip((one.cut - 0.03) / 0.12, 0, 1)),
    }
    columns = np.array([[measure(row["evidence"]) for measure in evidence.values()] for row in rows])
    model, folds, photos = LogisticRegression(C=10, max_iter=2000), GroupKFold(5), [row["photo"] for row in rows]
    steps = {"mIoU alone": [round(auroc(wrong[m], -likeness[m]), 4) for m in (wrong | True, in_band)]}
    for count, name in enumerate(evidence, 1):
        found = cross_val_predict(model, columns[:, :count], wrong, groups=photos, cv=folds, method="decision_function",
                                  params={"sample_weight": weight})  # fmt: skip
        steps[f"+ {name}"] = [round(auroc(wrong[m], found[m]), 4) for m in (wrong | True, in_band)]
    model.fit(columns, wrong, sample_weight=weight)
    coefficients = {name: round(float(value), 2) for name, value in zip(evidence, model.coef_[0], strict=True)}
    return {"cases": len(rows), "auroc_overall_and_in_band": steps, "coefficients": coefficients,
            "intercept": round(float(model.intercept_[0]), 2)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, help="for lay-outs, workspaces and versions; a temporary folder by default"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    if not (args.data / "lay_out.py").is_file():
        parser.exit(0, f"{args.data}: no photographs there; give --data\n")
    work, data = args.work or Path(tempfile.mkdtemp(prefix="triage-")), args.data.resolve()
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    model = args.model.resolve() if args.model else train(work, data, 0 if args.fit else 1)
    if args.fit:
        print(json.dumps(fit(list(damaged(data, model))), indent=1))
        return
    cases: list[dict[str, Any]] = []
    others: dict[str, list[np.ndarray]] = {}
    for seed in args.seeds:
        new = judged(work, data, model, seed)
        for name, score in cleanlab_scores(new).items():
            others.setdefault(name, []).append(score)
        cases += new
        print(f"seed {seed}: {len(new)} cases, {sum(bool(case['kind']) for case in new)} errors", file=sys.stderr)
    scores = {
        "segdata": np.array([case["segdata"] for case in cases]),
        "segdata without cut": np.array([case["without_cut"] for case in cases]),
        "1 - mIoU": 1 - np.array([case["miou"] for case in cases]),
        **{name: np.concatenate(parts) for name, parts in others.items()},
    }
    found = compare(cases, scores)
    if args.sheet:
        found["undamaged_but_suspected"] = draw_sheet(cases, args.sheet)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
