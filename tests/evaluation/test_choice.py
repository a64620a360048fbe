"""Choosing a route: the best on validation over all seeds, ties to the first, one standard error as by hand."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_maker import table

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.errors import ProtocolError
from trichord.evaluation import EvaluationConfig
from trichord.evaluation import choice as choice_module
from trichord.evaluation.candidates import Candidate, candidates, lifted
from trichord.evaluation.choice import choose_route, mean_reciprocal_rank, standard_error
from trichord.evaluation.route import RouteConfig
from trichord.evaluation.routes import RouteScorer
from trichord.modality import STANDARD, Task, parse_task, unspell
from trichord.runs.routing import alone

NAMES = ("video", "audio", "text")
ITEMS = 24


def identity(name: str, left: str, right: str) -> AdapterIdentity:
    pair = [unspell(side, STANDARD) for side in (left, right)]
    fields = {"weights": name, "base": "b", "dataset": "d", "dataset_fingerprint": "f", "learnt": "after the base"}
    return AdapterIdentity(
        name=name, left=pair[0], right=pair[1], sides=(*pair[0], *pair[1]), preprocessing={}, **fields
    )


VT, AT = identity("VT", "V", "T"), identity("AT", "A", "T")


def views(seed: int, noise: dict[str, float], moved: dict[str, float]) -> dict:
    """Vectors of one seed: each modality is a shared vector and noise of its own; an adapter has noise of its own."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(ITEMS, 6))

    def tables(sizes: dict[str, float]) -> dict:
        return {name: table(shared + sizes[name] * generator.normal(size=shared.shape)) for name in NAMES}

    base = tables(noise)
    return {
        BASE: base,
        **{
            name: base | {k: v for k, v in tables(dict.fromkeys(NAMES, size)).items() if k in sides}
            for (name, size), sides in zip(moved.items(), (("video", "text"), ("audio", "text")), strict=False)
        },
    }


def scorer(found: dict) -> RouteScorer:
    return RouteScorer(found, np.arange(ITEMS))


def mrr_by_hand(found: dict, route: RouteConfig) -> float:
    """From the definition, in double precision, for routes whose scores do not tie."""
    total = np.zeros((ITEMS, ITEMS))
    for leg in route.active:
        sides = []
        for names in (leg.query, leg.gallery):
            parts = [found[leg.adapter][name].vectors.astype(float) for name in names]
            joined = sum(part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts)
            sides.append(joined / np.linalg.norm(joined, axis=1, keepdims=True))
        scores = sides[0] @ sides[1].T
        if route.fusion == "ranks" and len(route.active) > 1:
            scores = 1 / (route.rank_constant + (-scores).argsort(axis=1).argsort(axis=1) + 1)
        total += leg.weight * scores
    if route.fusion == "ranks" and len(route.active) > 1:
        own = np.diag(total)[:, None]
        above, level = (total > own + 1e-12).sum(axis=1), (abs(total - own) <= 1e-12).sum(axis=1) - 1
        return float((1 / (1 + above + level / 2)).mean()) if not level.any() else float("nan")
    return float((1 / (1 + (total > np.diag(total)[:, None]).sum(axis=1))).mean())


@pytest.mark.parametrize("task", ["T>V", "A>T", "T>VA"])
def test_the_highest_mean_over_seeds_is_chosen_as_counted_by_hand(task: str) -> None:
    asked = parse_task(task, STANDARD)
    seeds = [views(seed, dict.fromkeys(NAMES, 1.2), {"VT": 1.0, "AT": 1.0}) for seed in range(2)]
    adapters = {"VT": VT} if task == "T>VA" else {"VT": VT, "AT": AT}
    listed = candidates(asked, adapters)
    by_hand = np.array([np.mean([mrr_by_hand(found, way.route) for found in seeds]) for way in listed])
    scorers = [scorer(found) for found in seeds]
    ours = np.array([mean_reciprocal_rank(scorers, way) for way in listed])
    known = ~np.isnan(by_hand)
    assert known.sum() > 0.4 * len(listed)
    np.testing.assert_allclose(ours[known], by_hand[known], atol=1e-9)
    chosen = choose_route(scorers, asked, adapters, STANDARD, "best")
    assert chosen.candidate == listed[int(ours.argmax())]
    assert chosen.mrr == chosen.best_mrr == pytest.approx(ours.max())
    bare = [
        (value, way.alone, -place)
        for place, (value, way) in enumerate(zip(ours, listed, strict=True))
        if not way.adapted
    ]
    assert chosen.base == listed[-max(bare)[2]], "of equals the simplest"
    assert chosen.base_mrr == pytest.approx(max(bare)[0])
    assert (chosen.task, chosen.num_tried) == (task, len(listed))


