"""What Tocsin's own monitors measure: each module turns one look at the world into points."""
