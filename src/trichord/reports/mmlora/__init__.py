"""The report of a study of MMLoRA: methods against the ensemble and the joint model, classes, ranks, what was lost."""
