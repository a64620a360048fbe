"""Payloads: what an edge passes. Each is one file with a configuration and a module."""

from __future__ import annotations

from trichord.graphs.payloads.centroids import Centroids, CentroidsConfig
from trichord.graphs.payloads.embedding import Embedding, EmbeddingConfig
from trichord.graphs.payloads.gram import Gram, GramConfig
from trichord.graphs.payloads.logits import Logits, LogitsConfig
from trichord.graphs.payloads.similarity import Similarity, SimilarityConfig

__all__ = [
    "Centroids",
    "CentroidsConfig",
    "Embedding",
    "EmbeddingConfig",
    "Gram",
    "GramConfig",
    "Logits",
    "LogitsConfig",
    "Similarity",
    "SimilarityConfig",
]
