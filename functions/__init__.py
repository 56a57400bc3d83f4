"""The edges: each folder is one Knative Service that reads an event or request and calls one verb of `shared`."""
