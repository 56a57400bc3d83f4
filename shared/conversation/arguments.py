"""Arguments that several tools take, with what a model needs to know to give them rightly."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.conversation import schemas
from shared.model import SEVERITY_WORDS

MOST = 100
SeverityWord = Literal["critical", "high", "warning", "info"]


def _severity(given: object) -> object:
    """`medium` and `low` are understood, in any case."""
    found = SEVERITY_WORDS.get(given.strip().lower()) if isinstance(given, str) else None
    return given if found is None else found.word


Severity = Annotated[SeverityWord, BeforeValidator(_severity)]
LeastSeverity = Annotated[Severity | None, Field(description="Only of this severity or worse.")]
ExactSeverity = Annotated[Severity | None, Field(description="Only of exactly this severity.")]
Condition = Annotated[
    dict[str, Any],
    WithJsonSchema(
        schemas.condition()
        | {
            "description": "When it breaches. Most often a threshold: "
            '{"type":"threshold","field":"price","operator":">","value":70000}, with aggregation (latest, if left '
            "out), window_seconds and for_seconds where a single value says too little. absence notices that nothing "
            "is written any more, change compares with an earlier time, all and any combine."
        }
    ),
]
RuleId = Annotated[str, Field(max_length=200, description="Id of the rule (rule_…), or its title.")]
MonitorId = Annotated[str, Field(max_length=200, description="Id of the monitor (mon_…), or its name.")]
AlertId = Annotated[str, Field(max_length=100, description="Id of the alert, or the beginning of it.")]
Limit = Annotated[int, Field(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str | None, Field(max_length=400, description="next_cursor of the page before.")]
Since = Annotated[
    str | None,
    Field(
        max_length=64,
        description="From then on: 24h (before now), or a time with its zone, 2030-01-31T18:00:00Z.",
    ),
]
Until = Annotated[
    str | None, Field(max_length=64, description="Before then; now, if left out. Written as since.")
]
Labels = Annotated[dict[str, str] | None, Field(description='Labels, such as {"team":"payments"}.')]
