"""What a stamp lets be searched together: an adapter of the query side keeps a gallery valid, one of both does not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encode_cases import finished_run, planted, write_pair

import trichord
from trichord.errors import RunError
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.runs import Model
from trichord.runs.stamps import require_same_space, stamp_from_dict


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("stamps")
    found = trichord.load(finished_run(folder / "run", planted(folder / "data")), device="cpu")
    found.load_adapter(write_pair(folder / "VT", found, "video", "text"))
    found.load_adapter(write_pair(folder / "VTq", found, "video", "text", ["text"]))
    found.load_adapter(write_pair(folder / "VTg", found, "video", "text", ["video"]))
    found.load_adapter(write_pair(folder / "AT", found, "audio", "text"))
    return found


def two_legs(weight: float = 0.5) -> RouteConfig:
    return RouteConfig(
        query=("text",),
        gallery=("video", "audio"),
        legs=(
            LegConfig(adapter="VT", query=("text",), gallery=("video",)),
            LegConfig(adapter="AT", query=("text",), gallery=("audio",), weight=weight),
        ),
    )


def test_an_adapter_of_the_query_side_keeps_the_gallery_and_its_stamp(model: Model) -> None:
    stored = model.stamp("T>V", "gallery", adapter="base")
    assert model.stamp("T>V", "gallery", adapter="VTq") == stored
    require_same_space(model.stamp("T>V", "query", adapter="VTq"), stored)
    require_same_space(model.stamp("T>V", "query", adapter="base"), stored)
    # What the stamp says is so: the vectors are the same to the bit.
    video = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    under = [model.encode({"video": video}, route="T>V", side="gallery", adapter=name) for name in ("base", "VTq")]
    np.testing.assert_array_equal(*under)
    moved = model.encode({"video": video}, route="T>V", side="gallery", adapter="VT")
    assert np.abs(moved - under[0]).max() > 0.01


def test_an_adapter_of_both_sides_does_not(model: Model) -> None:
    stored, asked = model.stamp("T>V", "gallery", adapter="base"), model.stamp("T>V", "query", adapter="VT")
    assert model.stamp("T>V", "gallery", adapter="VT") != stored
    name = model.bank.identity("VT").hash
    with pytest.raises(
        RunError, match=rf"other adapters\. Re-embed the gallery side: video under VT \({name}\); or the"
    ):
        require_same_space(asked, stored)
    with pytest.raises(RunError, match=r"or the query side: text under VT"):
        require_same_space(model.stamp("T>V", "query", adapter="base"), model.stamp("T>V", "gallery", adapter="VT"))
    require_same_space(asked, model.stamp("T>V", "gallery", adapter="VT"))


def test_an_adapter_of_the_gallery_side_keeps_stored_queries(model: Model) -> None:
    moved = model.stamp("T>V", "gallery", adapter="VTg")
    require_same_space(model.stamp("T>V", "query", adapter="base"), moved)
    with pytest.raises(RunError, match="other adapters"):
        require_same_space(model.stamp("T>V", "query", adapter="VTq"), moved)


def test_each_part_that_differs_is_named(model: Model) -> None:
    query, gallery = model.stamp(two_legs(), "query"), model.stamp(two_legs(), "gallery")
    require_same_space(query, gallery)
    assert gallery.dim == 2 * model.dim
    assert gallery.weights == pytest.approx((2 / 3, 1 / 3))
    with pytest.raises(
        RunError, match=r"weigh 0\.667 : 0\.333 in the queries and 0\.5 : 0\.5 in the gallery.*Re-embed"
    ):
        require_same_space(query, model.stamp(two_legs(1.0), "gallery"))
    with pytest.raises(
        RunError, match=r"other modalities\. Re-embed the gallery side: video under VT .* and audio under"
    ):
        require_same_space(query, model.stamp("T>V", "gallery", adapter="VT"))
    with pytest.raises(RunError, match=r"given as query are the gallery side.*other way round"):
        require_same_space(gallery, query)
    with pytest.raises(
        RunError, match=r"of the base \w+, the gallery is of the base other\. Re-embed the gallery side"
    ):
        require_same_space(query, replace(gallery, base="other"))
    with pytest.raises(RunError, match=r"^dtype of the queries is 'float32', that of the gallery 'float16'"):
        require_same_space(query, replace(gallery, dtype="float16"))
    settings = {**gallery.space.preprocessing, "audio": "other"}
    with pytest.raises(RunError, match="preprocessing differs: the encoder of audio"):
        require_same_space(query, replace(gallery, space=replace(gallery.space, preprocessing=settings)))
    with pytest.raises(RunError, match="wide"):
        require_same_space(query, replace(gallery, dim=3))


def test_a_stamp_survives_json_and_strange_ones_are_refused(model: Model) -> None:
    stamp = model.stamp(two_legs(), "gallery")
    plain = json.loads(json.dumps(stamp.to_dict()))
    again = stamp_from_dict(plain, "x")
    assert again == stamp
    assert (again.partner, again.route, again.names) == (stamp.partner, stamp.route, stamp.names)
    for wrong in (None, {}, {**plain, "stamp_format": 2}, {**plain, "more": 1}, {**plain, "weights": [1.0]}):
        with pytest.raises(RunError, match="file: holds no stamp of format 1"):
            stamp_from_dict(wrong, "file")


def test_a_stamp_names_content_not_names(model: Model, tmp_path: Path) -> None:
    before = model.stamp("T>V", "gallery", adapter="VT")
    folder = write_pair(tmp_path / "VT", model, "video", "text")
    model.load_adapter(folder, "renamed")
    assert model.stamp("T>V", "gallery", adapter="renamed") == before
    model.delete_adapter("renamed")
