"""Planted routes are reasoned, not learnt: what is claimed, and what is left open."""

from dataclasses import replace

import pytest

from trichord.data.planted import PlantedConfig
from trichord.data.planted_routes import CROWDED, PLANTINGS, SILENT, TWO_SIDED, exchanged, planted_routes, route_scores
from trichord.data.winners import between, kept_attributes, list_attributes, score_kept
from trichord.modality import STANDARD, all_tasks, parse_pair, parse_task

ALL = ("T>V", "V>T", "T>A", "A>T", "A>V", "V>A", "T>VA", "VA>T")


def test_three_plantings_claim_what_they_were_made_for() -> None:
    assert {name: tuple(planted_routes(config)) for name, config in PLANTINGS.items()} == {
        "crowded": ALL,
        "silent": ("T>V", "V>T", "A>V", "V>A", "T>VA", "VA>T"),
        "two-sided": ALL,
    }
    for config in PLANTINGS.values():
        assert all(claim.adapted for claim in planted_routes(config).values())
    for task in ("T>VA", "VA>T"):
        for config in (CROWDED, TWO_SIDED):
            assert planted_routes(config)[task].used == ("video", "audio")
            assert planted_routes(config)[task].left_out == ()
        assert planted_routes(SILENT)[task].used == ("video",)
        assert planted_routes(SILENT)[task].left_out == ("audio",)
    assert planted_routes(SILENT)["T>VA"].sentence == "through its own adapter, with video, without audio"


def test_where_there_is_room_for_all_and_one_pair_shares_no_adapter_is_claimed() -> None:
    roomy = PlantedConfig(attributes={"VT": 12}, strength={"VT": 1.0})
    assert {task: claim.adapted for task, claim in planted_routes(roomy).items()} == {"T>VA": False, "VA>T": False}
    assert planted_routes(roomy)["T>VA"].left_out == ("audio",)
    base, own = route_scores(roomy, parse_task("T>V", STANDARD))
    assert base == own


def test_an_exchange_lets_go_what_is_useless_for_what_was_missed_and_no_more_than_the_rank() -> None:
    everything = list_attributes(CROWDED)
    kept = kept_attributes(everything, "AVT", CROWDED.joint_dim)
    leg = parse_task("T>V", STANDARD)
    useful = {id(entry) for entry in everything if between(entry, leg.query, leg.gallery)}
    for rank in (0, 1, 4, 8, 100):
        after = exchanged(kept, everything, leg, rank)
        gone, come = ([e for e in a if e not in b] for a, b in ((kept, after), (after, kept)))
        useless = sum(id(entry) not in useful for entry in kept)
        assert len(gone) == min(rank, useless)
        assert len(come) <= len(gone)
        assert not any(id(entry) in useful for entry in gone)
        assert all(id(entry) in useful for entry in come)
        assert len(after) <= CROWDED.joint_dim
    scores = [score_kept(exchanged(kept, everything, leg, rank), leg) for rank in range(12)]
    assert scores == sorted(scores), "more rank never scores less"
    assert scores[0] == route_scores(CROWDED, leg)[0][leg]


def test_a_rank_too_small_to_show_is_not_claimed() -> None:
    assert not any(claim.adapted for claim in planted_routes(CROWDED, rank=1).values())
    assert all(claim.adapted for claim in planted_routes(CROWDED, rank=8).values())


@pytest.mark.parametrize("pair", ["VT", "T-VA"])
def test_only_pairs_that_have_an_adapter_are_claimed_to_need_it(pair: str) -> None:
    claims = planted_routes(CROWDED, [parse_pair(pair, STANDARD)])
    adapted = {task for task, claim in claims.items() if claim.adapted}
    assert adapted == ({"T>V", "V>T", "T>VA", "VA>T"} if pair == "VT" else {"T>VA", "VA>T"})


def test_uneven_sides_are_left_open() -> None:
    uneven = replace(TWO_SIDED, strength={"VT": 1.0, "AT": 0.25, "VA": 1.0})
    assert planted_routes(uneven)["T>VA"].used == ()
    assert planted_routes(uneven)["T>VA"].left_out == ()


def test_claims_do_not_depend_on_the_direction() -> None:
    for config in PLANTINGS.values():
        for task in all_tasks(STANDARD):
            there, back = (route_scores(config, t) for t in (task, type(task)(task.gallery, task.query)))
            assert sorted(there[0].values()) == pytest.approx(sorted(back[0].values()))
            assert sorted(there[1].values()) == pytest.approx(sorted(back[1].values()))
