"""The edges: each folder is one Knative Service that reads an event and calls one verb of `shared`."""
