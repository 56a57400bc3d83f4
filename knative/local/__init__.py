"""Run the laptop overlay on one machine, without Kubernetes: `python -m knative.local`.

It reads the manifests that a cluster would be given, starts each function under functions-framework with
that manifest's own environment, and plays what Knative does around them: Broker, Triggers, PingSource,
SinkBinding, Jobs.
It must not import `shared` or `functions`, and must not accept a manifest that it can't honour.
"""