def test_one_choice_is_made_for_all_seeds() -> None:
    """The adapter is far better under one seed and a little worse under two: its mean is higher, so all take it."""
    level = {"video": 0.5, "audio": 0.5, "text": 0.5}
    good = views(0, {"video": 3.0, "audio": 3.0, "text": 3.0}, {"VT": 0.1})
    worse = [views(seed, level, {"VT": 0.6}) for seed in (1, 2)]
    asked = parse_task("T>V", STANDARD)
    alone = [choose_route([scorer(found)], asked, {"VT": VT}, STANDARD, usable=_plain).candidate for found in worse]
    assert not any(way.adapted for way in alone)
    together = choose_route([scorer(found) for found in (good, *worse)], asked, {"VT": VT}, STANDARD, usable=_plain)
    assert together.candidate.adapted


def _plain(candidate: object) -> bool:
    return candidate.kind != "blend"  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", ["best", "one standard error"])
def test_of_equals_the_first_wins_and_that_is_the_base(rule: str) -> None:
    """An adapter that has learnt nothing gives the vectors of the base: nobody prefers it."""
    found = views(0, dict.fromkeys(NAMES, 0.8), {})
    found["VT"] = {name: table(entry.vectors.copy()) for name, entry in found[BASE].items()}
    ranked = [scorer(found)]
    for task in ("T>V", "T>VA"):
        asked = parse_task(task, STANDARD)
        chosen = choose_route(ranked, asked, {"VT": VT}, STANDARD, rule)
        assert not chosen.candidate.adapted
        assert chosen.candidate == choose_route(ranked, asked, {}, STANDARD, rule).candidate


def planted_ranks(monkeypatch: pytest.MonkeyPatch, values: dict[str, list[list[float]]]) -> None:
    """Let each candidate have these reciprocal ranks, per seed, in the order of the candidates."""

    def given(scorers: object, candidate: object) -> np.ndarray:
        name = "blend" if candidate.kind == "blend" else candidate.route.adapters[0]  # type: ignore[attr-defined]
        return np.mean(values[name], axis=0)

    queries = len(values[BASE][0])
    monkeypatch.setattr(choice_module, "_values", given)
    monkeypatch.setattr(choice_module, "_items", lambda scorers, candidate: np.arange(queries))


def test_one_standard_error_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """VT leads the base by 0.2, 0.2, 0, 0: mean 0.1, deviation sqrt(4 x 0.01 / 3) = 0.11547, error 0.057735 < 0.1.

    A lead of 0.4, 0, 0, 0 has the mean 0.1 and the error 0.1: not more than one standard error, so that the base is
    taken.
    """
    base, blend = [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]
    asked = parse_task("T>V", STANDARD)
    for lead, taken, error in (([0.2, 0.2, 0.0, 0.0], "VT", 0.0577350269), ([0.4, 0.0, 0.0, 0.0], BASE, 0.1)):
        # Two seeds whose mean is the row above: the error is that of queries, after averaging over seeds.
        seeds = [
            [b + x + 0.1 for b, x in zip(base, lead, strict=True)],
            [b + x - 0.1 for b, x in zip(base, lead, strict=True)],
        ]
        planted_ranks(monkeypatch, {BASE: [base, base], "VT": seeds, "blend": [blend, blend]})
        ranked: list[RouteScorer] = [scorer(views(0, dict.fromkeys(NAMES, 1.0), {"VT": 1.0}))]
        found = choose_route(ranked, asked, {"VT": VT}, STANDARD)
        assert found.candidate.route.adapters == (taken,)
        assert found.standard_error == pytest.approx(error)
        assert found.best_mrr == pytest.approx(0.6)
        assert found.mrr == pytest.approx(0.6 if taken == "VT" else 0.5)
        best = choose_route(ranked, asked, {"VT": VT}, STANDARD, "best")
        assert best.candidate.route.adapters == ("VT",)


def test_a_single_query_decides_nothing_by_one_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_ranks(monkeypatch, {BASE: [[0.1]], "VT": [[1.0]], "blend": [[0.2]]})
    ranked = [scorer(views(0, dict.fromkeys(NAMES, 1.0), {"VT": 1.0}))]
    found = choose_route(ranked, parse_task("T>V", STANDARD), {"VT": VT}, STANDARD, "one standard error")
    assert not found.candidate.adapted
    assert found.standard_error == float("inf")


