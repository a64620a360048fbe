"""Models of words read ids or word vectors, never strings."""

import numpy as np
import pytest
import torch

from trichord.encoders import WordPoolConfig
from trichord.errors import DataError
from trichord.runs.inputs import checked_entry, stack_entries

IDS = WordPoolConfig(input_dim=5, output_dim=4, num_words=9).build()
VECTORS = WordPoolConfig(input_dim=5, output_dim=4).build()


def test_sentences_of_word_ids_are_padded_and_counted() -> None:
    IDS.table.normal_()
    entries = [checked_entry("text", row, ids, IDS) for row, ids in enumerate(([1, 2, 3], np.array([4], np.int32)))]
    features = stack_entries(entries, IDS)
    assert features.values.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert features.lengths is not None
    assert features.lengths.tolist() == [3, 1]
    looked_up = stack_entries([checked_entry("text", 0, IDS.table[[1, 2, 3]], VECTORS)], VECTORS)
    VECTORS.load_state_dict({name: value for name, value in IDS.state_dict().items() if name != "table"})
    with torch.no_grad():
        torch.testing.assert_close(IDS(features).embedding[:1], VECTORS(looked_up).embedding)


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("a dog", "row 2.*'a dog', but this model reads features.*list of word ids"),
        ([0.5, 1.0], r"needs a list of word ids .*got torch.float64 of shape \(2,\)"),
        ([], "needs a list of word ids"),
        ([3, 9], r"lie in 0 ... 8, got 3 ... 9"),
    ],
)
def test_what_are_no_word_ids_is_refused(entry: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        checked_entry("text", 2, entry, IDS)


def test_word_vectors_are_asked_for_where_there_is_no_table() -> None:
    with pytest.raises(DataError, match=r"needs a \(words, 5\) array of word vectors, got shape \(2,\)"):
        checked_entry("text", 0, [1, 2], VECTORS)
