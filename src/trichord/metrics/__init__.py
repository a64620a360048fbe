"""Measures as pure functions: ranks with ties, their expectations, intervals, paired tests, collapse."""
