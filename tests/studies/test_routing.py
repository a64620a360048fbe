"""Routing: chosen on validation alone, measured on test, fusion and adapters told apart, and reproduced from a file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encode_cases import finished_run, write_pair

import trichord
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.mixing import MixtureConfig
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.evaluation import EvaluationConfig, EvaluationSet, evaluation_set
from trichord.evaluation.candidates import Candidate, candidates, lifted
from trichord.evaluation.choice import choose_route
from trichord.evaluation.compare import compare_results
from trichord.evaluation.embed import EmbeddingTable, item_instances
from trichord.evaluation.routes import RouteScorer
from trichord.metrics.bootstrap import holm
from trichord.modality import STANDARD, all_tasks, parse_task, spell_task
from trichord.reports.entries import Entry
from trichord.reports.paired import Effort
from trichord.runs import Model
from trichord.runs.routes_file import read_routes, write_routes
from trichord.runs.routing import alone
from trichord.studies.routing import (
    Routed,
    SeedBanks,
    Splits,
    base_routes,
    build_matrix,
    compare_with_rivals,
    find_routes,
    fused_only,
    measure_routes,
    one_modality,
    own_fusion,
    same_fusion,
)

SCORING = EvaluationConfig(num_resamples=20)
FEW = Effort(num_resamples=20, num_draws=200)
TASKS = tuple(parse_task(spelled, STANDARD) for spelled in ("T>V", "A>V", "VA>T"))
ITEMS = 40


# -- two worlds, made by hand: what fusing alone brings, and what an adapter alone brings


def embedded(parts: Mapping[str, np.ndarray]) -> dict[str, EmbeddingTable]:
    owners = np.arange(ITEMS, dtype=np.int64)
    return {name: EmbeddingTable(values.astype(np.float32), owners) for name, values in parts.items()}


def world(seed: int, audio: float, adapter: float) -> dict[str, dict[str, EmbeddingTable]]:
    """Text, video and audio of a shared vector; audio and the adapter's vectors with noise of their own sizes."""
    draw = np.random.default_rng(seed).normal
    shared = draw(size=(ITEMS, 8))
    text, video = shared + 0.5 * draw(size=shared.shape), shared + 1.5 * draw(size=shared.shape)
    base = embedded({"text": text, "video": video, "audio": shared + audio * draw(size=shared.shape)})
    moved = embedded({"text": shared + adapter * draw(size=shared.shape), "video": shared + adapter * video})
    return {BASE: base, "VT": base | moved}


def set_of(split: str) -> EvaluationSet:
    fields = {"dataset": "made", "fingerprint": "f", "items_hash": split, "known": STANDARD}
    return EvaluationSet(items=np.arange(ITEMS), split=split, **fields)  # type: ignore[arg-type]


VT = AdapterIdentity(
    name="VT",
    left=("video",),
    right=("text",),
    sides=("video", "text"),
    base="b",
    weights="w",
    preprocessing={},
    dataset="made",
    dataset_fingerprint="f",
    learnt="after the base",
)
AT = replace(VT, name="AT", left=("audio",), sides=("audio", "text"))
T_A = alone(parse_task("T>A", STANDARD), BASE)


def effects(audio: float, adapter: float, adapters: Mapping[str, AdapterIdentity]) -> tuple[Routed, tuple[float, ...]]:
    """Return what was routed on T>VA, and the mean reciprocal ranks of base, base with its own fusion, and routed."""
    seeds = range(4)
    choosing, measured = ([world(seed + shift, audio, adapter) for seed in seeds] for shift in (0, 100))
    task = parse_task("T>VA", STANDARD)
    scorers = tuple(RouteScorer(found, np.arange(ITEMS)) for found in choosing)
    choice = choose_route(scorers, task, adapters, STANDARD)
    routed = Routed(tuple(seeds), {"T>VA": choice}, scorers, tuple(measured), adapters, ())
    ways = ({"T>VA": alone(task, BASE)}, own_fusion(routed), routed.routes())
    entries = [measure_routes("x", measured, seeds, way, set_of("test"), SCORING) for way in ways]
    means = [np.mean([r.scores.reciprocal_rank.mean() for r in entry.of_task("T>VA")]) for entry in entries]
    return routed, tuple(float(mean) for mean in means)


def test_where_only_fusion_helps_all_of_the_gain_is_fusion() -> None:
    """Audio is pure noise: leaving it out helps the base, and an adapter of noise helps nobody."""
    routed, (base, fusion, full) = effects(audio=100.0, adapter=30.0, adapters={"VT": VT})
    assert not routed.choices["T>VA"].candidate.adapted
    assert fusion > base + 0.05
    assert full == fusion


