"""What the schemas of Kubernetes and Knative say about a manifest. Must not read files.

Knative's models are made from the definitions of 1.17 and ignore what they don't know, so an object is read and written
again: what is gone was unknown.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
from pydantic import BaseModel, ValidationError

from tests.support.manifests import Manifest

KUBERNETES = "1.37"
_BEYOND_THE_MODELS = {("Trigger", "spec.delivery.timeout")}
"""The definition takes it by x-kubernetes-preserve-unknown-fields, "necessary to enable … delivery-timeout"."""


@cache
def _models() -> dict[str, type[BaseModel]]:
    with warnings.catch_warnings():
        # The generated models have fields that are called as methods of their parent: `name`, `schema`.
        warnings.filterwarnings(
            "ignore", message="Field name .* shadows an attribute in parent", category=UserWarning
        )
        from cloudcoil.models.knative_eventing.eventing.v1 import Broker, Trigger
        from cloudcoil.models.knative_eventing.sources.v1 import PingSource, SinkBinding
        from cloudcoil.models.knative_serving.serving.v1 import Service
    return {
        "serving.knative.dev/v1/Service": Service,
        "eventing.knative.dev/v1/Broker": Broker,
        "eventing.knative.dev/v1/Trigger": Trigger,
        "sources.knative.dev/v1/PingSource": PingSource,
        "sources.knative.dev/v1/SinkBinding": SinkBinding,
    }


def knative_kinds() -> set[str]:
    """The kinds of Knative that there is a schema for."""
    return set(_models())


def complaints(item: Manifest) -> list[str]:
    """What a schema refuses in an object; empty when it is valid. KeyError for one of Knative's without a schema."""
    group = item["apiVersion"].partition("/")[0]
    if not group.endswith("knative.dev"):
        return _of_kubernetes(item)
    model = _models()[f"{item['apiVersion']}/{item['kind']}"]
    try:
        read = model.model_validate(item)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
    lost = _lost(item, read.model_dump(mode="json", by_alias=True, exclude_none=True), "")
    return [f"{path}: unknown" for path in lost if (item["kind"], path) not in _BEYOND_THE_MODELS]


def _of_kubernetes(item: Manifest) -> list[str]:
    try:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error.message)]
    return []


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            here = f"{path}.{key}" if path else str(key)
            if key in kept:
                yield from _lost(value, kept[key], here)
            else:
                yield here
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, value in enumerate(given):
            yield from _lost(value, kept[index], f"{path}[{index}]")
    elif given != kept:
        yield path
