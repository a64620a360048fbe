"""The study of MMLoRA: matrices over frozen experts, held against their ensemble and against joint learning."""

from trichord.studies.mmlora.run import MMLoRAOutcome, run_mmlora_study
from trichord.studies.mmlora.study import MMLoRAStudy

__all__ = ["MMLoRAOutcome", "MMLoRAStudy", "run_mmlora_study"]
