"""The report on a search for a transfer graph: what was found, whether it is a gain, and how much was luck."""
