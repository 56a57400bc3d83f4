"""The manifests of every installation, and what runs them on one laptop."""
