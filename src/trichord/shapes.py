"""Glossary of axis names used in tensor annotations, and the aliases built on them.

Annotations such as `Float[Tensor, "batch dim"]` are documentation in production and are checked while tests run
(pytest's `--jaxtyping-packages` option in pyproject.toml).

| axis | meaning |
|---|---|
| batch | rows of one step, over all processes once gathered |
| rows | the rows of a batch that hold a given modality |
| dim | width of the joint embedding space |
| features | width of an encoder's input |
| time | steps of a sequence, padding included |
| clusters | centroids of online k-means |
| memory | rows of the ring buffer |
| queries, gallery | rows of an evaluation |
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Tensor"]
