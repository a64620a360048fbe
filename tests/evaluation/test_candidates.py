"""The ways in which a task could be answered: complete, in order, each once, and none that does not serve."""

from __future__ import annotations

from itertools import product

import pytest

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.evaluation.candidates import WEIGHTS, candidates, lifted, own, suitable, without_adapters
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.modality import STANDARD, Task, all_tasks, parse_task, unspell

TASKS = [*all_tasks(STANDARD), parse_task("TA>V", STANDARD), parse_task("A>VT", STANDARD)]


def identity(name: str, left: str = "", right: str = "", sides: str = "") -> AdapterIdentity:
    pair = [unspell(side, STANDARD) if side else () for side in (left, right)]
    changed = unspell(sides or left + right, STANDARD)
    fields = {"weights": name, "base": "b", "dataset": "d", "dataset_fingerprint": "f", "learnt": "after the base"}
    return AdapterIdentity(name=name, left=pair[0], right=pair[1], sides=changed, preprocessing={}, **fields)


ADAPTERS = {
    "VT": identity("VT", "V", "T"),
    "AT": identity("AT", "A", "T"),
    "VA": identity("VA", "V", "A"),
    "VTq": identity("VTq", "V", "T", sides="T"),
    "T-VA": identity("T-VA", "T", "VA"),
    "T-VAa": identity("T-VAa", "T", "VA", sides="A"),
    "VT+AT": identity("VT+AT", sides="VAT"),
}


def leg(spelled: str, adapter: str = BASE, weight: float = 1.0) -> LegConfig:
    task = parse_task(spelled, STANDARD)
    return LegConfig(adapter=adapter, query=task.query, gallery=task.gallery, weight=weight)


def meaning(route: RouteConfig) -> tuple[object, ...]:
    """What decides a ranking: the active legs with their shares, whatever their order, and how they are fused."""
    total = sum(part.weight for part in route.active)
    legs = frozenset(
        (p.adapter, frozenset(p.query), frozenset(p.gallery), round(p.weight / total, 9)) for p in route.active
    )
    return legs, route.fusion if len(legs) > 1 else "alone"


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_no_way_is_there_twice_and_those_of_the_base_come_first(task):
    listed = candidates(task, ADAPTERS)
    assert len({meaning(found.route) for found in listed}) == len(listed)
    adapted = [found.adapted for found in listed]
    assert adapted == sorted(adapted)
    assert not adapted[0]
    assert all(found.route.task == task for found in listed)
    first = listed[0].route
    assert [(part.adapter, part.query, part.gallery) for part in first.legs] == [(BASE, task.query, task.gallery)]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_an_adapter_serves_legs_of_its_pair_that_it_changes_and_no_others(task):
    for found in candidates(task, ADAPTERS):
        for part in found.route.active:
            if part.adapter == BASE:
                continue
            served = ADAPTERS[part.adapter]
            assert set(served.sides) & {*part.query, *part.gallery}
            joins = any(
                set(a) & set(part.query) and set(b) & set(part.gallery)
                for a, b in ((served.left, served.right), (served.right, served.left))
            )
            assert joins or not served.left


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("T>V", {"VT", "VTq", "T-VA", "VT+AT"}),
        ("A>T", {"AT", "T-VA", "T-VAa", "VT+AT"}),
        ("V>A", {"VA", "VT+AT"}),
        ("T>VA", {"VT", "AT", "VTq", "T-VA", "T-VAa", "VT+AT"}),
        ("V>TA", {"VT", "VA", "VTq", "T-VA", "T-VAa", "VT+AT"}),
    ],
)
def test_who_may_serve_a_leg(spelled, expected):
    assert suitable(leg(spelled), ADAPTERS) == (BASE, *(name for name in ADAPTERS if name in expected))


@pytest.mark.parametrize("task", [task for task in TASKS if len(task.query) * len(task.gallery) == 2], ids=str)
def test_leaving_one_of_several_out_is_always_a_way_whoever_answers_with_the_other(task):
    listed = {meaning(found.route) for found in candidates(task, ADAPTERS)}
    for query, gallery in product(task.query, task.gallery):
        bare = LegConfig(adapter=BASE, query=(query,), gallery=(gallery,))
        for name in own(bare, ADAPTERS):
            assert (frozenset({(name, frozenset({query}), frozenset({gallery}), 1.0)}), "alone") in listed
    silent = [found for found in candidates(task, ADAPTERS) if found.route.silent]
    assert {found.kind for found in silent} == {"single", "blend"}
    assert all(found.alone for found in silent)
    assert {found.route.silent for found in silent} == {
        (n,) for s in (task.query, task.gallery) if len(s) > 1 for n in s
    }