def test_where_only_the_adapter_helps_none_of_the_gain_is_fusion() -> None:
    """Audio says as much as video does; the sum of the base is level with its best fusion, and the adapter helps."""
    routed, (base, fusion, full) = effects(audio=1.5, adapter=0.2, adapters={"VT": VT})
    assert routed.choices["T>VA"].candidate.adapted
    assert full > base + 0.05
    assert abs(fusion - base) < 0.25 * (full - base)


def test_a_fusion_that_only_adapted_vectors_like_is_not_counted_for_the_adapter() -> None:
    """Under its adapter audio says what video says under the base, where audio says little.

    So the routed model and the base rank equally well, each by the modality that it can rank by. The base with the
    fusion of the route, by audio, would rank far worse, and the adapter seem to bring all of that.
    """
    task, seeds = parse_task("T>VA", STANDARD), range(4)

    def views(seed: int) -> dict[str, dict[str, EmbeddingTable]]:
        draw = np.random.default_rng(seed).normal
        shared = draw(size=(ITEMS, 8))
        error = draw(size=shared.shape)
        parts = {"text": shared + 0.7 * draw(size=shared.shape), "video": shared + 1.6 * error}
        base = embedded(parts | {"audio": shared + 3.0 * draw(size=shared.shape)})
        return {BASE: base, "AT": base | embedded({"audio": shared + 1.55 * error})}

    scorers = tuple(RouteScorer(views(seed), np.arange(ITEMS)) for seed in seeds)
    measured = tuple(views(seed + 100) for seed in seeds)
    adapters = {"AT": replace(AT, sides=("audio",))}
    choice = choose_route(scorers, task, adapters, STANDARD, "best", usable=lambda way: way.alone)
    assert choice.candidate.route.silent == ("video",), "the best is by audio, by a little"
    assert choice.base.route.silent == ("audio",)
    routed = Routed(tuple(seeds), {"T>VA": choice}, scorers, measured, adapters, ())
    own, same, full = (
        np.mean([r.scores.reciprocal_rank.mean() for r in entry.of_task("T>VA")])
        for entry in (
            measure_routes("x", measured, seeds, way, set_of("test"), SCORING)
            for way in (own_fusion(routed), same_fusion(routed), routed.routes())
        )
    )
    assert abs(full - own) < 0.03
    assert full - same > 0.15
    assert not choose_route(scorers, task, adapters, STANDARD, usable=_by_quarters).candidate.adapted or full > own


def test_a_task_of_several_modalities_is_held_beside_the_route_of_the_best_of_them(folder: Path) -> None:
    dataset = Dataset.open(folder / "data")
    found, _ = routed_on(folder, dataset, "VT")
    tasks = (*TASKS, parse_task("T>VA", STANDARD))
    assert one_modality(found, TASKS[:2], dataset) == {}
    assert one_modality(found, tasks, dataset).keys() == {"T>VA"}, "no part of VA>T was asked"
    (route,) = one_modality(found, tasks, dataset).values()
    assert route == lifted(found.choices["T>V"].candidate.route, tasks[-1])
    evaluated = evaluation_set(dataset, "test")
    part, whole = (
        measure_routes("x", found.measured, found.seeds, routes, evaluated, SCORING).results[0]
        for routes in ({"T>V": found.routes()["T>V"]}, {"T>VA": route})
    )
    np.testing.assert_array_equal(whole["T>VA"].scores.rank, part["T>V"].scores.rank)
    better = {"T>A": replace(found.choices["T>V"], task="T>A", mrr=2.0, candidate=Candidate(T_A, "single"))}
    both = one_modality(replace(found, choices=dict(found.choices) | better), tasks, dataset)
    assert both["T>VA"].silent == ("video",), "which part is best is asked on validation"


def test_an_order_needs_a_way_of_its_own_where_the_base_does_not_rank_by_the_sum() -> None:
    whole = parse_task("T>VA", STANDARD)
    ways = {found.kind: found.route for found in candidates(whole, {}) if len(found.route.silent) < 2}
    assert fused_only(dict.fromkeys(["T>VA"], ways["sum"])) == fused_only({"T>A": T_A}) == {}
    for kind in ("weighted scores", "fused ranks", "single"):
        assert fused_only({"T>VA": ways[kind]}) == {"T>VA": ways[kind]}, kind


