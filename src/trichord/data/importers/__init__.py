"""Importers of published files, one format per file; all of them pack into the data format."""
