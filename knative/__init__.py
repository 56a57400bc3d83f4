"""Tocsin's manifests, and the runner that serves them on one machine (`python -m knative.local`).

Must not import `shared` or `functions`: what runs a system must know it by its manifests and its HTTP only.
"""
