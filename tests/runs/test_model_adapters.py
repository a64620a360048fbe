"""A model with adapters: what is asked for is what encodes, and nothing is chosen unasked."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from encode_cases import finished_run, planted, write_pair

import trichord
from trichord.adapters.mixing import MixtureConfig
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError, RunError
from trichord.evaluation import EvaluationConfig, evaluation_set
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.evaluation.routes import evaluate_route
from trichord.evaluation.views import embed_views
from trichord.files import read_json, write_json
from trichord.modality import STANDARD, parse_task
from trichord.runs import Model
from trichord.runs.encode_split import encode_split
from trichord.runs.inputs import Item
from trichord.runs.routes_file import Routes, read_routes, write_routes
from trichord.runs.routing import alone, describe_effect
from trichord.runs.search import search

RNG = np.random.default_rng(0)
TEXT, VIDEO, AUDIO = (RNG.normal(size=(6, 64)).astype(np.float32) for _ in range(3))
TWO_LEGS = RouteConfig(
    query=("text",),
    gallery=("video", "audio"),
    legs=(
        LegConfig(adapter="VT", query=("text",), gallery=("video",)),
        LegConfig(adapter="AT", query=("text",), gallery=("audio",), weight=0.5),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapters")
    bare = trichord.load(finished_run(path / "run", planted(path / "data")), device="cpu")
    for name, left, right in (("VT", "video", "text"), ("AT", "audio", "text")):
        write_pair(path / name, bare, left, right)
    write_pair(path / "VTq", bare, "video", "text", ["text"])
    return path


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return Dataset.open(folder / "data")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Model:
    model = trichord.load(folder / "run", device="cpu")
    for name in ("VT", "AT", "VTq"):
        assert model.load_adapter(folder / name) == name
    return model


@pytest.fixture
def model(shared: Model) -> Iterator[Model]:
    yield shared
    shared.unload_routes()
    for name in shared.adapters[3:]:
        shared.delete_adapter(name)


def test_an_adapter_encodes_as_the_model_it_is_merged_into(model: Model, folder: Path) -> None:
    merged = Model(model.config, model.bank.export("VT"), "merged")
    found = model.encode({"text": TEXT, "audio": AUDIO}, adapter="VT")
    expected = merged.encode({"text": TEXT, "audio": AUDIO})
    np.testing.assert_allclose(found["text"], expected["text"], atol=1e-5)
    in_parts = model.encode({"text": TEXT}, adapter="VT", batch_size=4)["text"]
    np.testing.assert_allclose(in_parts, expected["text"], atol=1e-5)
    bare = trichord.load(folder / "run", device="cpu").encode({"text": TEXT, "audio": AUDIO})
    np.testing.assert_array_equal(model.encode({"text": TEXT}, adapter="base")["text"], bare["text"])
    np.testing.assert_array_equal(found["audio"], bare["audio"])  # VT leaves sound alone
    assert np.abs(found["text"] - bare["text"]).max() > 0.01
    assert model.bank.base_hash() == model.identity


def test_a_missing_adapter_never_means_none(model: Model) -> None:
    with pytest.raises(ConfigError, match=r"adapters are loaded .VT, AT, VTq.: say which.*adapter='base' for none"):
        model.encode({"text": TEXT})
    with pytest.raises(ConfigError, match="no adapter named 'TV' is loaded"):
        model.encode({"text": TEXT}, adapter="TV")
    with pytest.raises(ConfigError, match="no adapter named 'TV' is loaded"):
        model.encode({"text": TEXT}, adapter=["base"] * 5 + ["TV"])
    with pytest.raises(ConfigError, match=r"T>V can be answered under VT, AT, VTq or 'base'"):
        model.encode_query({"text": TEXT}, route="T>V")
    with pytest.raises(ConfigError, match="asks for the adapter 'TV', which is not loaded"):
        model.encode_query({"text": TEXT}, route="T>V", adapter="TV")
    with pytest.raises(ConfigError, match="pulls audio towards text, another pair than T>V asks for"):
        model.encode_query({"text": TEXT}, route="T>V", adapter="AT")
    with pytest.raises(ConfigError, match=r"changes text only, so under it A>V is that of the base"):
        model.encode_query({"audio": AUDIO}, route="A>V", adapter="VTq")


def test_rows_of_several_adapters_are_encoded_as_each_alone(model: Model) -> None:
    names = ["VT", "base", "AT", "VT", "VTq", "base"]
    found = model.encode({"text": TEXT}, adapter=names, batch_size=4)["text"]
    for row, name in enumerate(names):
        np.testing.assert_allclose(found[row], model.encode({"text": TEXT}, adapter=name)["text"][row], atol=1e-5)
    with pytest.raises(ConfigError, match="one adapter for each of the 6 entries, or one for all; got 2"):
        model.encode({"text": TEXT}, adapter=["VT", "AT"])


def test_items_may_hold_different_modalities(model: Model) -> None:
    items = [Item(text=TEXT[0]), Item(video=VIDEO[1], audio=AUDIO[1]), Item(video=VIDEO[2], audio=None)]
    found = model.encode(items, adapter=["VT", "base", "VT"])
    base = model.encode({"video": VIDEO, "audio": AUDIO}, adapter="base")
    joint = base["video"][1] + base["audio"][1]
    np.testing.assert_allclose(found[0], model.encode({"text": TEXT}, adapter="VT")["text"][0], atol=1e-5)
    np.testing.assert_allclose(found[1], joint / np.linalg.norm(joint), atol=1e-5)
    np.testing.assert_allclose(found[2], model.encode({"video": VIDEO}, adapter="VT")["video"][2], atol=1e-5)
    assert isinstance(model.encode(items, adapter="base", convert_to_tensor=True), torch.Tensor)


def test_what_is_no_typed_input_is_refused(model: Model) -> None:
    with pytest.raises(DataError, match=r"text was given 'a dog', but this model reads features.*never guessed"):
        model.encode({"text": "a dog"}, adapter="base")
    with pytest.raises(DataError, match=r"row 1.*text was given 'a dog'"):
        model.encode([Item(text=TEXT[0]), Item(text="a dog")], adapter="base")
    with pytest.raises(DataError, match=r"row 1.*or a list of items, got ndarray"):
        model.encode([Item(text=TEXT[0]), TEXT[1]], adapter="base")  # type: ignore[list-item]
    with pytest.raises(DataError, match="holds no modality"):
        Item(text=None)
    with pytest.raises(DataError, match=r"row 1.*text is None"):
        model.encode({"text": [TEXT[0], None]}, adapter="base")
    with pytest.raises(DataError, match=r"row 3.*not finite"):
        model.encode({"text": [*TEXT[:3], TEXT[3] * np.nan]}, adapter="base")
    with pytest.raises(ConfigError, match="side='query' is a side of a route"):
        model.encode({"text": TEXT}, adapter="base", side="query")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="which side of it the inputs are"):
        model.encode({"text": TEXT}, adapter="VT", route="T>V")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        model.encode({"text": TEXT}, adapter="base", batch_size=0)


def test_a_route_is_encoded_side_by_side(model: Model) -> None:
    query = model.encode_query({"text": TEXT}, route=TWO_LEGS)
    gallery = model.encode_document({"video": [*VIDEO[:5], None], "audio": [None, *AUDIO[1:]]}, route=TWO_LEGS)
    assert query.shape == gallery.shape == (6, 2 * model.dim)
    under = {name: model.encode({"text": TEXT, "video": VIDEO, "audio": AUDIO}, adapter=name) for name in ("VT", "AT")}
    seen = model.similarity(under["VT"]["text"], under["VT"]["video"]).numpy()
    heard = model.similarity(under["AT"]["text"], under["AT"]["audio"]).numpy()
    expected = (seen + 0.5 * heard) / 1.5
    expected[:, 0], expected[:, 5] = seen[:, 0], heard[:, 5]
    np.testing.assert_allclose(model.similarity(query, gallery).numpy(), expected, atol=1e-5)
    items = [Item(video=v, audio=a) for v, a in zip(VIDEO[1:5], AUDIO[1:5], strict=True)]
    np.testing.assert_allclose(model.encode_document(items, route=TWO_LEGS), gallery[1:5], atol=1e-5)
    assert model.encode_query({"text": TEXT[:0]}, route=TWO_LEGS).shape == (0, 2 * model.dim)
    with pytest.raises(DataError, match=r"row 0.*holds none of \['video', 'audio'\]"):
        model.encode_document({"video": [None], "audio": [None]}, route=TWO_LEGS)
    with pytest.raises(DataError, match=r"equally many entries, got \{'video': 6, 'audio': 5\}"):
        model.encode_document({"video": VIDEO, "audio": AUDIO[1:]}, route=TWO_LEGS)
    with pytest.raises(ConfigError, match=r"gallery side of the route is \['video', 'audio'\], \['audio'\] is missing"):
        model.encode_document({"video": VIDEO}, route=TWO_LEGS)
    with pytest.raises(ConfigError, match=r"query side of the route is \['text'\], got \['video'\] besides"):
        model.encode_query({"text": TEXT, "video": VIDEO}, route=TWO_LEGS)


@pytest.mark.parametrize("spelled", ["VA>T", "T>VA"])
def test_stored_vectors_rank_as_the_evaluation_does(model: Model, dataset: Dataset, spelled: str) -> None:
    task = parse_task(spelled, STANDARD)
    legs = [("VT", "video", 1.0), ("AT", "audio", 0.6)]
    route = RouteConfig(
        query=task.query,
        gallery=task.gallery,
        legs=tuple(
            LegConfig(
                adapter=name,
                query=("text",) if task.query == ("text",) else (heard,),
                gallery=("text",) if task.gallery == ("text",) else (heard,),
                weight=weight,
            )
            for name, heard, weight in legs
        ),
    )
    items = dataset.split("test")
    query, gallery = (encode_split(model, dataset, items, route, side) for side in ("query", "gallery"))
    assert query.left_out == gallery.left_out == ()
    found = search(query.file, gallery.file, k=len(gallery.file))
    ranks = [
        1 + next(place for place, row in enumerate(rows) if found.gallery.ids[row] == name)
        for name, rows in zip(found.queries.ids, found.top.rows, strict=True)
    ]
    views = embed_views(model.bank, dataset, items, modalities=model.modalities, adapters=["VT", "AT"], batch_size=64)
    config = EvaluationConfig(captions="all", num_resamples=10)
    expected = evaluate_route(views, route, evaluation_set(dataset, "test"), config)
    np.testing.assert_array_equal([dataset.ids[item] for item in expected.query_items], query.file.ids)
    np.testing.assert_array_equal(expected.query_instances, query.file.instances)
    np.testing.assert_allclose(np.asarray(ranks), expected.scores.rank, atol=0)


def test_stored_sides_of_a_route_by_ranks_are_fused_in_the_search(model: Model, dataset: Dataset) -> None:
    route, items = replace(TWO_LEGS, fusion="ranks", rank_constant=3.0), dataset.split("test")
    with pytest.raises(ConfigError, match="by ranks has no vectors whose dot product is its score"):
        model.encode_query({"text": TEXT}, route=route)
    query, gallery = (encode_split(model, dataset, items, route, side).file for side in ("query", "gallery"))
    found = search(query, gallery, k=len(gallery))
    lacking = ~dataset.has("audio")[items]
    assert lacking.any()
    scores = []
    for leg in route.legs:
        single = RouteConfig(query=leg.query, gallery=leg.gallery, legs=(leg,))
        one, other = (encode_split(model, dataset, items, single, side) for side in ("query", "gallery"))
        cosine = np.full((len(query), len(items)), -np.inf)
        there = np.array([dataset.ids[item] not in other.left_out for item in items])
        cosine[:, there] = one.file.vectors @ other.file.vectors.T
        scores.append(cosine)
    for row in range(len(query)):
        fused = []
        for place in range(len(items)):
            shared = [n for n in (0, 1) if not (n == 1 and lacking[place])]
            value = {n: 1 / (3 + 1 + int((scores[n][row] > scores[n][row, place]).sum())) for n in shared}
            weight = {0: 1.0, 1: 0.5}
            fused.append(sum(weight[n] * value[n] for n in shared) / sum(weight[n] for n in shared))
        order = np.lexsort((np.arange(len(items)), -np.float32(fused)))
        np.testing.assert_array_equal(found.top.rows[row], order)
    weighted = encode_split(model, dataset, items, TWO_LEGS, "gallery").file
    with pytest.raises(RunError, match=r"rank_constant of the queries is 3\.0, that of the gallery None"):
        search(query, weighted)


def test_items_without_a_side_are_left_out_and_named(model: Model, dataset: Dataset) -> None:
    items = dataset.split("test")
    encoded = encode_split(model, dataset, items, alone(parse_task("T>A", STANDARD), "AT"), "gallery")
    silent = [dataset.ids[item] for item in items if not dataset.has("audio")[item]]
    assert list(encoded.left_out) == silent
    assert len(encoded.file) == len(items) - len(silent) > 0
    audio = dataset.read("audio", dataset.instances("audio").first[items[dataset.has("audio")[items]]]).values
    expected = model.encode_document({"audio": audio}, route="T>A", adapter="AT")
    np.testing.assert_allclose(encoded.file.vectors, expected, atol=1e-5)


def test_routes_are_loaded_with_the_adapters_and_mixtures_they_name(model: Model, tmp_path: Path) -> None:
    path, bank = tmp_path / "routes.json", model.bank
    mixture = MixtureConfig(name="both", members=("VT", "AT"), weights=(0.5, 0.5))
    routes = Routes(
        base=model.identity,
        routes={"T>VA": TWO_LEGS, "T>V": alone(parse_task("T>V", STANDARD), "both")},
        mixtures=(mixture,),
        adapters={name: bank.identity(name) for name in ("VT", "AT")},
    )
    write_routes(path, routes)
    assert read_routes(path) == routes
    model.load_routes(path)
    assert model.adapters == ("VT", "AT", "VTq", "both")
    assert model.encode_query({"text": TEXT}, route="T>VA").shape == (6, 2 * model.dim)
    np.testing.assert_allclose(
        model.encode_query({"text": TEXT}, route="T>V"), model.encode({"text": TEXT}, adapter="both")["text"], atol=1e-5
    )
    with pytest.raises(ConfigError, match=r"there is no route of V>T; .*Or name an adapter"):
        model.encode_query({"video": VIDEO}, route="V>T")
    assert model.encode_query({"video": VIDEO}, route="V>T", adapter="VT").shape == (6, model.dim)


def test_routes_that_do_not_belong_are_refused_and_leave_nothing(model: Model, tmp_path: Path) -> None:
    path, bank = tmp_path / "routes.json", model.bank
    good = Routes(base=model.identity, routes={"T>VA": TWO_LEGS}, adapters={n: bank.identity(n) for n in ("VT", "AT")})
    write_routes(path, good)
    plain = read_json(path)

    def refused(change: dict[str, object], match: str, kind: type[Exception] = RunError) -> None:
        write_json(path, {**plain, **change})
        with pytest.raises(kind, match=match):
            model.load_routes(path)
        assert (model.routes, model.adapters) == ({}, ("VT", "AT", "VTq"))

    refused({"base": "other"}, rf"over the base other, this model is {model.identity}; load the base")
    refused({"routes_format": 2}, "routes format 2, this version reads format 1")
    refused({"routes": {"T>VA": {"config": "trichord.nothing.Here"}}}, "routes.json: .*choose the routes again")
    refused({"adapters": {}}, r"names \['AT', 'VT'\], which are not among the adapters")
    identity = plain["adapters"]["VT"]
    refused({"adapters": {**plain["adapters"], "VX": identity}}, r"need the adapter 'VX' .*load it first")
    other = replace(bank.identity("VT"), weights="x").to_dict()
    refused({"adapters": {**plain["adapters"], "VT": other}}, "'VT' that is loaded is another")
    refused({"adapters": {**plain["adapters"], "VT": {**identity, "weights": "x"}}}, "not what was saved")
    mixtures = [MixtureConfig(name="both", members=("VT", "AT"), weights=(1.0, 1.0)).to_dict()]
    refused({"mixtures": mixtures, "routes": {"V>T": plain["routes"]["T>VA"]}}, "answers another task", ConfigError)


@pytest.fixture
def fresh(folder: Path) -> Model:
    """For tests that change its adapters."""
    model = trichord.load(folder / "run", device="cpu")
    for name in ("VT", "AT", "VTq"):
        model.load_adapter(folder / name)
    return model


def routes_with(model: Model, path: Path, *weights: float) -> Path:
    """T>VA by two adapters, T>V by a mixture of them, if weights are given, and A>T by one."""
    spelled = {"T>VA": TWO_LEGS, "A>T": alone(parse_task("A>T", STANDARD), "AT")}
    mixtures: tuple[MixtureConfig, ...] = ()
    if weights:
        mixtures = (MixtureConfig(name="both", members=("VT", "AT"), weights=weights),)
        spelled["T>V"] = alone(parse_task("T>V", STANDARD), "both")
    write_routes(
        path,
        Routes(
            base=model.identity,
            routes=spelled,
            mixtures=mixtures,
            adapters={name: model.bank.identity(name) for name in ("VT", "AT")},
        ),
    )
    return path


def test_a_loaded_route_is_refused_under_another_adapter_of_the_name(
    fresh: Model, folder: Path, tmp_path: Path
) -> None:
    model = fresh
    model.load_routes(routes_with(model, tmp_path / "routes.json"))
    expected = model.encode_query({"text": TEXT}, route="T>VA")
    model.delete_adapter("VT")
    with pytest.raises(RunError, match=r"needs the adapter 'VT' .*no longer loaded; load it again"):
        model.encode_query({"text": TEXT}, route="T>VA")
    model.load_adapter(folder / "VTq", "VT")
    for refused in (
        lambda: model.encode_query({"text": TEXT}, route="T>VA"),
        lambda: model.stamp("T>VA", "gallery"),
        lambda: model.find_route("T>VA"),
    ):
        with pytest.raises(RunError, match=r"was loaded with another adapter 'VT' .*than the one that has this name"):
            refused()
    assert model.encode_query({"audio": AUDIO}, route="A>T").shape == (6, model.dim)  # names the other adapter alone
    assert model.find_route("T>VA", "VT").adapters == ("VT",)  # asked for by name, and given
    model.delete_adapter("VT")
    model.load_adapter(folder / "VT")
    np.testing.assert_array_equal(model.encode_query({"text": TEXT}, route="T>VA"), expected)


def test_a_mixture_of_routes_is_theirs(fresh: Model, folder: Path, tmp_path: Path) -> None:
    model, path = fresh, tmp_path / "routes.json"
    model.load_routes(routes_with(model, path, 0.5, 0.5))
    model.delete_adapter("VT")  # the mixture is made, and does not need its members
    assert model.encode_query({"text": TEXT}, route="T>V").shape == (6, model.dim)
    model.load_adapter(folder / "VT")
    model.delete_adapter("both")
    model.load_adapter(folder / "VTq", "both")
    with pytest.raises(RunError, match="another adapter 'both'"):
        model.encode_query({"text": TEXT}, route="T>V")
    with pytest.raises(ConfigError, match="the name 'both' is taken"):
        model.load_routes(path)
    assert set(model.routes) == {"T>VA", "A>T", "T>V"}
    model.unload_routes()
    assert (model.routes, model.adapters) == ({}, ("AT", "VTq", "VT", "both"))


def test_routes_replace_those_before_them(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    model.load_routes(routes_with(model, path, 0.5, 0.5))
    first = model.encode_query({"text": TEXT}, route="T>V")
    model.load_routes(path)
    np.testing.assert_array_equal(model.encode_query({"text": TEXT}, route="T>V"), first)
    assert model.adapters == ("VT", "AT", "VTq", "both")
    model.load_routes(routes_with(model, path, 1.0, -0.5))
    second = model.encode_query({"text": TEXT}, route="T>V")
    assert np.abs(second - first).max() > 0.01
    # One that fails after the former mixture was taken away, and the new one made, puts all back.
    plain, stamp = read_json(routes_with(model, path, 0.5, 0.5)), model.stamp("T>V", "query")
    write_json(path, {**plain, "routes": {**plain["routes"], "V>T": plain["routes"]["T>VA"]}})
    with pytest.raises(ConfigError, match="answers another task"):
        model.load_routes(path)
    assert set(model.routes) == {"T>VA", "A>T", "T>V"}
    np.testing.assert_array_equal(model.encode_query({"text": TEXT}, route="T>V"), second)
    assert model.stamp("T>V", "query") == stamp
    model.load_routes(routes_with(model, path))
    assert (set(model.routes), model.adapters) == ({"T>VA", "A>T"}, ("VT", "AT", "VTq"))


def test_an_adapter_whose_record_was_changed_is_refused(model: Model, folder: Path, tmp_path: Path) -> None:
    """An adapter of sound and text that says it is of pictures and text would answer T>V."""
    shutil.copytree(folder / "AT", tmp_path / "AT")
    record = tmp_path / "AT" / "adapter_identity.json"
    plain = read_json(record)
    for change, message in (
        ({"left": ["video"], "right": ["text"]}, "cannot change audio, which is not of its pair"),
        ({"left": ["video", "audio"]}, "not what was saved"),
        ({"left": [], "right": []}, "not what was saved"),
    ):
        write_json(record, {**plain, **change})
        with pytest.raises(RunError, match=message):
            model.load_adapter(tmp_path / "AT", "mine")
    write_json(record, plain)
    assert model.load_adapter(tmp_path / "AT", "mine") == "mine"


def test_threads_share_a_model(model: Model) -> None:
    names = ("VT", "AT", "base")
    expected = {name: model.encode({"text": TEXT}, adapter=name)["text"] for name in names}

    def work(name: str) -> bool:
        return all(
            np.array_equal(model.encode({"text": TEXT}, adapter=name, batch_size=2)["text"], in_parts[name])
            for _ in range(10)
        )

    in_parts = {name: model.encode({"text": TEXT}, adapter=name, batch_size=2)["text"] for name in names}
    assert all(np.abs(expected[name] - in_parts[name]).max() < 1e-5 for name in names)
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(work, names)) == [True] * 3


def test_a_run_brings_the_adapters_that_it_learnt(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    shutil.copytree(folder / "VT", run / "adapters" / "VT")
    model = trichord.load(run, device="cpu")
    assert model.adapters == ("VT",)
    (run / "adapters" / "AT").mkdir()
    with pytest.raises(RunError, match=r"holds no adapter_identity"):
        trichord.load(run)


def test_a_folder_of_adapters_is_no_model(folder: Path, tmp_path: Path, shared: Model) -> None:
    with pytest.raises(RunError, match=rf"an adapter over the base {shared.identity}; load its base and then model"):
        trichord.load(folder / "VT")
    for name in ("VT", "AT"):
        shutil.copytree(folder / name, tmp_path / "several" / "adapters" / name)
    with pytest.raises(RunError, match=r"load_adapter\('.*adapters/AT'\), model\.load_adapter\('.*adapters/VT'\)"):
        trichord.load(tmp_path / "several")


def test_an_adapter_of_another_base_is_refused(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    other = trichord.load(finished_run(tmp_path / "run", dataset, seed=1), device="cpu")
    with pytest.raises(RunError, match="learnt over the base"):
        other.load_adapter(folder / "VT")
    assert other.adapters == ()
    assert other.encode({"text": TEXT})["text"].shape == (6, other.dim)  # nothing loaded, nothing to name


def test_what_an_adapter_changes_is_said_of_the_route(model: Model) -> None:
    task = parse_task("T>V", STANDARD)
    identities = {name: model.bank.identity(name) for name in ("VT", "VTq")}
    assert "both sides of this route" in describe_effect(identities["VT"], alone(task, "VT"))
    said = describe_effect(identities["VTq"], alone(task, "VTq"))
    assert said == "changes text only: stored vectors of video stay valid (the query side only of this route)"
    back = alone(parse_task("V>T", STANDARD), "VTq")
    assert "the item side only" in describe_effect(identities["VTq"], back)