def test_silent_audio_is_left_out_and_shared_audio_is_used() -> None:
    """Audio of pure noise gets little weight by the best, and none by one standard error; as good as video, half."""
    for noise, low, high in ((1e6, 0.0, 0.15), (1.0, 0.3, 0.7)):
        sizes = {"video": 1.0, "audio": noise, "text": 0.2}
        scorers = [scorer(views(seed, sizes, {})) for seed in range(4)]
        chosen = choose_route(scorers, parse_task("T>VA", STANDARD), {}, STANDARD, "best", usable=_weighted)
        shares = {leg.gallery: leg.weight for leg in chosen.candidate.route.legs}
        assert low <= shares[("audio",)] <= high
    silent = [scorer(views(seed, {"video": 1.0, "audio": 1e6, "text": 0.2}, {})) for seed in range(4)]
    simple = choose_route(silent, parse_task("T>VA", STANDARD), {}, STANDARD, "one standard error", usable=_weighted)
    assert simple.candidate.route.silent == ("audio",)


def _weighted(candidate: object) -> bool:
    return candidate.kind in ("single", "weighted scores")  # type: ignore[attr-defined]


def test_nothing_to_choose_from_is_one_clear_error() -> None:
    ranked = [scorer(views(0, dict.fromkeys(NAMES, 1.0), {}))]
    asked = parse_task("T>V", STANDARD)
    with pytest.raises(ProtocolError, match="there is nothing to choose from for T>V"):
        choose_route(ranked, asked, {}, STANDARD, usable=lambda _: False)
    with pytest.raises(ProtocolError, match="there is nothing to choose from for T>V"):
        choose_route([], asked, {}, STANDARD)


def test_a_split_without_an_item_of_both_sides_names_the_task() -> None:
    half = ITEMS // 2
    vectors = np.random.default_rng(0).normal(size=(half, 6))
    parts = {"text": table(vectors, np.arange(half)), "audio": table(vectors, np.arange(half, ITEMS))}
    with pytest.raises(ProtocolError, match="choosing a route for T>A: no item holds both"):
        choose_route([scorer({BASE: parts})], Task(("text",), ("audio",)), {}, STANDARD)


def test_the_record_is_plain_data() -> None:
    ranked = [scorer(views(0, dict.fromkeys(NAMES, 1.0), {"VT": 0.2}))]
    found = choose_route(ranked, parse_task("T>V", STANDARD), {"VT": VT}, STANDARD).to_dict(STANDARD)
    assert found["adapted"] is True
    assert found["base_route"] == "base"
    assert found["validation_mrr"] >= found["base_validation_mrr"]
    assert found["num_tried"] == 5


# -- the standard error is over items, and folds add theirs


def test_the_standard_error_is_over_items_as_by_hand() -> None:
    """Items 7, 3 and 5 have 1, 2 and 3 captions that lead by 0.5 | 0.3, 0.1 | 0, 0, 0.3: the mean is 0.2.

    Sums of what is off it: 0.3, 0 and -0.3; squares 0.18, times 3/2: 0.27; its root over 6 queries: 0.0866.
    """
    leads = np.array([0.5, 0.3, 0.1, 0.0, 0.0, 0.3])
    items = np.array([7, 3, 3, 5, 5, 5])
    assert standard_error(leads, items) == pytest.approx(np.sqrt(0.27) / 6)
    shuffled = np.random.default_rng(0).permutation(6)
    assert standard_error(leads[shuffled], items[shuffled]) == pytest.approx(np.sqrt(0.27) / 6)
    alone = standard_error(leads, np.arange(6))
    assert alone == pytest.approx(leads.std(ddof=1) / np.sqrt(6)), "with a caption each it is that of any mean"
    twice = standard_error(np.repeat(leads, 2), np.repeat(np.arange(6), 2))
    assert twice == pytest.approx(alone), "the same captions once more say nothing new"
    assert standard_error(leads, np.zeros(6, dtype=int)) == float("inf")


