from __future__ import annotations

import json
from time import perf_counter

import numpy as np
import pytest
from evaluation_maker import evaluated, noisy_tables, table
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.config import from_dict
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation import routes as routes_module
from trichord.evaluation.compare import compare_results
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.result import load_result
from trichord.evaluation.retrieval import evaluate_task
from trichord.evaluation.routes import (
    LegConfig,
    RouteConfig,
    RouteScorer,
    check_route,
    evaluate_route,
    rank_route,
)
from trichord.evaluation.settings import EvaluationConfig
from trichord.metrics.retrieval import RetrievalMetrics, summarise
from trichord.modality import STANDARD, all_tasks, parse_task, unspell

FAST = EvaluationConfig(num_resamples=50)
ALL = EvaluationConfig(captions="all", num_resamples=50)
UNIT = EvaluationConfig(fusion="sum of unit vectors", num_resamples=50)
NAMES = ("video", "audio", "text")


def leg(spelled: str, adapter: str = BASE, weight: float = 1.0) -> LegConfig:
    query, gallery = (unspell(side, STANDARD) for side in spelled.split(">"))
    return LegConfig(adapter=adapter, query=query, gallery=gallery, weight=weight)


def route(spelled: str, *legs: LegConfig, **choices: object) -> RouteConfig:
    query, gallery = (unspell(side, STANDARD) for side in spelled.split(">"))
    return RouteConfig(query=query, gallery=gallery, legs=legs or (leg(spelled),), **choices)  # type: ignore[arg-type]


def weighted(audio: float, fusion: str = "scores") -> RouteConfig:
    return route("T>VA", leg("T>V", "VT"), leg("T>A", "AT", audio), fusion=fusion)


def moved(tables: dict[str, EmbeddingTable], names: tuple[str, ...], seed: int) -> dict[str, EmbeddingTable]:
    """Views of an adapter that changes some modalities: others are the very tables."""
    generator = np.random.default_rng(seed)
    return {
        name: EmbeddingTable(
            (found.vectors + 0.5 * generator.normal(size=found.vectors.shape)).astype(np.float32), found.items
        )
        if name in names
        else found
        for name, found in tables.items()
    }


