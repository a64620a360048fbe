"""The routes that validation chooses on planted corpora are those that were planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pairs_cases import pairs_study, video_and_audio

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.mixing import MixtureConfig
from trichord.adapters.settings import BASE
from trichord.data.planted import PlantedConfig, write_planted
from trichord.data.planted_routes import PLANTINGS, SILENT, PlantedRoute, planted_routes
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.modality import STANDARD, parse_pair, parse_task, unspell
from trichord.runs import RunOptions
from trichord.runs.routes_file import Routes, read_routes
from trichord.studies.pairs import run_pairs_study
from trichord.studies.planted_routes import RouteVerdict, judge_routes, modality_shares, planted_config

CHANGES = {"stages.0.epochs": 20, "stages.0.evaluate_every": 5, "evaluation.scoring.num_resamples": 20}


def verdicts(config: PlantedConfig, pairs: tuple[str, ...], out: Path, **changes: object) -> tuple[RouteVerdict, ...]:
    dataset = write_planted(out / "data", config)
    settings = {"changes": CHANGES} | changes
    study = pairs_study(*pairs, **settings)
    outcome = run_pairs_study(study, dataset, out / "study", workers=1, options=RunOptions(progress=False))
    return judge_routes(read_routes(outcome.routes), planted_routes(config, study.pairs), STANDARD)


@pytest.mark.slow
def test_on_the_quickest_planting_the_chosen_routes_are_the_planted_ones(tmp_path: Path) -> None:
    few = CHANGES | {"stages.0.evaluate_every": 20, "evaluation.tasks": ("T>V", "VA>T")}
    found = verdicts(SILENT, ("VT",), tmp_path, changes=few)
    assert [verdict.planted.task for verdict in found] == ["T>V", "VA>T"]
    assert all(verdict.holds for verdict in found), "\n".join(verdict.sentence for verdict in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTINGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_on_every_task_of_every_planting_the_chosen_route_is_the_planted_one(
    name: str, seed: int, tmp_path: Path
) -> None:
    pairs = ("VT", "VA") if name == "silent" else ("VT", "AT", "VA")
    found = verdicts(replace(PLANTINGS[name], seed=seed), pairs, tmp_path)
    assert len(found) == (6 if name == "silent" else 8)
    assert all(verdict.holds for verdict in found), "\n".join(verdict.sentence for verdict in found)


# -- the verdict itself


def leg(spelled: str, adapter: str, weight: float = 1.0) -> LegConfig:
    task = parse_task(spelled, STANDARD)
    return LegConfig(adapter=adapter, query=task.query, gallery=task.gallery, weight=weight)


def identity(name: str, left: str, right: str) -> AdapterIdentity:
    pair = [unspell(side, STANDARD) for side in (left, right)]
    fields = {"weights": name, "base": "b", "dataset": "d", "dataset_fingerprint": "f", "learnt": "after the base"}
    return AdapterIdentity(
        name=name, left=pair[0], right=pair[1], sides=(*pair[0], *pair[1]), preprocessing={}, **fields
    )


def judged(claim: PlantedRoute, *legs: LegConfig) -> RouteVerdict:
    task = parse_task(claim.task, STANDARD)
    known = {"VT": ("V", "T"), "AT": ("A", "T"), "VA": ("V", "A"), "T-VA": ("T", "VA")}
    routes = Routes(
        base="b",
        routes={claim.task: RouteConfig(query=task.query, gallery=task.gallery, legs=legs)},
        mixtures=(
            MixtureConfig(name="VT+VA", members=("VT", "VA"), weights=(1.0, 1.0)),
            MixtureConfig(name="AT+VA", members=("AT", "VA"), weights=(1.0, 1.0)),
        ),
        adapters={name: identity(name, *sides) for name, sides in known.items()},
    )
    (verdict,) = judge_routes(routes, {claim.task: claim}, STANDARD)
    return verdict


@pytest.mark.parametrize(
    ("adapter", "holds"),
    [("VT", True), ("VT+VA", True), (BASE, False), ("T-VA", False), ("AT+VA", False)],
)
def test_a_pair_is_answered_through_its_own_adapter_or_a_mixture_with_it(adapter: str, holds: bool) -> None:
    verdict = judged(PlantedRoute("T>V", True), leg("T>V", adapter))
    assert verdict.holds is holds
    assert verdict.sentence.startswith("T>V   planted through its own adapter: ")
    assert ("NOT chosen: no adapter of its pair takes part" in verdict.sentence) is not holds


@pytest.mark.parametrize(("adapter", "holds"), [("VT", True), ("T-VA", True), ("AT+VA", True), (BASE, False)])
def test_a_side_of_several_has_several_pairs(adapter: str, holds: bool) -> None:
    assert judged(PlantedRoute("T>VA", True), leg("T>VA", adapter)).holds is holds


@pytest.mark.parametrize(
    ("audio", "out", "used"), [(0.0, True, False), (0.1, True, False), (0.2, False, False), (0.5, False, True)]
)
def test_weights_decide_what_is_left_out_and_what_is_used(audio: float, out: bool, used: bool) -> None:
    legs = (leg("V>T", "VT", 1 - audio), leg("A>T", BASE, audio))
    assert judged(PlantedRoute("VA>T", True, ("video",), ("audio",)), *legs).holds is out
    assert judged(PlantedRoute("VA>T", True, ("video", "audio")), *legs).holds is used
    unlike = judged(PlantedRoute("VA>T", True, (), ("audio",)), *legs).unlike
    assert unlike == (() if out else (f"audio has a weight of {audio:.2f}",))


def test_a_sum_is_shared_by_what_it_adds() -> None:
    whole = RouteConfig(query=("text",), gallery=("video", "audio"), legs=(leg("T>VA", BASE, 3.0),))
    assert modality_shares(whole) == {"text": 1.0, "video": 0.5, "audio": 0.5}
    both = replace(whole, legs=(leg("T>VA", BASE, 3.0), leg("T>V", "VT", 1.0)))
    assert modality_shares(both) == {"text": 1.0, "video": 0.625, "audio": 0.375}


def test_a_planted_corpus_is_known_by_its_notes_and_other_data_are_not(tmp_path: Path) -> None:
    settings = replace(SILENT, num_items={"train": 8, "val": 4, "test": 4}, seed=3)
    assert planted_config(write_planted(tmp_path / "planted", settings)) == settings
    assert planted_config(video_and_audio(tmp_path)) is None


def test_tasks_without_a_route_or_a_claim_are_not_judged() -> None:
    claim = PlantedRoute("T>V", True)
    routes = Routes(base="b", routes={})
    assert judge_routes(routes, {"T>V": claim}, STANDARD) == ()
    assert planted_routes(SILENT, [parse_pair("VT", STANDARD)])["T>V"] == claim