def captions(seed: int, items: np.ndarray) -> RouteScorer:
    """Items of three captions each; audio is of no use, and captions of an item are alike."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(len(items), 6))
    said = np.repeat(shared + 0.8 * generator.normal(size=shared.shape), 3, axis=0)
    parts = {
        "text": table(said + 0.2 * generator.normal(size=said.shape), np.repeat(items, 3)),
        "video": table(shared + 1.5 * generator.normal(size=shared.shape), items),
    }
    moved = {"video": table(shared + 1.3 * generator.normal(size=shared.shape), items)}
    return RouteScorer({BASE: parts, "VT": parts | moved}, items, EvaluationConfig(captions="all"))


def test_several_captions_of_an_item_are_one_witness_and_folds_add_theirs() -> None:
    """Two folds that are numbered from 0 on both have items of their own; their queries are put together by hand."""
    asked = parse_task("T>V", STANDARD)
    folds = [captions(0, np.arange(12)), captions(1, np.arange(20))]
    found = choose_route(folds, asked, {"VT": VT}, STANDARD, "best", usable=_plain)
    base, moved = (alone(asked, name) for name in (BASE, "VT"))
    leads = [fold.rank(moved).scores.reciprocal_rank - fold.rank(base).scores.reciprocal_rank for fold in folds]
    assert [len(lead) for lead in leads] == [36, 60]
    assert found.best_mrr - found.base_mrr == pytest.approx(np.concatenate(leads).mean())
    sums = np.concatenate([(lead - np.concatenate(leads).mean()).reshape(-1, 3).sum(axis=1) for lead in leads])
    assert found.standard_error == pytest.approx(np.sqrt(32 / 31 * (sums**2).sum()) / 96)
    way = Candidate(base, "single")
    parts = [mean_reciprocal_rank([fold], way) for fold in folds]
    assert mean_reciprocal_rank(folds, way) == pytest.approx((36 * parts[0] + 60 * parts[1]) / 96)
    again = captions(7, np.arange(12))
    averaged = (parts[0] + mean_reciprocal_rank([again], way)) / 2
    assert mean_reciprocal_rank([folds[0], again], way) == pytest.approx(averaged), "the same items are averaged"
    assert mean_reciprocal_rank([*folds, again], way) == pytest.approx((36 * averaged + 60 * parts[1]) / 96)


# -- luck: what is of no use is left alone, though the best of many ways often has it


def test_useless_audio_is_left_to_the_way_of_video_alone_and_ranks_as_that_does() -> None:
    whole, part = (parse_task(spelled, STANDARD) for spelled in ("T>VA", "T>V"))
    used = dict.fromkeys(("one standard error", "best"), 0)
    for seed in range(8):
        draw = np.random.default_rng(seed).normal
        shared = draw(size=(150, 6))
        parts = {"text": table(shared + 0.5 * draw(size=shared.shape)), "audio": table(draw(size=shared.shape))}
        ranked = RouteScorer({BASE: parts | {"video": table(shared + draw(size=shared.shape))}}, np.arange(150))
        for rule in used:
            wide, narrow = (choose_route([ranked], task, {}, STANDARD, rule).candidate for task in (whole, part))
            used[rule] += not wide.route.silent
            assert wide.route == lifted(narrow.route, whole) or not wide.route.silent
        there, here = (ranked.rank(route) for route in (lifted(narrow.route, whole), narrow.route))
        np.testing.assert_array_equal(there.scores.rank, here.scores.rank)
    assert used["one standard error"] <= 1
    assert used["best"] >= 4, "some of many weights has luck"


def test_an_adapter_of_a_part_answers_the_whole_by_any_way_of_the_part() -> None:
    whole, part = (parse_task(spelled, STANDARD) for spelled in ("T>VA", "T>V"))
    ranked = scorer(views(3, {"video": 2.0, "audio": 1e6, "text": 0.5}, {"VT": 0.5}))
    wide, narrow = (
        choose_route([ranked], task, {"VT": VT}, STANDARD, usable=_alone_or_bare).candidate for task in (whole, part)
    )
    assert wide.adapted
    assert wide.route == lifted(narrow.route, whole)
    for found in candidates(part, {"VT": VT}):
        there, here = (ranked.rank(route) for route in (lifted(found.route, whole), found.route))
        np.testing.assert_array_equal(there.scores.rank, here.scores.rank)


def _alone_or_bare(candidate: Candidate) -> bool:
    """Adapters with one modality only: among all their ways, the best may hold a little audio."""
    return candidate.alone or not candidate.adapted


def noisy(seed: int, noise: float, count: int = 120) -> RouteScorer:
    """The adapters' vectors are those of the base and noise: they know nothing that it does not."""
    draw = np.random.default_rng(seed).normal
    shared = draw(size=(count, 8))
    base = {name: shared + draw(size=shared.shape) for name in NAMES}
    found = {BASE: {name: table(vectors) for name, vectors in base.items()}}
    for name, sides in (("VT", ("video", "text")), ("AT", ("audio", "text"))):
        moved = {side: table(base[side] + noise * draw(size=shared.shape)) for side in sides}
        found[name] = found[BASE] | moved
    return RouteScorer(found, np.arange(count))


def test_adapters_that_are_the_base_and_noise_are_seldom_taken() -> None:
    asked, adapters = parse_task("T>VA", STANDARD), {"VT": VT, "AT": AT}
    taken = dict.fromkeys(("one standard error", "best"), 0)
    for seed in range(20):
        ranked = noisy(seed, 0.2)
        for rule in taken:
            way = choose_route([ranked], asked, adapters, STANDARD, rule, usable=_by_fifths).candidate
            taken[rule] += way.adapted
    assert taken["one standard error"] <= 2
    assert taken["best"] >= 8


def _by_fifths(candidate: Candidate) -> bool:
    """Fewer weights than there are, for time."""
    return candidate.kind != "fused ranks" and all(
        leg.weight * 5 == round(leg.weight * 5) or candidate.kind == "blend" for leg in candidate.route.legs
    )
