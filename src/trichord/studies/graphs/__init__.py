"""The study of transfer graphs: searched on validation, ranked again with fresh seeds, compared once."""

from trichord.studies.graphs.run import GraphStudyOutcome, run_graph_study
from trichord.studies.graphs.space import SearchSpace
from trichord.studies.graphs.study import GraphStudy

__all__ = ["GraphStudy", "GraphStudyOutcome", "SearchSpace", "run_graph_study"]
