"""Timings and memory of trichord beside plain baselines written for them; `python -m benchmarks` runs them all."""