def test_holm_is_for_each_rival_over_the_tasks_that_it_has() -> None:
    seeds = range(2)
    views = [world(seed, 1.0, 0.3) for seed in seeds]
    tasks = [parse_task(spelled, STANDARD) for spelled in ("T>V", "V>T", "T>VA")]

    def entry(label: str, adapter: str, count: int) -> Entry:
        routes = {spell_task(task, STANDARD): alone(task, adapter) for task in tasks[:count]}
        return measure_routes(label, views, seeds, routes, set_of("test"), SCORING)

    routed, whole, part = entry("routed", "VT", 3), entry("whole", BASE, 3), entry("part", BASE, 1)
    rows = compare_with_rivals(routed, [whole, part], ["R@1", "R@5"], FEW)
    assert [(r.b, r.metric, r.task) for r in rows] == [
        (label, metric, task)
        for label, count in (("whole", 3), ("part", 1))
        for metric in ("R@1", "R@5")
        for task in ("T>V", "V>T", "T>VA")[:count]
    ]
    for label, metric in (("whole", "R@1"), ("whole", "R@5"), ("part", "R@1")):
        family = [row for row in rows if (row.b, row.metric) == (label, metric)]
        plain = [
            compare_results(routed.of_task(r.task), whole.of_task(r.task), metric, num_resamples=20, num_draws=200)
            for r in family
        ]
        assert [row.p for row in family] == [found.p_value for found in plain]
        assert [row.p_holm for row in family] == holm([found.p_value for found in plain])
        assert [row.difference for row in family] == [found.difference for found in plain]
    assert next(row for row in rows if row.b == "part").p_holm == next(row for row in rows if row.b == "part").p
    assert compare_with_rivals(routed, [replace(part, results=({}, {}))], ["R@1"], FEW) == ()


# -- a run and adapters over it, not trained: what chooses need not have learnt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("routing")
    settings = PlantedConfig(num_items={"train": 8, "val": 25, "test": 30}, missing={"audio": 0.2})
    bare = trichord.load(finished_run(path / "run", write_planted(path / "data", settings)), device="cpu")
    write_pair(path / "VT", bare, "video", "text")
    write_pair(path / "AT", bare, "audio", "text")
    write_pair(path / "VTq", bare, "video", "text", ["text"])
    return path


def loaded(folder: Path, *names: str) -> Model:
    model = trichord.load(folder / "run", device="cpu")
    for name in names:
        model.load_adapter(folder / name)
    return model


def routed_on(folder: Path, dataset: Dataset, *names: str, by_scores: bool = False) -> tuple[Routed, Model]:
    model = loaded(folder, *names)
    splits = Splits(evaluation_set(dataset, "val"), evaluation_set(dataset, "test"))
    found = find_routes(
        (SeedBanks(0, model.bank, model.bank),),
        dataset,
        TASKS,
        splits,
        scoring=SCORING,
        usable=lambda way: _by_quarters(way) and (not by_scores or way.route.fusion == "scores"),
    )
    return found, model


def _by_quarters(way: Candidate) -> bool:
    """Fewer weights than there are, for time."""
    return all(leg.weight * 4 == round(leg.weight * 4) for leg in way.route.legs)


def test_the_measured_split_has_no_say(folder: Path, tmp_path: Path) -> None:
    """Other vectors there change the numbers that are reported, and no choice."""
    dataset = Dataset.open(folder / "data")
    shutil.copytree(folder / "data", tmp_path / "data")
    for name in ("video", "text"):
        path = tmp_path / "data" / f"{name}.npy"
        values = np.load(path)
        rows = item_instances(dataset, name, dataset.split("test"))[0]
        values[rows] = np.random.default_rng(0).normal(size=values[rows].shape)
        np.save(path, values)
    poisoned = Dataset.open(tmp_path / "data")
    found, other = (routed_on(folder, data, "VT")[0] for data in (dataset, poisoned))
    assert other.choices == found.choices
    ranks = []
    for data, routed in ((dataset, found), (poisoned, other)):
        entry = measure_routes(
            "x", routed.measured, routed.seeds, routed.routes(), evaluation_set(data, "test"), SCORING
        )
        ranks.append(entry.results[0]["T>V"].scores.rank)
    assert not np.array_equal(*ranks)


def test_mixtures_are_made_of_adapters_that_share_a_modality_and_are_used_as_any(folder: Path) -> None:
    found, model = routed_on(folder, Dataset.open(folder / "data"), "VT", "AT")
    assert [mixture.name for mixture in found.mixtures] == ["VT+AT", "VT+halfAT"]
    assert model.adapters == ("VT", "AT", "VT+AT", "VT+halfAT")
    assert set(found.scorers[0].views) == set(found.measured[0]) == {BASE, *model.adapters}
    assert found.choices["T>V"].num_tried == 7, "base, VT, two mixtures, and three blends with VT"
    assert found.validation_mrr == pytest.approx(np.mean([choice.mrr for choice in found.choices.values()]))


