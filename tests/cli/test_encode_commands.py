"""`trichord encode` and `trichord search`: vectors stored with their stamp, and one clear line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from encode_cases import finished_run, planted, write_pair

import trichord
from trichord.cli.main import main
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.runs.routes_file import Routes, write_routes
from trichord.runs.vectors import load_vectors

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encode")
    dataset = planted(path / "data")
    model = trichord.load(finished_run(path / "run", dataset), device="cpu")
    for name, left, right in (("VT", "video", "text"), ("AT", "audio", "text")):
        model.load_adapter(write_pair(path / name, model, left, right))
    write_pair(path / "VTq", model, "video", "text", ["text"])
    finished_run(path / "other", dataset, seed=1)
    route = RouteConfig(
        query=("text",),
        gallery=("video", "audio"),
        legs=(
            LegConfig(adapter="VT", query=("text",), gallery=("video",)),
            LegConfig(adapter="AT", query=("text",), gallery=("audio",), weight=0.5),
        ),
    )
    adapters = {name: model.bank.identity(name) for name in model.adapters}
    write_routes(path / "routes.json", Routes(base=model.identity, routes={"T>VA": route}, adapters=adapters))
    return path


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Type:
    """Type a command in the folder; return exit status, standard output and standard error."""
    monkeypatch.chdir(folder)

    def typed(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def encode(side: str, out: object, *more: object, route: str = "T>V", run: str = "run") -> tuple[object, ...]:
    return ("encode", run, "--data", "data", "--out", out, "--route", route, "--side", side, *more)


def test_an_index_stays_valid_under_an_adapter_of_the_query_side(type_in: Type, tmp_path: Path) -> None:
    gallery, base, better, both = (tmp_path / f"{name}.safetensors" for name in ("g", "q", "better", "both"))
    status, out, _ = type_in(*encode("gallery", gallery))
    assert status == 0
    assert f"30 vectors of 30 items, 256 wide: {gallery}" in out
    assert type_in(*encode("query", base))[0] == 0
    assert len(load_vectors(base)) == 60  # each caption is a row
    status, out, _ = type_in(*encode("query", better, "--adapters", "VTq", "--adapter", "VTq"))
    assert "VTq changes text only: stored vectors of video stay valid (the query side only of this route)." in out
    status, out, error = type_in("search", "--queries", better, "--gallery", gallery, "--top", 3)
    assert (status, error) == (0, "")
    assert out.startswith("60 queries among 30: T>V (adapter VTq)")
    assert "#1: " in out
    assert "and 40 more" in out
    assert type_in(*encode("query", both, "--adapters", "VT", "--adapter", "VT"))[0] == 0
    status, _, error = type_in("search", "--queries", both, "--gallery", gallery)
    assert status == 1
    assert "Re-embed the gallery side: video under VT" in error
    assert error.count("\n") == 1


def test_routes_are_encoded_and_searched_with_a_record(type_in: Type, tmp_path: Path) -> None:
    with_routes = ("--adapters", "VT", "AT", "--routes", "routes.json", "--json")
    gallery, query = tmp_path / "g.safetensors", tmp_path / "q.safetensors"
    record = json.loads(type_in(*encode("gallery", gallery, *with_routes, route="T>VA"))[1])
    assert record["stamp"] == load_vectors(gallery).stamp.to_dict()
    assert record["stamp"]["dim"] == 512
    assert set(record["adapters"]) == {"VT", "AT"}
    assert "both sides of this route" in record["adapters"]["VT"]
    assert type_in(*encode("query", query, *with_routes, route="T>VA"))[0] == 0
    words = ("search", "--queries", query, "--gallery", gallery, "--json", "--out", tmp_path / "hits.json")
    found = json.loads(type_in(*words)[1])
    assert found == json.loads((tmp_path / "hits.json").read_text())
    assert len(found["results"]) == 60
    assert len(found["results"][0]["hits"]) == 10
    scores = [hit["score"] for hit in found["results"][0]["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_items_without_the_side_are_counted(type_in: Type, tmp_path: Path) -> None:
    out = type_in(*encode("gallery", tmp_path / "a.safetensors", route="T>A"))[1]
    assert "Left out, because they hold nothing of this side:" in out


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (encode("gallery", "x.safetensors", "--adapters", "VT"), "T>V can be answered under VT or 'base'"),
        (encode("gallery", "x.safetensors", "--adapters", "AT", "--adapter", "AT"), "another pair than T>V"),
        (encode("gallery", "x.safetensors", "--adapter", "VT"), "asks for the adapter 'VT', which is not loaded"),
        (encode("gallery", "x.safetensors", "--adapters", "VT", run="other"), "load the base it belongs to"),
        (encode("gallery", "x.safetensors", "--routes", "routes.json"), "which is not loaded; load it first"),
        (encode("gallery", "x.safetensors", route="T>D"), "names a modality that is not there"),
        (encode("gallery", "x.safetensors", run="VT"), "is an adapter over the base"),
        (encode("gallery", "nowhere/x.safetensors"), "name a file in a folder that is there"),
        (encode("gallery", "x.safetensors", "--split", "tset"), "did you mean 'test'"),
        (("search", "--queries", "no.safetensors", "--gallery", "no.safetensors"), "there is no such file"),
    ],
)
def test_mistakes_end_in_one_line(type_in: Type, words: tuple[object, ...], match: str, folder: Path) -> None:
    status, _, error = type_in(*words)
    assert status == 1
    assert match in error
    assert error.count("\n") == 1
    assert not (folder / "x.safetensors").exists()


def test_vectors_of_two_bases_are_not_searched_together(type_in: Type, tmp_path: Path) -> None:
    gallery, query = tmp_path / "g.safetensors", tmp_path / "q.safetensors"
    type_in(*encode("gallery", gallery))
    type_in(*encode("query", query, run="other"))
    status, _, error = type_in("search", "--queries", query, "--gallery", gallery)
    assert status == 1
    assert "Re-embed the gallery side (video of the base) with the base" in error
    status, _, error = type_in("search", "--queries", gallery, "--gallery", query)
    assert "give the two files the other way round" in error
