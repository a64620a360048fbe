"""Files of vectors come back as they were, damaged and foreign ones are refused, and search is exact."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trichord.errors import ConfigError, RunError
from trichord.runs.search import search, top_fused, top_rows
from trichord.runs.stamps import Space, Stamp
from trichord.runs.vectors import VectorFile, load_vectors, save_vectors
from trichord.training.checkpoint import load_tensors, save_tensors

VIDEO, TEXT = (Space(legs=({name: "base"},), preprocessing={name: "p"}) for name in ("video", "text"))
GALLERY = Stamp(
    base="b", side="gallery", space=VIDEO, weights=(1.0,), dim=8, route="T>V (base)", partner=TEXT, names={}
)
QUERY = replace(GALLERY, side="query", space=TEXT, partner=VIDEO)


def drawn(rows: int, stamp: Stamp = GALLERY, seed: int = 0, first: int = 0) -> VectorFile:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    ids = tuple(f"clip-{first + row // 2}é" for row in range(rows))
    return VectorFile(vectors, ids, np.arange(rows) % 2, stamp)


def test_vectors_come_back(tmp_path: Path) -> None:
    file = drawn(7)
    save_vectors(tmp_path / "v.safetensors", file)
    again = load_vectors(tmp_path / "v.safetensors")
    np.testing.assert_array_equal(again.vectors, file.vectors)
    np.testing.assert_array_equal(again.instances, file.instances)
    assert (again.ids, again.stamp) == (file.ids, file.stamp)
    assert [path.name for path in tmp_path.iterdir()] == ["v.safetensors"]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    with pytest.raises(RunError, match="there is no such file"):
        load_vectors(path)
    save_vectors(path, drawn(4))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(RunError, match="not a readable safetensors file; restore it, or encode again"):
        load_vectors(path)
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(RunError, match="not what was saved"):
        load_vectors(path)
    save_file({"vectors": torch.ones(2, 8)}, path)
    with pytest.raises(RunError, match=r"holds no vectors of format 2 \(found format None"):
        load_vectors(path)
    path.write_bytes(whole)
    tensors, note = load_tensors(path)
    save_tensors(path, tensors, {name: value for name, value in note.items() if name != "stamp"})
    with pytest.raises(RunError, match=r"v\.safetensors: holds no stamp"):
        load_vectors(path)
    save_tensors(path, {**tensors, "vectors": tensors["vectors"].half()}, note)
    with pytest.raises(RunError, match=r"float32 of shape \(rows, width\), got torch.float16"):
        load_vectors(path)


def test_parts_that_do_not_fit_are_refused() -> None:
    file = drawn(4)
    with pytest.raises(RunError, match="4 vectors, 3 ids"):
        replace(file, ids=file.ids[:3])
    with pytest.raises(RunError, match=r"stamp says float32 and 9 wide, the vectors are float32 and 8 wide"):
        replace(file, stamp=replace(GALLERY, dim=9))
    with pytest.raises(RunError, match="holds no vectors"):
        VectorFile(np.zeros((0, 8), np.float32), (), np.zeros(0, np.int64), GALLERY)
    wrong = file.vectors.copy()
    wrong[2, 3] = np.nan
    with pytest.raises(RunError, match=r"the vector of 'clip-1é' \(row 2\) holds NaN or infinity, 1 of 4 do"):
        replace(file, vectors=wrong)


@pytest.mark.parametrize(
    "change",
    [{"base": "c"}, {"weights": [0.5]}, {"rank_constant": 60.0}, {"route": "T>V (VT)"}, {"names": {"x": "VT"}}],
)
def test_a_changed_stamp_is_found(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_vectors(path, drawn(4))
    tensors, note = load_tensors(path)
    save_tensors(path, tensors, {**note, "stamp": {**note["stamp"], **change}})
    with pytest.raises(RunError, match=r"v\.safetensors: vectors or stamp are not what was saved"):
        load_vectors(path)
    save_tensors(path, tensors, note)
    assert load_vectors(path).stamp == GALLERY


def test_search_is_exact_and_ties_keep_the_order_of_the_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = drawn(9, QUERY, seed=1), drawn(40)
    vectors = gallery.vectors.copy()
    vectors[[7, 30, 31]] = vectors[5]
    found = search(queries, replace(gallery, vectors=vectors), k=40).top
    scores = queries.vectors.astype(np.float64) @ vectors.astype(np.float64).T
    expected = np.stack([np.lexsort((np.arange(40), -np.round(row, 5))) for row in scores])
    np.testing.assert_array_equal(found.rows, expected)
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-5)
    # A cut through the equal rows takes the first of them, and few at a time find the same bits.
    place = int(np.flatnonzero(found.rows[0] == 5)[0])
    few = search(queries, replace(gallery, vectors=vectors), k=place + 2)
    np.testing.assert_array_equal(few.top.rows[0, place:], [5, 7])
    monkeypatch.setattr("trichord.runs.search.CELLS", 40 * 4)
    np.testing.assert_array_equal(
        top_rows(torch.from_numpy(queries.vectors), torch.from_numpy(vectors), 3).rows, found.rows[:, :3]
    )
    plain = few.to_dict()
    assert plain["results"][0]["hits"][place] == {
        "id": gallery.ids[5],
        "instance": 1,
        "score": pytest.approx(float(scores[0, 5]), abs=1e-5),
    }
    assert json.loads(json.dumps(plain)) == plain


def test_a_search_of_two_spaces_is_refused() -> None:
    with pytest.raises(RunError, match="Re-embed"):
        search(drawn(2, replace(QUERY, base="c")), drawn(4))
    with pytest.raises(ConfigError, match="k = 0"):
        search(drawn(2, QUERY), drawn(4), 0)
    assert search(drawn(2, QUERY), drawn(4), 10).top.rows.shape == (2, 4)


def test_a_query_that_shares_no_leg_with_what_it_asks_for_is_refused() -> None:
    one, zero = torch.eye(2), torch.zeros(2, 2)
    queries = torch.cat([zero, one], dim=1)
    gallery = torch.cat([one, torch.stack([one[0], zero[0]])], dim=1)  # the second row lacks the leg of the queries
    assert top_fused(queries, gallery, 1, [1.0, 1.0], 60.0).rows.tolist() == [[0], [0]]
    with pytest.raises(RunError, match="query row 0 shares no leg with some of the 2 rows it asks for"):
        top_fused(queries, gallery, 2, [1.0, 1.0], 60.0)
