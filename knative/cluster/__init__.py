"""Bring an overlay into a cluster, say how it is, and take it out again: `python -m knative.cluster`, by kubectl alone.

Must not know Tocsin: only manifests, and what Kubernetes and Knative say of them.
"""
