"""Knowledge transfer graphs: models as nodes, gated edges that pass knowledge (Minami et al., ACCV 2020)."""
