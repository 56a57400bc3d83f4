"""Tocsin's library: the pure core (model, conditions, decide, announce), its ports and its shells."""