def test_two_legs_are_tried_with_every_weight_by_scores_and_by_ranks():
    listed = candidates(parse_task("T>VA", STANDARD), {"AT": ADAPTERS["AT"]})
    for kind, weights in (("weighted scores", WEIGHTS[1:-1]), ("fused ranks", WEIGHTS[1:-1])):
        found = [
            found.route.legs[1].weight
            for found in listed
            if found.kind == kind and [part.adapter for part in found.route.legs] == [BASE, "AT"]
        ]
        assert sorted(found) == list(weights)
    assert all(sum(part.weight for part in found.route.legs) == pytest.approx(1) for found in listed)
    assert WEIGHTS[0] == 0
    assert WEIGHTS[-1] == 1


def test_mixtures_are_ways_too_for_whole_tasks():
    single = [found for found in candidates(parse_task("T>V", STANDARD), ADAPTERS) if "VT+AT" in found.route.adapters]
    assert [found.kind for found in single] == ["single"]
    wide = candidates(parse_task("T>VA", STANDARD), ADAPTERS)
    mixed = [found for found in wide if "VT+AT" in found.route.adapters]
    assert [(found.kind, found.route.silent) for found in mixed] == [
        ("sum", ()),
        ("single", ("audio",)),
        ("single", ("video",)),
    ]


@pytest.mark.parametrize("task", [task for task in TASKS if len(task.query) * len(task.gallery) > 1], ids=str)
def test_every_way_of_a_part_is_a_way_of_the_whole(task):
    listed = {meaning(found.route): found for found in candidates(task, ADAPTERS)}
    for part in (Task((q,), (g,)) for q, g in product(task.query, task.gallery)):
        for found in candidates(part, ADAPTERS):
            whole = lifted(found.route, task)
            assert whole.task == task
            assert whole.active == found.route.active
            assert set(whole.silent) == {*task.query, *task.gallery} - {*part.query, *part.gallery}
            assert listed[meaning(whole)].kind == found.kind
            assert listed[meaning(whole)].alone
    assert lifted(found.route, part) == found.route, "of the part itself it stays as it is"


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_ways_are_alone_that_rank_one_modality_by_one(task):
    for found in candidates(task, ADAPTERS):
        ranked = {(*part.query, *part.gallery) for part in found.route.active}
        assert found.alone is (len(ranked) == 1 and len(next(iter(ranked))) == 2)


def test_a_leg_of_several_passes_through_the_base_or_an_adapter_of_just_its_pair():
    assert own(leg("T>V"), ADAPTERS) == (BASE, "VT", "VTq")
    assert own(leg("V>T"), ADAPTERS) == (BASE, "VT", "VTq")
    assert own(leg("T>VA"), ADAPTERS) == (BASE, "T-VA", "T-VAa")
    wide = candidates(parse_task("T>VA", STANDARD), ADAPTERS)
    names = {part.adapter for found in wide if len(found.route.active) > 1 for part in found.route.active}
    assert names == {BASE, "VT", "VTq", "AT"}
    blended = {
        n
        for found in candidates(parse_task("T>V", STANDARD), ADAPTERS)
        if found.kind == "blend"
        for n in found.route.adapters
    }
    assert blended == {BASE, "VT", "VTq"}


def test_without_any_adapter_there_is_the_base_alone_and_its_fusions():
    assert [found.kind for found in candidates(parse_task("T>V", STANDARD), {})] == ["single"]
    kinds = [found.kind for found in candidates(parse_task("VA>T", STANDARD), {})]
    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == {
        "sum": 1,
        "single": 2,
        "weighted scores": 19,
        "fused ranks": 19,
    }


def test_more_than_two_legs_are_weighted_by_quarters():
    four = [*STANDARD, type(STANDARD[0])("smell", "S")]
    listed = candidates(parse_task("T>VAS", four), {})
    weighted = [found for found in listed if found.kind == "weighted scores"]
    found = {tuple(part.weight for part in found.route.legs) for found in weighted}
    assert (0.5, 0.25, 0.25) in found
    assert all(sum(weights) == 1 for weights in found)
    assert len(found) == len(weighted) == 12, "compositions of 4 into 3 parts, of which 3 are of one part alone"
    singles = [found.route for found in listed if found.kind == "single"]
    assert {route.silent for route in singles} == {("audio", "smell"), ("video", "smell"), ("video", "audio")}
    assert len({meaning(found.route) for found in listed}) == len(listed)


def test_without_adapters_the_same_fusion_is_left():
    route = RouteConfig(
        query=("text",),
        gallery=("video", "audio"),
        legs=(leg("T>V", "VT", 0.5), leg("T>V", BASE, 0.25), leg("T>A", "VT+AT", 0.5), leg("T>VA", "T-VA", 2.0)),
        fusion="ranks",
        rank_constant=7.0,
    )
    bare = without_adapters(route)
    assert bare.legs == (leg("T>V", weight=0.75), leg("T>A", weight=0.5), leg("T>VA", weight=2.0))
    assert (bare.fusion, bare.rank_constant, bare.task) == ("ranks", 7.0, route.task)
    assert without_adapters(bare) == bare


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_same_fusion_over_the_base_is_among_the_ways_itself(task):
    listed = candidates(task, ADAPTERS)
    bare = {meaning(found.route) for found in listed if not found.adapted}
    assert {meaning(without_adapters(found.route)) for found in listed} <= bare
