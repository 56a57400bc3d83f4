"""Resources: what tools answer about one thing, at an address that can be put into a conversation; and two documents.

Nothing is here that no tool tells: many clients show resources to people only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic import BaseModel

from shared import manage
from shared.conversation import documents, refusals
from shared.conversation.access import Scope
from shared.conversation.tooling import Call
from shared.conversation.tools.alerts import get_alert
from shared.conversation.tools.monitors import describe_monitor
from shared.conversation.tools.rules import get_alert_rule
from shared.errors import InvalidInput, NotFound, TocsinError

SCOPE = Scope.READ
"""What a token needs for any of them, the same as the tools that tell it."""
Declared = Callable[[Call, str], BaseModel]


@dataclass(frozen=True, slots=True)
class Thing:
    """A sort of things, each at an address of its own."""

    uri: str
    name: str
    title: str
    description: str
    read: Declared

    def answer(self, call: Call, wanted: str) -> str:
        """One of them as JSON. Raises the SDK's errors; nothing of another tenant is ever found."""
        if refusals.unplain(wanted):
            raise ResourceNotFoundError(f"there is no {self.name} of that name")
        try:
            return self.read(call, wanted).model_dump_json(exclude_none=True)
        except NotFound as error:
            raise ResourceNotFoundError(str(error)) from error
        except InvalidInput as error:  # several begin so, or have that title
            raise ResourceNotFoundError(refusals.of_error(error, "resources/read")) from error
        except TocsinError as error:
            raise ResourceError(refusals.of_error(error, "resources/read")) from error


@dataclass(frozen=True, slots=True)
class Document:
    """A text that is the same for everybody."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str
    text: Callable[[], str]


def _template(_call: Call, name: str) -> BaseModel:
    return manage.get_template(name)


THINGS: Sequence[Thing] = (
    Thing(
        "alert://rules/{id}",
        "rule",
        "Alert rule",
        "One rule with how it does, as get_alert_rule tells it.",
        get_alert_rule,
    ),
    Thing(
        "alert://alerts/{id}",
        "alert",
        "Alert",
        "One alert with its timeline and its deliveries, as get_alert tells it.",
        get_alert,
    ),
    Thing(
        "alert://monitors/{id}",
        "monitor",
        "Monitor",
        "One monitor with its fields and what they held lately, as describe_monitor tells it.",
        describe_monitor,
    ),
    Thing(
        "alert://templates/{name}",
        "template",
        "Ready-made rule",
        "One ready-made rule with its conditions; rule_templates fits it to a monitor.",
        _template,
    ),
)
DOCUMENTS: Sequence[Document] = (
    Document(
        "alert://docs/conditions",
        "conditions",
        "Conditions",
        "When a rule breaches: every type of condition with its keys, and examples.",
        "text/markdown",
        documents.conditions,
    ),
    Document(
        "alert://schema/rule",
        "rule-schema",
        "Schema of a rule",
        "What a rule can say, as JSON schema.",
        "application/schema+json",
        documents.rule_schema,
    ),
)


def completed(call: Call, sort: str, begun: str) -> Sequence[str]:
    """The ids of rules, alerts or monitors, or the names of templates, that begin so."""
    if sort == "template":
        return [one.name for one in manage.list_templates() if one.name.startswith(begun)]
    return manage.ids_beginning(call.ports, sort, begun)
