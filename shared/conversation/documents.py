"""What a model can read about rules: conditions in words, and the schema of a rule; both made from the model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared.conversation import schemas
from shared.manage.drafts import RuleDraft

_OPENING = """# Conditions

A condition says when a rule breaches. It is a JSON object with a `type`; unknown keys are refused. It is evaluated for
each series of the rule's monitor (each combination of its key tags) in every tick, and comes to a reading: breaching,
clean, or missing. All durations are whole seconds.

```json
{"type": "threshold", "field": "price", "operator": ">", "value": 70000}
{"type": "threshold", "field": "usage", "operator": ">", "value": 90, "aggregation": "avg", "window_seconds": 600}
{"type": "threshold", "field": "used", "operator": ">", "value": 80, "levels": [{"severity": "critical", "value": 95}]}
{"type": "absence", "field": "up", "window_seconds": 300}
{"type": "change", "field": "price", "operator": ">", "value": 5, "unit": "percent", "compare_seconds": 3600}
```

- A series fires when it has breached for `for_seconds`. It resolves at the first clean reading; with
  `keep_firing_seconds` only when it has been clean for so long.
- With `recovery_value` a series that fires is clean only beyond that value, so that it doesn't flap.
- A missing reading is not clean. `no_data` says what it means: `keep` the state, `alert`, or `ok`.
- `levels` are further thresholds in the same direction, each with its severity: one rule that gets worse step by step.
- The parts of `all` and `any` are conditions without the keys that belong to the whole.
"""


def conditions() -> str:
    """The condition language, as Markdown."""
    return "\n".join([_OPENING, *(line for one in schemas.condition()["oneOf"] for line in _section(one))])


def _section(one: Mapping[str, Any]) -> Iterator[str]:
    required = one.get("required", ())
    yield f"## {one['properties']['type']['const']}\n"
    yield f"{one['description']}\n"
    yield "| key | default | meaning |"
    yield "| --- | --- | --- |"
    for name, schema in sorted(one["properties"].items(), key=lambda item: item[0] not in required):
        if name != "type":
            default = "required" if name in required else json.dumps(schema.get("default", ""))
            yield f"| `{name}` | {'' if default == json.dumps('') else default} | {_meaning(schema)} |"
    yield ""


def _meaning(schema: Mapping[str, Any]) -> str:
    words = [str(schema.get("description", ""))]
    if "enum" in schema:
        words.append("One of " + ", ".join(f"`{one}`" for one in schema["enum"]) + ".")
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        words.append(f"{low} to {high}.")
    return " ".join(word if word.endswith(".") else f"{word}." for word in words if word)


def rule_schema() -> str:
    """What a rule can say, as JSON schema; the condition is described in full."""
    found = schemas.asked(RuleDraft.model_json_schema())
    properties = {**found["properties"], "condition": schemas.condition()}
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Rule"}
    return json.dumps({**dialect, **found, "properties": properties}, indent=1, ensure_ascii=False)