def make_views(num_items: int, dim: int, seed: int, held: float = 1.0, captions: int = 1) -> dict:
    """Base, VT and AT; each modality is held by a share of the items (all hold text), with up to so many captions."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(num_items, dim))
    base = {}
    for name in NAMES:
        items = np.flatnonzero(generator.random(num_items) < held) if name != "text" else np.arange(num_items)
        if name == "text":
            items = np.repeat(items, generator.integers(1, captions + 1, num_items))
        base[name] = table(shared[items] + generator.normal(size=(len(items), dim)), items)
    return {
        BASE: base,
        "VT": moved(base, ("video", "text"), seed + 1),
        "AT": moved(base, ("audio", "text"), seed + 2),
    }


def expected_ranks(views: dict, asked: RouteConfig, num_items: int, captions: str) -> list[float]:
    """Rank every query by loops in double precision, from the definition; misses have the last rank."""

    def instances(adapter: str, name: str, item: int) -> list[np.ndarray]:
        found = views[adapter][name]
        vectors = [v.astype(float) for v, owner in zip(found.vectors, found.items, strict=True) if owner == item]
        return [v / np.linalg.norm(v) for v in vectors]

    def rows(names: tuple[str, ...]) -> list[tuple[int, int]]:
        laid = []
        for item in range(num_items):
            most = max(len(instances(BASE, name, item)) for name in names)
            laid += [(item, i) for i in range(min(most, 1) if captions == "first" else most)]
        return laid

    def vector(adapter: str, names: tuple[str, ...], row: tuple[int, int]) -> np.ndarray | None:
        parts = [held[min(row[1], len(held) - 1)] for name in names if (held := instances(adapter, name, row[0]))]
        return sum(parts) / np.linalg.norm(sum(parts)) if parts else None

    used = tuple(name for name in asked.gallery if any(name in part.gallery for part in asked.active))
    queries, gallery = rows(asked.query), rows(used)
    weights = [part.weight for part in asked.active]
    asking = [[vector(part.adapter, part.query, row) for row in queries] for part in asked.active]
    given = [[vector(part.adapter, part.gallery, row) for row in gallery] for part in asked.active]
    last = float(max(num_items, len(gallery)))
    ranks: list[float] = []
    for q, (item, _) in enumerate(queries):
        values = np.full((len(weights), len(gallery)), np.nan)
        for i in range(len(weights)):
            for g in range(len(gallery)):
                if asking[i][q] is not None and given[i][g] is not None:
                    values[i, g] = asking[i][q] @ given[i][g]
            if asked.fusion == "ranks":
                scores = values[i].copy()
                for g in np.flatnonzero(~np.isnan(scores)):
                    above, level = (scores > scores[g] + 1e-9).sum(), (abs(scores - scores[g]) <= 1e-9).sum()
                    values[i, g] = 1 / (asked.rank_constant + 1 + above + (level - 1) / 2)
        shares = np.array(weights)[:, None] * ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            fused = np.nansum(shares * np.nan_to_num(values), axis=0) / shares.sum(axis=0)
        own = [fused[g] for g, (other, _) in enumerate(gallery) if other == item and not np.isnan(fused[g])]
        if not own:
            ranks.append(last)
            continue
        above = sum(f > max(own) + 1e-9 for f in fused)
        relevant = sum(f > max(own) - 1e-9 for f in own)
        level = sum(abs(f - max(own)) <= 1e-9 for f in fused) - relevant
        ranks.append(1 + above + level / (relevant + 1))
    without = set(range(num_items)) - {item for item, _ in queries}
    for item in sorted(without):
        ranks.insert(sum(1 for other, _ in queries if other < item) + sum(o < item for o in without), last)
    return ranks


ROUTES = (
    weighted(0.3),
    weighted(0.3, "ranks"),
    route("T>VA", leg("T>VA", "VT"), leg("T>A", BASE, 0.5)),
    route("VA>T", leg("V>T", "VT"), leg("A>T", "AT", 2.0)),
    route("VA>T", leg("V>T", "VT"), leg("A>T", "AT", 2.0), fusion="ranks"),
    route("TA>V", leg("T>V", "VT"), leg("A>V", BASE, 0.25)),
    route("V>TA", leg("V>T", "VT"), leg("V>A", BASE, 0.25), leg("V>TA", "AT"), fusion="ranks"),
    route("V>TA", leg("V>TA", "AT"), leg("V>A", BASE, 0.0)),
    route("V>TA", leg("V>A", BASE), leg("V>T", "VT", 0.0)),
)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    asked=st.sampled_from(ROUTES),
    held=st.sampled_from([1.0, 0.6]),
    captions=st.sampled_from(["first", "all"]),
    few=st.booleans(),
)
def test_ranks_are_those_of_plain_loops(seed: int, asked: RouteConfig, held: float, captions: str, few: bool) -> None:
    views = make_views(16, 5, seed, held, captions=3)
    config = EvaluationConfig(captions=captions, num_resamples=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes_module, "FEW_SCORES", 2**21 if few else 0)
        ranked = rank_route(views, asked, np.arange(16), config)
    assert ranked.scores.rank == pytest.approx(expected_ranks(views, asked, 16, captions))


@pytest.mark.parametrize("task", all_tasks(STANDARD))
def test_the_base_over_a_whole_task_is_evaluate_task(task) -> None:
    views = make_views(70, 6, 1, held=0.8, captions=2)
    for captions in ("first", "all"):
        config = EvaluationConfig(captions=captions, fusion="sum of unit vectors", num_resamples=40)
        asked = RouteConfig(
            query=task.query,
            gallery=task.gallery,
            legs=(LegConfig(adapter=BASE, query=task.query, gallery=task.gallery, weight=0.7),),
        )
        mine, ordinary = (
            evaluate_route(views, asked, evaluated(70), config),
            evaluate_task(views[BASE], task, evaluated(70), config),
        )
        assert np.array_equal(mine.scores.rank, ordinary.scores.rank)
        assert mine.metrics == ordinary.metrics
        assert mine.chance == ordinary.chance
        assert mine.flags == ordinary.flags
        assert mine.num_missing == ordinary.num_missing
        assert mine.protocol.differences(ordinary.protocol) == [
            "similarity: 'cosine by route' against 'dot product of unit vectors'",
            "fusion: 'by route' against 'sum of unit vectors'",
        ]


@pytest.mark.parametrize("fusion", ["scores", "ranks"])
@pytest.mark.parametrize("few", [0, 2**21])
def test_a_modality_of_weight_zero_leaves_no_trace(fusion: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "FEW_SCORES", few)
    views = make_views(80, 6, 2, held=0.7, captions=3)
    for config in (FAST, ALL):
        for with_audio, without in (("T>VA", "T>V"), ("VA>T", "V>T")):
            sound = "T>A" if with_audio == "T>VA" else "A>T"
            silent = route(with_audio, leg(without, "VT"), leg(sound, "AT", 0.0), fusion=fusion)
            plain = route(without, leg(without, "VT"), fusion=fusion)
            found, expected = (rank_route(views, asked, np.arange(80), config) for asked in (silent, plain))
            assert np.array_equal(found.scores.rank, expected.scores.rank)
            assert np.array_equal(found.scores.reciprocal_rank, expected.scores.reciprocal_rank)
            assert np.array_equal(found.chance.rank, expected.chance.rank)
        two = (leg("T>V", "VT"), leg("T>V", "AT", 0.5))
        found = rank_route(views, route("T>VA", *two, leg("T>A", weight=0.0), fusion=fusion), np.arange(80), config)
        expected = rank_route(views, route("T>V", *two, fusion=fusion), np.arange(80), config)
        assert np.array_equal(found.scores.rank, expected.scores.rank)


def test_a_route_hears_what_sound_tells_and_one_of_more_weight_more() -> None:
    base = noisy_tables(200, 16, 1.5, 0, NAMES)
    views = {BASE: base, "VT": base, "AT": base}
    alone, fused = (summarise(rank_route(views, weighted(w), np.arange(200)).scores) for w in (0.0, 1.0))
    assert isinstance(fused, RetrievalMetrics)
    assert fused.recall[10] > alone.recall[10] + 5
    assert fused.mrr > alone.mrr


def test_any_two_routes_of_a_task_are_compared_and_ordinary_results_are_not(tmp_path) -> None:
    views = make_views(60, 8, 3, held=0.8, captions=2)
    made = [weighted(0.3), weighted(0.3, "ranks"), weighted(0.0), route("T>VA"), route("T>VA", leg("T>VA", "VT"))]
    for config in (FAST, ALL):
        results = [evaluate_route(views, asked, evaluated(60), config) for asked in made]
        for result in results[1:]:
            compare_results([result], [results[0]], "R@10", num_resamples=20, num_draws=50)
        ordinary = evaluate_task(views[BASE], parse_task("T>VA", STANDARD), evaluated(60), config)
        with pytest.raises(ProtocolError, match="similarity: 'cosine by route'"):
            compare_results([results[0]], [ordinary], "R@10")
    # Text of weight 0 in a query of several captions: the queries stay those of the task.
    pair = [route("TA>V", leg("T>V", "VT", weight), leg("A>V")) for weight in (0.0, 1.0)]
    left, right = (evaluate_route(views, asked, evaluated(60), ALL) for asked in pair)
    compare_results([left], [right], "MRR", num_resamples=20, num_draws=50)
    pair = [route("V>TA", leg("V>T", "VT", weight), leg("V>A")) for weight in (0.0, 1.0)]
    left, right = (evaluate_route(views, asked, evaluated(60), ALL) for asked in pair)
    compare_results([left], [right], "MRR", num_resamples=20, num_draws=50)
    left.save(tmp_path)
    assert load_result(tmp_path, left.task).protocol == left.protocol


def test_misses_count_and_denominators_never_shrink() -> None:
    eye = np.eye(4)
    base = {"text": table(eye[:3], [0, 1, 2]), "video": table(eye[:1], [0]), "audio": table(eye[1:2], [1])}
    views = {BASE: base, "VT": base, "AT": base}
    result = evaluate_route(views, weighted(0.5), evaluated(4), FAST)
    # Item 0 is seen, item 1 is heard, item 2 neither, item 3 asks nothing.
    assert result.scores.rank.tolist() == [1.0, 1.0, 4.0, 4.0]
    assert result.num_missing == 2
    assert result.num_queries == 4
    deaf = evaluate_route(views, weighted(0.0), evaluated(4), FAST)
    assert deaf.scores.rank.tolist() == [1.0, 4.0, 4.0, 4.0]
    apart = route("TV>A", leg("V>A"), leg("T>A", weight=0.0))
    with pytest.raises(ProtocolError, match=r"made, split 'test', VT>A by the route base, without text: no item holds"):
        evaluate_route(views, apart, evaluated(4), FAST)


def test_collapse_is_flagged_by_leg() -> None:
    base = noisy_tables(50, 6, 0.1, 0, NAMES)
    views = {BASE: base, "VT": {**base, "video": table(np.ones((50, 6)))}, "AT": base}
    flags = evaluate_route(views, weighted(0.5), evaluated(50), FAST).flags
    assert flags[0].startswith("collapsed: leg T>V under VT: gallery side V: all embeddings are equal")
    assert len(flags) == 1
    assert (
        evaluate_route(views, route("T>V", leg("T>V", "VT")), evaluated(50), FAST)
        .flags[0]
        .startswith("collapsed: gallery side V: ")
    )
    generator = np.random.default_rng(0)
    random = {name: table(generator.normal(size=(300, 6))) for name in NAMES}
    flags = evaluate_route({BASE: random, "VT": random, "AT": random}, weighted(0.5), evaluated(300), FAST).flags
    assert "chance level, as far as 300 queries tell" in flags[0]


def test_a_scorer_gives_what_single_calls_give_and_forgets_when_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = make_views(40, 6, 4, held=0.8)
    for most in (2**28, 1):
        monkeypatch.setattr(routes_module, "REMEMBERED_BYTES", most)
        scorer = RouteScorer(views, np.arange(40))
        for asked in (*ROUTES[:5], *ROUTES[:5]):
            assert np.array_equal(scorer.rank(asked).scores.rank, rank_route(views, asked, np.arange(40)).scores.rank)
    shared = scorer.sides(leg("T>V", "AT"))[1], scorer.sides(leg("T>V"))[1]
    assert shared[0] is shared[1], "AT leaves the videos alone, so their side is made once"


def test_many_routes_of_a_small_split_are_ranked_in_little_time() -> None:
    base = noisy_tables(90, 256, 3.0, 0, NAMES)
    scorer = RouteScorer({BASE: base, "VT": moved(base, ("video", "text"), 1), "AT": base}, np.arange(90))
    scorer.rank(weighted(0.5))
    start = perf_counter()
    for weight in np.linspace(0.01, 1.0, 40).tolist():
        scorer.rank(weighted(weight))
    assert perf_counter() - start < 2.0, (
        "about 1 ms each on a quiet machine; types are checked here, and it may be busy"
    )


@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        (weighted(0.3), "T>V under VT + 0.3 x T>A under AT, weighted scores"),
        (weighted(0.3, "ranks"), "T>V under VT + 0.3 x T>A under AT, weighted ranks (k = 60)"),
        (weighted(0.0), "adapter VT, without audio"),
        (route("T>VA"), "base, sum of video and audio"),
        (route("T>V"), "base"),
        (route("VA>T", leg("VA>T", "T-VA")), "adapter T-VA, sum of video and audio"),
    ],
)
def test_routes_are_spelled_and_rebuilt(asked: RouteConfig, spelled: str) -> None:
    assert asked.describe() == spelled
    assert from_dict(json.loads(json.dumps(asked.to_dict()))) == asked


def test_properties_of_a_route() -> None:
    assert weighted(0.3).adapters == ("VT", "AT")
    assert weighted(0.0).adapters == ("VT",)
    assert weighted(0.0).silent == ("audio",)
    assert weighted(0.3).task == parse_task("T>VA", STANDARD)
    assert route("T>VA", leg("T>V"), leg("T>A")).adapters == (BASE,)


def test_bad_routes_are_refused() -> None:
    for weight in (-0.1, float("nan"), float("inf"), 1e-12, 1e12):
        with pytest.raises(ConfigError, match="the weight of a leg is 0 or lies in"):
            leg("T>V", weight=weight)
    with pytest.raises(ConfigError, match="say 'base'"):
        leg("T>V", "")
    with pytest.raises(ConfigError, match="filled and disjoint"):
        LegConfig(adapter=BASE, query=(), gallery=("video",))
    with pytest.raises(ConfigError, match="filled and disjoint"):
        leg("T>T")
    with pytest.raises(ConfigError, match="each modality once"):
        LegConfig(adapter=BASE, query=("text",), gallery=("video", "video"))
    with pytest.raises(ConfigError, match="at least one leg of a weight above 0"):
        route("T>V", leg("T>V", weight=0.0))
    with pytest.raises(ConfigError, match="at least one leg"):
        RouteConfig(query=("text",), gallery=("video",), legs=())
    with pytest.raises(ConfigError, match=r"part of the task's gallery \['video'\], got \['audio'\]"):
        route("T>V", leg("T>VA"))
    with pytest.raises(ConfigError, match=r"part of the task's query \['text'\], got \['video'\]"):
        route("T>V", leg("T>V"), leg("V>T"))
    with pytest.raises(ConfigError, match="is there twice"):
        route("T>VA", leg("T>VA"), LegConfig(adapter=BASE, query=("text",), gallery=("audio", "video"), weight=0.0))
    with pytest.raises(ConfigError, match=r"no leg names \['audio'\].*weight 0"):
        route("T>VA", leg("T>V"))
    changed = route("T>V")
    object.__setattr__(changed, "fusion", "votes")
    with pytest.raises(ConfigError, match="fusion is one of"):
        changed.__post_init__()
    for constant in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="rank_constant is finite"):
            route("T>V", rank_constant=constant)


def test_views_that_do_not_suit_a_route_are_refused() -> None:
    views = make_views(20, 5, 0)
    with pytest.raises(ConfigError, match=r"asks for the adapter 'VA'.*no vectors under it; known: AT, VT, base"):
        rank_route(views, route("T>V", leg("T>V", "VA")), np.arange(20))
    mute = {adapter: {name: tables[name] for name in ("video", "text")} for adapter, tables in views.items()}
    with pytest.raises(ProtocolError, match=r"by the route T>V under VT \+ T>A under AT.*asks for 'audio'.*embed"):
        evaluate_route(mute, weighted(1.0), evaluated(20), FAST)
    with pytest.raises(ProtocolError, match="vectors of 'base' besides"):
        RouteScorer({"VT": views["VT"]}, np.arange(20))
    other = {**views, "VT": {**views["VT"], "text": table(np.ones((19, 5)))}}
    with pytest.raises(ProtocolError, match="the text vectors under 'VT' are not of the instances"):
        RouteScorer(other, np.arange(20))
    views["VT"]["video"].vectors[3] = 0.0
    with pytest.raises(ProtocolError, match="the video vector of item row 3 is zero"):
        rank_route(views, weighted(1.0), np.arange(20))


def identity(name: str, left: tuple[str, ...], right: tuple[str, ...], sides: tuple[str, ...]) -> AdapterIdentity:
    return AdapterIdentity(
        name=name,
        left=left,
        right=right,
        sides=sides,
        base="b",
        weights="w",
        preprocessing={},
        dataset="made",
        dataset_fingerprint="f",
        learnt="after the base",
    )


def test_a_route_is_checked_against_modalities_and_adapters() -> None:
    mute = tuple(modality for modality in STANDARD if modality.name != "audio")
    adapters = {
        "VT": identity("VT", ("video",), ("text",), ("video", "text")),
        "AT": identity("AT", ("audio",), ("text",), ("text",)),
        "T-VA": identity("T-VA", ("text",), ("video", "audio"), NAMES),
    }
    for fine in (weighted(0.3), route("T>VA"), route("T>V", leg("T>V", "T-VA")), route("T>VA", leg("T>VA", "VT"))):
        check_route(fine, STANDARD, adapters)
    with pytest.raises(ConfigError, match=r"route text > video\+audio names 'audio', which is not at hand.*without it"):
        check_route(weighted(0.3), mute, adapters)
    with pytest.raises(ConfigError, match="names 'audio'"):
        check_route(weighted(0.0), mute, adapters)
    with pytest.raises(ConfigError, match="asks for the adapter 'VA', which is not loaded"):
        check_route(route("A>V", leg("A>V", "VA")), STANDARD, adapters)
    check_route(weighted(0.0), STANDARD, {"VT": adapters["VT"]})
    mixture = {"both": identity("both", (), (), ("video", "text"))}
    check_route(route("T>A", leg("T>A", "both")), STANDARD, mixture)
    strange = route("T>A", leg("T>A", "VT"))
    check_route(strange, STANDARD, adapters, strict=False)
    with pytest.raises(ConfigError, match="pulls video towards text, another pair than T>A asks for"):
        check_route(strange, STANDARD, adapters)
    with pytest.raises(ConfigError, match="another pair than A>V asks for"):
        check_route(route("A>V", leg("A>V", "T-VA")), STANDARD, adapters)
    for strict in (True, False):
        with pytest.raises(ConfigError, match="'AT' changes text only, so under it V>A is that of the base"):
            check_route(route("V>A", leg("V>A", "AT")), STANDARD, adapters, strict=strict)
