"""Adapters: low-rank matrices that each pull one pair of modalities together, over one shared base."""
