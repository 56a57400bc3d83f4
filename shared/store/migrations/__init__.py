"""The schema's history: one numbered file per step in `versions/`, each naming the one before it."""
