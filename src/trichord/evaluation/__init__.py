"""Any-to-any retrieval scored under a stated protocol, comparisons that refuse unlike protocols, and a CCA baseline."""

from trichord.evaluation.embed import EmbeddingTable, embed_split
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.evaluation.retrieval import evaluate, evaluate_task, evaluate_tasks, rank_task
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet, evaluation_set

__all__ = [
    "EmbeddingTable",
    "EvaluationConfig",
    "EvaluationSet",
    "RetrievalResult",
    "embed_split",
    "evaluate",
    "evaluate_task",
    "evaluate_tasks",
    "evaluation_set",
    "load_result",
    "rank_task",
]
