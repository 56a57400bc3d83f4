"""Knative on a laptop: runs the manifests of the laptop overlay.

It knows manifests and HTTP, never `shared` or `functions`, so that it can't do more than a cluster does.
"""