def test_cells_of_adapters_that_change_nothing_are_those_of_the_base(folder: Path) -> None:
    dataset = Dataset.open(folder / "data")
    found, _ = routed_on(folder, dataset, "VT", "VTq")
    rows, served = build_matrix(found, dataset, all_tasks(STANDARD), evaluation_set(dataset, "test"), SCORING)
    cells = {(row.label, row.task): row.mean for row in rows}
    names = [BASE, *found.identities]
    assert list(dict.fromkeys(row.label for row in rows)) == names
    assert len(cells) == len(rows) == 8 * len(names)
    for task in ("A>V", "V>A"):
        assert cells["VTq", task] == cells[BASE, task]
    assert any(cells["VTq", task] != cells[BASE, task] for task in ("T>V", "V>T", "T>A", "A>T"))
    assert any(cells["VT", task] != cells[BASE, task] for task in ("T>A", "A>V")), "off the diagonal it is measured too"
    assert served["VT"] == served["VTq"] == ("T>V", "V>T")
    assert served[BASE] == served["VT+VTq"] == ()


def test_routes_json_gives_vectors_whose_dot_products_rank_as_was_measured(folder: Path, tmp_path: Path) -> None:
    dataset = Dataset.open(folder / "data")
    found, model = routed_on(folder, dataset, "VT", "AT", by_scores=True)
    assert any(choice.candidate.adapted for choice in found.choices.values())
    evaluated = evaluation_set(dataset, "test")
    entry = measure_routes("x", found.measured, found.seeds, found.routes(), evaluated, SCORING)
    write_routes(tmp_path / "routes.json", found.file(model.bank))
    fresh = loaded(folder, "VT", "AT")
    fresh.load_routes(tmp_path / "routes.json")
    assert fresh.routes == found.routes()
    for spelled, route in found.routes().items():
        sides, held = [], []
        for names, encode in ((route.query, fresh.encode_query), (route.gallery, fresh.encode_document)):
            columns = {name: _first_instances(dataset, name, evaluated.items) for name in names}
            # An item that has none of the modalities that the route uses has no vector; it is a miss.
            used = [name for name in names if name not in route.silent]
            rows = [i for i in range(len(evaluated.items)) if any(columns[name][i] is not None for name in used)]
            sides.append(encode({name: [entries[i] for i in rows] for name, entries in columns.items()}, route=spelled))
            held.append(rows)
        scores = np.asarray(sides[0], dtype=np.float64) @ np.asarray(sides[1], dtype=np.float64).T
        result = entry.results[0][spelled]
        measured = dict(zip(result.query_items.tolist(), result.scores.rank, strict=True))
        compared = [item for item in held[0] if item in held[1]]
        assert len(compared) > 20
        for item in compared:
            own = scores[held[0].index(item)] - scores[held[0].index(item), held[1].index(item)]
            assert measured[int(evaluated.items[item])] == 1 + (own > 1e-7).sum()


def _first_instances(dataset: Dataset, name: str, items: np.ndarray) -> list[np.ndarray | None]:
    """The features of the first instance of each item, None where it has none."""
    rows, owners = item_instances(dataset, name, items)
    values = dataset.read(name, rows).values
    places = {int(owner): place for place, owner in reversed(list(enumerate(owners)))}
    return [values[places[item]] if item in places else None for item in items.tolist()]


def test_a_mixture_of_a_mixture_is_recorded_with_all_it_is_made_of(folder: Path, tmp_path: Path) -> None:
    dataset = Dataset.open(folder / "data")
    found, model = routed_on(folder, dataset, "VT", "AT")
    deep = MixtureConfig(name="deep", members=("VT+AT", "VT"), weights=(0.5, 0.5))
    model.bank.mix(deep)
    choice = found.choices["T>V"]
    leg = replace(choice.candidate.route.legs[0], adapter="deep", weight=1.0)
    route = replace(choice.candidate.route, legs=(leg,))
    only = {"T>V": replace(choice, candidate=replace(choice.candidate, route=route))}
    write_routes(
        tmp_path / "routes.json", replace(found, choices=only, mixtures=(*found.mixtures, deep)).file(model.bank)
    )
    assert [mixture.name for mixture in read_routes(tmp_path / "routes.json").mixtures] == ["VT+AT", "deep"]
    fresh = loaded(folder, "VT", "AT")
    fresh.load_routes(tmp_path / "routes.json")
    assert fresh.adapters == ("VT", "AT", "VT+AT", "deep")


def test_the_base_of_every_task_is_the_sum(folder: Path) -> None:
    dataset = Dataset.open(folder / "data")
    routes = base_routes(TASKS, dataset)
    assert list(routes) == ["T>V", "A>V", "VA>T"]
    assert all(len(route.legs) == 1 and route.adapters == (BASE,) for route in routes.values())
    assert routes["VA>T"].legs[0].query == ("video", "audio")
