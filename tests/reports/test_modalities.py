"""Does a further modality help: weights, ways, tests, changes and the answer, on vectors whose truth is planted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.errors import ConfigError, RunError
from trichord.evaluation import EmbeddingTable
from trichord.evaluation.compare import compare_matched, compare_results
from trichord.evaluation.routes import RouteScorer, evaluate_route
from trichord.evaluation.settings import EvaluationSet
from trichord.evaluation.views import Views
from trichord.modality import STANDARD, Modality, parse_task
from trichord.reports import Effort
from trichord.reports.modalities import (
    Choosing,
    ModalityReport,
    Question,
    SeedViews,
    SplitNames,
    build_modality_report,
    render_modalities,
    write_modalities,
)
from trichord.reports.modalities.answer import write_answer
from trichord.reports.modalities.build import pairs_compared
from trichord.reports.modalities.changes import find_changes, stores_captions
from trichord.reports.modalities.differences import compare_ways
from trichord.reports.modalities.page import describe_changes
from trichord.reports.modalities.report import Difference
from trichord.reports.modalities.terminal import print_modalities
from trichord.reports.modalities.ways import serving, way_alone, way_fused, way_sum
from trichord.reports.modalities.weights import FittedWeights, fit_weights

TO_BOTH = Question(parse_task("T>VA", STANDARD), STANDARD)
FOUR = (*STANDARD, Modality("smell", "S"))
TO_THREE = Question(parse_task("T>VAS", FOUR), FOUR)
EFFORT = Effort(num_resamples=200, num_draws=1000)
COARSE = (0.0, 0.1, 0.3, 0.5, 0.8)
NUM = 80


def tables(seed: int, audio_shares: bool, *, silent: int = 0) -> dict[str, EmbeddingTable]:
    """Text holds two signals; video shares one of them, audio the other, or none at all."""
    generator = np.random.default_rng(seed)
    seen, heard = (generator.normal(size=(NUM, 12)) for _ in range(2))
    noise = [1.6 * generator.normal(size=(NUM, 24)) for _ in range(3)]
    nothing = np.zeros((NUM, 12))
    text = np.concatenate([seen, heard], axis=1) + 0.5 * noise[0]
    video = np.concatenate([seen, nothing], axis=1) + 0.6 * noise[1]
    audio = (np.concatenate([nothing, heard], axis=1) if audio_shares else 0) + 0.6 * noise[2]
    vectors = {"video": video, "audio": audio, "text": text}
    kept = {"audio": np.arange(silent, NUM)}
    return {
        name: EmbeddingTable(
            (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32)[kept.get(name, slice(None))],
            kept.get(name, np.arange(NUM)),
        )
        for name, v in vectors.items()
    }


class Named(Dataset):
    """What a report asks of a data set, and nothing else: ids, captions, and who holds what."""

    def __init__(self, *, captions: bool = True, silent: int = 0, several: int = 1) -> None:
        self.ids = [f"clip<{number}>" for number in range(NUM)]
        self.table = SimpleNamespace(column_names=["id", "captions"] if captions else ["id"])
        self._several, self._silent = several if captions else 0, silent

    def captions(self, item: int) -> list[str]:
        return [f"caption {k} of {item} & <b>" for k in range(self._several)]

    def has(self, modality: str) -> np.ndarray:
        return np.arange(NUM) >= (self._silent if modality == "audio" else 0)


def items(split: str) -> EvaluationSet:
    return EvaluationSet("made", "f", split, np.arange(NUM), f"hash {split}", STANDARD)


MEASURED = items("test")


def choosing(*views: Views) -> Choosing:
    return Choosing.over_seeds([RouteScorer(view, np.arange(NUM)) for view in views], items("val"))


def identity(name: str, left: tuple[str, ...], right: tuple[str, ...]) -> AdapterIdentity:
    return AdapterIdentity(
        name=name,
        left=left,
        right=right,
        sides=(*left, *right),
        base="b",
        weights="w",
        preprocessing={},
        dataset="made",
        dataset_fingerprint="f",
        learnt="after the base",
    )


VT = identity("VT", ("video",), ("text",))
WIDE = identity("T-VA", ("text",), ("video", "audio"))
VA = identity("VA", ("video",), ("audio",))


def report(*, shares: bool, seeds: int = 1, question: Question = TO_BOTH, silent: int = 0) -> ModalityReport:
    views = [
        SeedViews(seed, {BASE: tables(200 + seed, shares, silent=silent)}, f"runs/{seed}") for seed in range(seeds)
    ]
    chosen = choosing(*({BASE: tables(100 + seed, shares, silent=silent)} for seed in range(seeds)))
    made = Named(silent=silent)
    return build_modality_report("made", question, views, made, chosen, MEASURED, effort=EFFORT, grid=COARSE)


@pytest.fixture(scope="module")
def helped() -> ModalityReport:
    return report(shares=True, seeds=2)


@pytest.fixture(scope="module")
def useless() -> ModalityReport:
    return report(shares=False)


def test_planted_audio_helps_and_the_answer_says_so(helped: ModalityReport) -> None:
    assert [way.name for way in helped.ways] == ["V", "A", "V+A sum", "V+A weighted scores", "V+A fused ranks"]
    found = helped.difference("V+A weighted scores", "V")
    assert found is not None
    assert found.difference > 10
    assert found.significant
    assert helped.answer.startswith("Adding audio to video (weight 0.")
    assert helped.answer.endswith(": audio helps.")
    assert f"changes R@10 by +{found.difference:.1f} points [+{found.low:.1f}, +{found.high:.1f}]" in helped.answer
    assert 0.3 <= helped.weights["scores"].of_added <= 0.7, "both signals are equally strong"
    assert helped.seeds == (0, 1)


def test_useless_audio_is_not_said_to_help(useless: ModalityReport) -> None:
    assert useless.weights["scores"].of_added <= 0.3
    assert "helps" not in useless.answer
    summed = useless.difference("V+A sum", "V")
    assert summed is not None
    assert summed.difference < 0
    assert useless.best_alone == "V"


def test_every_number_is_that_of_its_route(helped: ModalityReport) -> None:
    weights = helped.weights["ranks"].weights
    way = way_fused(TO_BOTH, "ranks", weights, {})
    results = [evaluate_route({BASE: tables(200 + seed, True)}, way.route, MEASURED) for seed in range(2)]
    shown = helped.way("ranks")
    assert shown.estimates["R@10"].value == pytest.approx(np.mean([r.metrics["R@10"].value for r in results]))
    assert list(shown.per_seed.values()) == [pytest.approx(r.metrics["R@10"].value) for r in results]
    assert helped.protocol == results[0].protocol.fingerprint()
    assert helped.chance["R@10"] == pytest.approx(100 * 10 / NUM)


def test_weights_maximise_and_prefer_leaving_out() -> None:
    found = fit_weights(TO_BOTH, lambda weights: 1 - (weights["audio"] - 0.33) ** 2)
    assert (found.of_added, found.weights) == (0.35, {"video": 0.65, "audio": 0.35})
    level = fit_weights(TO_BOTH, lambda weights: 0.5)
    assert level.weights == {"video": 1.0, "audio": 0.0}, "of equal weights the smallest"
    rising = fit_weights(TO_BOTH, lambda weights: weights["audio"])
    assert rising.weights == {"video": 0.0, "audio": 1.0}
    generator = np.random.default_rng(0)
    for _ in range(20):
        scores = dict(zip(np.arange(21), generator.random(21), strict=True))
        found = fit_weights(TO_BOTH, lambda weights, s=scores: s[round(weights["audio"] * 20)])  # type: ignore[misc]
        assert found.curves[0].scores[found.curves[0].weights.index(found.of_added)] == max(scores.values())
        assert max(scores.values()) >= scores[0], "never below the first modality alone"


def test_several_further_modalities_are_added_one_after_another() -> None:
    def score(weights: dict[str, float]) -> float:
        return -((weights["audio"] - 0.2) ** 2) - (weights.get("smell", 0.0) - 0.5) ** 2

    found = fit_weights(TO_THREE, score)  # type: ignore[arg-type]
    assert [curve.modality for curve in found.curves] == ["audio", "smell"]
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert found.weights["video"] / found.weights["audio"] == pytest.approx(0.8 / 0.2), "proportions are kept"
    assert TO_THREE.added == ("audio", "smell")
    assert way_sum(TO_THREE, {}).name == "V+A+S sum"


@pytest.mark.parametrize("grid", [(), (0.1, 0.5), (0.0, 0.5, 0.2), (0.0, 1.2)])
def test_a_grid_without_zero_or_order_is_refused(grid: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="begin with 0"):
        fit_weights(TO_BOTH, lambda weights: 0.0, grid)


@pytest.mark.parametrize(
    ("task", "why"), [("T>V", "one modality on either side"), ("TS>VA", "several modalities on both")]
)
def test_a_task_without_one_wide_side_is_refused(task: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Question(parse_task(task, FOUR), FOUR)


def test_legs_take_the_adapter_of_their_own_pair_and_say_where_there_is_none() -> None:
    way = way_fused(TO_BOTH, "scores", {"video": 0.7, "audio": 0.3}, {"mine": VT, "T-VA": WIDE, "VT": VA})
    assert [(leg.adapter, leg.query, leg.gallery, leg.weight) for leg in way.route.legs] == [
        ("mine", ("text",), ("video",), 0.7),
        (BASE, ("text",), ("audio",), 0.3),
    ]
    assert way_sum(TO_BOTH, {"VT": VT, "T-VA": WIDE}).route.legs[0].adapter == "T-VA"
    asking = Question(parse_task("VA>T", STANDARD), STANDARD)
    alone = way_alone(asking, "video", {"VT": VT})
    assert [(leg.adapter, leg.query, leg.weight) for leg in alone.route.active] == [("VT", ("video",), 1.0)]
    assert alone.route.silent == ("audio",)
    assert "without audio" in alone.legs


def test_weight_zero_is_the_first_modality_alone_and_nothing_changes() -> None:
    views = {BASE: tables(1, True)}
    nothing = way_fused(TO_BOTH, "scores", {"video": 1.0, "audio": 0.0}, {})
    first = way_alone(TO_BOTH, "video", {})
    results = [[evaluate_route(views, way.route, MEASURED)] for way in (first, nothing)]
    changes = find_changes(results[0], results[1], Named(), text_asks=True)
    assert (changes.won, changes.lost, changes.unchanged, changes.entered, changes.left) == ((), (), NUM, 0, 0)


def test_changes_are_those_of_the_ranks_with_ids_and_captions() -> None:
    views = {BASE: tables(1, True)}
    ways = (way_alone(TO_BOTH, "video", {}), way_fused(TO_BOTH, "scores", {"video": 0.5, "audio": 0.5}, {}))
    before, after = (evaluate_route(views, way.route, MEASURED) for way in ways)
    changes = find_changes([before], [after], Named(), text_asks=True)
    ranks = [result.scores.rank for result in (before, after)]
    assert len(changes.won) == (ranks[1] < ranks[0]).sum()
    assert len(changes.lost) == (ranks[1] > ranks[0]).sum()
    assert changes.unchanged == (ranks[1] == ranks[0]).sum()
    assert changes.entered == ((ranks[1] <= 10) & (ranks[0] > 10)).sum()
    assert changes.left == ((ranks[1] > 10) & (ranks[0] <= 10)).sum()
    for query in (*changes.won, *changes.lost):
        item = int(query.item[5:-1])
        assert (query.rank_before, query.rank_after) == (ranks[0][item], ranks[1][item])
        assert query.gain == pytest.approx(1 / ranks[1][item] - 1 / ranks[0][item])
        assert query.caption == f"caption 0 of {item} & <b>"
    gains = [query.gain for query in changes.won]
    assert gains == sorted(gains, reverse=True)
    back = find_changes([after], [before], Named(), text_asks=True)
    assert {query.item for query in back.won} == {query.item for query in changes.lost}


def test_the_caption_that_asks_is_named_and_where_text_answers_the_first() -> None:
    views = {BASE: tables(1, True)}
    ways = (way_alone(TO_BOTH, "video", {}), way_alone(TO_BOTH, "audio", {}))
    found = [evaluate_route(views, way.route, MEASURED) for way in ways]
    second = [replace(result, query_instances=np.ones(NUM, dtype=np.int64)) for result in found]
    for text_asks, number in ((True, 1), (False, 0)):
        changes = find_changes(second[:1], second[1:], Named(several=2), text_asks=text_asks)
        assert all(query.caption == f"caption {number} of {query.item[5:-1]} & <b>" for query in changes.won)
    unstored = find_changes(second[:1], second[1:], Named(captions=False), text_asks=True)
    assert {query.caption for query in unstored.won} == {None}


def test_differences_of_one_seed_are_those_of_compare_results_and_of_several_are_matched() -> None:
    ways = (way_alone(TO_BOTH, "video", {}), way_sum(TO_BOTH, {}))
    a, b = ([evaluate_route({BASE: tables(seed, True)}, way.route, MEASURED) for seed in range(4)] for way in ways)
    one = compare_matched(a[:1], b[:1], "R@10", num_resamples=200, num_draws=1000)
    assert one == compare_results(a[:1], b[:1], "R@10", num_resamples=200, num_draws=1000)
    matched, apart = (
        compare_matched(a, b, "MRR", num_resamples=400, num_draws=1000),
        compare_results(a, b, "MRR", num_resamples=400, num_draws=1000),
    )
    assert (matched.difference, matched.p_value) == (pytest.approx(apart.difference), apart.p_value)
    assert matched.low <= matched.difference <= matched.high
    same = compare_matched(a, a, "MRR", num_resamples=200, num_draws=1000)
    assert (same.difference, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert compare_results(a, a, "MRR", num_resamples=200).high > 0, "unmatched seeds would widen it"
    found = compare_ways({"a": a, "b": b}, [("a", "b"), ("b", "a")], EFFORT, ("R@10",))
    assert found[0].difference == pytest.approx(-found[1].difference)
    assert all(difference.p_holm >= difference.p for difference in found)


def difference(value: float, low: float, high: float, p: float) -> Difference:
    return Difference("a", "b", "R@10", value, low, high, p, p)


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (
            difference(0.4, -1.0, 1.9, 0.55),
            "by +0.4 points [−1.0, +1.9], adjusted p = 0.550: no difference can be shown.",
        ),
        (difference(2.0, 0.5, 3.1, 0.0004), "by +2.0 points [+0.5, +3.1], adjusted p < 0.001: audio helps."),
        (difference(-2.0, -3.1, -0.5, 0.01), "by −2.0 points [−3.1, −0.5], adjusted p = 0.010: audio hurts."),
        (difference(2.0, -0.5, 3.1, 0.01), "audio helps in these very models, while models of new seeds might differ."),
        (difference(0.0, -0.5, 0.5, 0.01), "no difference can be shown."),
    ],
)
def test_the_answer_claims_what_was_shown(found: Difference, end: str) -> None:
    fitted = FittedWeights({"video": 0.7, "audio": 0.3}, ())
    answer = write_answer(TO_BOTH, fitted, "val", found, None)
    assert answer.startswith("Adding audio to video (weight 0.30, fitted on val) changes R@10 ")
    assert answer.endswith(end)


def test_the_answer_at_both_ends_of_the_grid() -> None:
    found = difference(-2.0, -3.1, -0.5, 0.01)
    answer = write_answer(TO_BOTH, FittedWeights({"video": 1.0, "audio": 0.0}, ()), "val", None, found)
    assert answer == (
        "Adding audio to video is not worth it on val: the best weight there is 0; summed all the same it changes "
        "R@10 by −2.0 points [−3.1, −0.5], adjusted p = 0.010: audio hurts."
    )
    answer = write_answer(TO_BOTH, FittedWeights({"video": 0.0, "audio": 1.0}, ()), "val", found, found)
    assert answer.startswith("Taking audio instead of video (the best weight on val is 1) changes R@10")


def test_the_best_single_modality_is_compared_too_where_it_is_not_the_first() -> None:
    base = {name: tables(3, True)[other] for name, other in (("video", "audio"), ("audio", "text"), ("text", "text"))}
    views, chosen = [SeedViews(0, {BASE: base})], choosing({BASE: base})
    found = build_modality_report("made", TO_BOTH, views, Named(), chosen, MEASURED, effort=EFFORT, grid=COARSE)
    assert found.best_alone == "A"
    assert found.weights["scores"].of_added > 0
    assert found.difference("A", "V") is not None
    assert found.difference("V+A sum", "A") is not None
    assert found.difference("V", "A") is None, "it is there in the other direction"
    audio_only = way_fused(TO_BOTH, "ranks", {"video": 0.0, "audio": 1.0}, {})
    ways = [*(way_alone(TO_BOTH, name, {}) for name in TO_BOTH.several), way_sum(TO_BOTH, {}), audio_only]
    assert list(pairs_compared(ways, "V", "A")) == [
        ("A", "V"),
        ("V+A sum", "V"),
        ("V+A fused ranks", "V"),
        ("V+A sum", "A"),
    ], "what is A alone under another name is not compared with it"


def test_the_other_direction_and_items_without_audio() -> None:
    asking = Question(parse_task("VA>T", STANDARD), STANDARD)
    found = report(shares=True, question=asking, silent=15)
    assert found.lacking == {"video": 0, "audio": 15}
    assert found.num_queries == NUM
    assert found.way("weighted").estimates["R@10"].value > found.way("alone").estimates["R@10"].value
    pairs = [(space.left, space.right, space.num_left_out) for _, space in found.space]
    assert pairs[1] == (("text",), ("audio",), 15)
    assert pairs[-1] == (("text",), ("video", "audio"), 0)


def test_the_space_under_an_adapter_is_of_the_pairs_it_changes() -> None:
    base = tables(5, True)
    moved = base | {"text": EmbeddingTable(base["video"].vectors, np.arange(NUM))}
    views = {BASE: base, "VT": moved}
    found = build_modality_report(
        "made",
        TO_BOTH,
        [SeedViews(0, views)],
        Named(),
        choosing(views),
        MEASURED,
        adapters={"VT": VT, "VA": VA},
        effort=EFFORT,
        grid=COARSE,
    )
    under = [(space.left + space.right) for _, space in found.space if space.adapter == "VT"]
    assert under == [("text", "video"), ("text", "audio"), ("text", "video", "audio")]
    [aligned] = [s for _, s in found.space if s.adapter == "VT" and s.right == ("video",)]
    assert aligned.alignment == pytest.approx(0.0, abs=1e-6)
    assert found.way("alone").legs.startswith("adapter VT")
    assert found.adapters == ("VT",), "no leg is of the pair VA"
    assert found.folders == ()


def test_an_adapter_serves_by_its_pair_whatever_it_is_called_and_of_two_the_first_is_taken() -> None:
    given = {"VA": VT, "VT": VA, "second": VT}
    assert list(serving(TO_BOTH, given)) == ["VA"]
    assert serving(TO_BOTH, {"VT": VA}) == {}
    base = tables(5, True)
    views = {BASE: base, "VA": base}
    found = build_modality_report(
        "made",
        TO_BOTH,
        [SeedViews(0, views)],
        Named(),
        choosing(views),
        MEASURED,
        adapters=given,
        effort=EFFORT,
        grid=COARSE,
    )
    assert found.way("alone").legs.startswith("adapter VA")
    assert "Of the adapters of one pair, VA and second, legs take the first, VA." in found.notes


def test_folds_add_their_queries_however_uneven_they_are_and_notes_say_what_chose() -> None:
    whole = tables(7, True)

    def part(rows: np.ndarray) -> RouteScorer:
        return RouteScorer({BASE: {n: EmbeddingTable(t.vectors[rows], rows) for n, t in whole.items()}}, rows)

    scorers = (part(np.arange(10)), part(np.arange(10, NUM)))
    chosen = Choosing(scorers, "train+val in 2 folds", "train+val in 2 folds (80 items), one model each")
    way = way_alone(TO_BOTH, "video", {})
    of_fold = [scorer.rank(way.route).scores.reciprocal_rank for scorer in scorers]
    assert chosen.score(way) == pytest.approx(np.concatenate(of_fold).mean())
    assert chosen.score(way) != pytest.approx(np.mean([ranks.mean() for ranks in of_fold]), abs=1e-3)
    views = [SeedViews(0, {BASE: whole})]
    found = build_modality_report("made", TO_BOTH, views, Named(), chosen, MEASURED, effort=EFFORT, grid=COARSE)
    assert found.weights["scores"].curves[0].scores[0] == pytest.approx(chosen.score(way))
    [note] = [note for note in found.notes if note.startswith("Weights and")]
    assert "chosen on train+val in 2 folds (80 items), one model each, by mean reciprocal rank;" in note
    assert "seed" not in note
    assert "fitted on train+val in 2 folds" in found.answer or "on train+val in 2 folds:" in found.answer


def test_page_and_json_hold_everything_and_escape_what_is_foreign(
    helped: ModalityReport, useless: ModalityReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = write_modalities(tmp_path / "out", [helped, useless])
    text = page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(set(ids)) == len(ids)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert text.count("<svg") == 2
    assert "& <b>" not in text
    assert "&amp; &lt;b&gt;" in text
    assert "<title>Does audio help here?</title>" in text
    for made in (helped, useless):
        assert made.answer in text
    written = json.loads((page.parent / "modalities.json").read_text())
    assert [entry["answer"] for entry in written["reports"]] == [helped.answer, useless.answer]
    first = written["reports"][0]
    changed = len(first["changes"]["won"]) + len(first["changes"]["lost"]) + first["changes"]["unchanged"]
    assert changed == NUM
    assert len(first["changes"]["won"]) == len(helped.changes.won) > 20
    assert first["weights"]["scores"]["curves"][0]["weights"][0] == 0.0
    assert {entry["seed"] for entry in first["space"]} == {0, 1}
    print_modalities([helped])
    shown = capsys.readouterr().out
    assert "V+A weighted scores" in shown
    assert "T-VA" in shown


def test_captions_that_are_not_stored_are_said_to_be(useless: ModalityReport) -> None:
    found = replace(useless, captions_stored=stores_captions(Named(captions=False)))
    assert "The data store no text of captions" in describe_changes(found)
    text = render_modalities([found])
    assert "The data store no text of captions" in text
    assert ">Caption</th>" not in text


def test_a_caution_stands_on_top_of_the_page(useless: ModalityReport) -> None:
    note = "Caution: runs/0 learnt from other data."
    text = render_modalities([replace(useless, notes=(note, *useless.notes))])
    assert text.index("Read with care") < text.index(note) < text.index("Every way of answering")
    assert text.count(note) == 1


def test_a_report_needs_distinct_seeds_and_two_splits() -> None:
    views, chosen = SeedViews(0, {BASE: tables(1, True)}), choosing({BASE: tables(1, True)})
    with pytest.raises(RunError, match="distinct seeds"):
        build_modality_report("made", TO_BOTH, [views, views], Named(), chosen, MEASURED)
    with pytest.raises(RunError, match="distinct seeds"):
        build_modality_report("made", TO_BOTH, [], Named(), chosen, MEASURED)
    with pytest.raises(ConfigError, match="two different splits"):
        SplitNames("test", "test")
    with pytest.raises(RunError, match="no report"):
        render_modalities([])
