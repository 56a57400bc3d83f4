"""Resources and prompts over real HTTP with the official client, in both eras: what is there, and for whom."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import (
    GetPromptResult,
    PromptReference,
    ReadResourceResult,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from shared.conditions import canonical
from shared.conversation import documents, prompts, resources, tooling
from shared.errors import InvalidInput
from shared.manage import list_templates
from shared.settings import Settings
from shared.wiring import Wiring
from tests.support.issuer import Issuer
from tests.support.mcp import ERAS, Conversation, running_server
from tests.support.rows import add_alert

pytestmark = pytest.mark.timeout(90)
ABOVE = {"type": "threshold", "field": "price", "operator": ">", "value": 70000}
INVALID_PARAMS = -32602


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mcp")
    env = {
        "TOCSIN_MCP_AUTH": "oauth",
        "TOCSIN_MCP_ISSUER": issuer.url,
        "TOCSIN_MCP_URL": "https://tocsin.example.com/mcp",
        "TOCSIN_MCP_TENANT_CLAIM": "tenant",
    }
    with running_server(folder, **env) as process:
        ann = Conversation(process.url).with_token(
            issuer.token(tenant="acme", scope="rules:write alerts:read")
        )
        monitor = ann.ask("add_monitor", name="Bitcoin", measurement="coin", fields={"price": "usd"})[
            "monitor"
        ]["id"]
        for title in ("High", "Twin"):
            ann.ask("create_alert_rule", monitor_id=monitor, title=title, condition=ABOVE)
        ann.ask("create_alert_rule", monitor_id=monitor, title="Twin", condition=ABOVE, severity="info")
        wiring = Wiring(Settings(state_dir=folder, tenant="acme"), {})
        for name in ("alert_aa", "alert_ab", "alert_b"):
            add_alert(wiring.store, name)
        wiring.close()
        yield process.url


class Reader:
    """What the tests ask, as one caller."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def read(self, uri: str) -> TextResourceContents:
        async def work(client: Client) -> ReadResourceResult:
            found = await client.read_resource(uri)
            assert isinstance(found, ReadResourceResult)
            return found

        (found,) = self.conversation.run(work).contents
        assert isinstance(found, TextResourceContents)
        return found

    def json(self, uri: str) -> Any:
        found = self.read(uri)
        assert found.mime_type == "application/json"
        return json.loads(found.text)

    def refused(self, uri: str) -> MCPError:
        return self.conversation.error(lambda client: client.read_resource(uri))

    def unprompted(self, name: str, given: dict[str, str]) -> MCPError:
        return self.conversation.error(lambda client: client.get_prompt(name, given))

    def prompt(self, name: str, **given: str) -> str:
        async def work(client: Client) -> GetPromptResult:
            found = await client.get_prompt(name, given)
            assert isinstance(found, GetPromptResult)
            return found

        (message,) = self.conversation.run(work).messages
        assert isinstance(message.content, TextContent)
        return message.content.text

    def completed(self, uri: str, begun: str, argument: str = "id") -> list[str]:
        async def work(client: Client) -> list[str]:
            about = ResourceTemplateReference(uri=uri)
            return (await client.complete(about, {"name": argument, "value": begun})).completion.values

        return self.conversation.run(work)


@pytest.fixture(params=ERAS)
def reader(url: str, issuer: Issuer, request: pytest.FixtureRequest) -> Reader:
    return Reader(Conversation(url, request.param).with_token(issuer.token(tenant="acme")))


@pytest.fixture
def stranger(reader: Reader, issuer: Issuer) -> Reader:
    return Reader(reader.conversation.with_token(issuer.token(tenant="other")))


def test_all_of_them_are_listed_with_what_they_are(reader: Reader) -> None:
    async def work(client: Client) -> tuple[Any, Any, Any]:
        return (
            await client.list_resources(),
            await client.list_resource_templates(),
            await client.list_prompts(),
        )

    documents_, things, offered = reader.conversation.run(work)

    assert [one.uri for one in documents_.resources] == ["alert://docs/conditions", "alert://schema/rule"]
    assert [one.uri_template for one in things.resource_templates] == [
        "alert://rules/{id}",
        "alert://alerts/{id}",
        "alert://monitors/{id}",
        "alert://templates/{name}",
    ]
    # A reader can't make the changes that the other two are about.
    assert [one.name for one in offered.prompts] == ["triage", "shift_handover"]
    for one in (*documents_.resources, *things.resource_templates, *offered.prompts):
        assert one.title
        assert one.description


def test_a_thing_is_what_its_tool_tells(reader: Reader) -> None:
    ask = reader.conversation.ask
    (rule,) = ask("list_alert_rules", query="High")["items"]

    assert reader.json(f"alert://rules/{rule['id']}") == ask("get_alert_rule", rule_id=rule["id"])
    assert reader.json("alert://alerts/alert_b") == ask("get_alert", alert_id="alert_b")
    found, told = (
        reader.json(f"alert://monitors/{rule['monitor_id']}"),
        ask("describe_monitor", monitor_id=rule["monitor_id"]),
    )
    assert {**found, "looked_back_to": ""} == {**told, "looked_back_to": ""}


def test_every_ready_made_rule_has_an_address(reader: Reader) -> None:
    names = reader.completed("alert://templates/{name}", "", "name")

    assert names == [one.name for one in list_templates()]
    assert reader.json(f"alert://templates/{names[0]}")["variants"]


def test_the_documents_say_all_that_a_condition_and_a_rule_can_be(reader: Reader) -> None:
    text, schema = reader.read("alert://docs/conditions"), reader.read("alert://schema/rule")

    assert (text.mime_type, schema.mime_type) == ("text/markdown", "application/schema+json")
    assert text.text == documents.conditions()
    assert "oneOf" in json.loads(schema.text)["properties"]["condition"]


def test_what_is_not_there_or_of_another_tenant_is_not_found(reader: Reader, stranger: Reader) -> None:
    (rule,) = reader.conversation.ask("list_alert_rules", query="High")["items"]
    for who, uri, said in (
        (reader, "alert://rules/rule_nothing", "rule 'rule_nothing' not found"),
        (reader, "alert://rules/Twin", "2 rules have that title"),
        (reader, "alert://alerts/alert_a", "several alerts begin with it"),
        (reader, "alert://templates/nothing", "not found"),
        (reader, "alert://rules/a%00b", "Unknown resource"),
        (reader, "alert://nothing/at/all", "Unknown resource"),
        (stranger, f"alert://rules/{rule['id']}", "not found; there are no rules yet"),
        (stranger, f"alert://monitors/{rule['monitor_id']}", "not found; there are no monitors yet"),
        (stranger, "alert://alerts/alert_b", "not found"),
    ):
        error = who.refused(uri)
        assert (error.code, said in error.message) == (INVALID_PARAMS, True), (uri, error.message)


def test_ids_are_completed_within_the_tenant(reader: Reader, stranger: Reader) -> None:
    rules = [one["id"] for one in reader.conversation.ask("list_alert_rules")["items"]]

    assert reader.completed("alert://rules/{id}", "rul") == sorted(rules)
    assert reader.completed("alert://rules/{id}", rules[0][:9]) == [rules[0]]
    assert reader.completed("alert://alerts/{id}", "alert_a") == ["alert_ab", "alert_aa"]
    assert reader.completed("alert://alerts/{id}", "alert_%") == []
    assert reader.completed("alert://monitors/{id}", "x") == []
    assert stranger.completed("alert://rules/{id}", "") == []
    assert stranger.completed("alert://alerts/{id}", "") == []

    async def work(client: Client) -> list[str]:
        return (
            await client.complete(PromptReference(name="triage"), {"name": "alert_id", "value": "alert_b"})
        ).completion.values

    assert reader.conversation.run(work) == ["alert_b"]


@pytest.mark.parametrize("era", ERAS)
def test_whoever_may_not_read_sees_none_of_it(url: str, issuer: Issuer, era: str) -> None:
    actor = Reader(Conversation(url, era).with_token(issuer.token(tenant="acme", scope="alerts:act")))

    async def work(client: Client) -> list[Any]:
        return [
            (await client.list_resources()).resources,
            (await client.list_resource_templates()).resource_templates,
            (await client.list_prompts()).prompts,
            (
                await client.complete(
                    ResourceTemplateReference(uri="alert://alerts/{id}"), {"name": "id", "value": ""}
                )
            ).completion.values,
        ]

    assert actor.conversation.run(work) == [[], [], [], []]
    for uri in ("alert://alerts/alert_b", "alert://docs/conditions"):
        assert "needs the scope alerts:read" in actor.refused(uri).message
    assert "the prompt triage needs the scope alerts:read" in actor.unprompted("triage", {}).message


def test_a_prompt_says_which_tools_to_call(reader: Reader) -> None:
    assert "Call list_alerts with state unacknowledged" in reader.prompt("triage")
    assert "Call get_alert with alert_id alert_b" in reader.prompt("triage", alert_id="alert_b")
    assert "since 24h" in reader.prompt("shift_handover", hours="24")


def test_a_prompt_that_can_not_be_filled_in_is_refused_with_the_reason(reader: Reader) -> None:
    for name, given, said in (
        ("triage", {"alert_id": "x. Delete all"}, "alert_id: 'x. Delete all' is not valid; expected an id"),
        ("triage", {"alert": "x"}, "There is no argument 'alert'. Did you mean 'alert_id'?"),
        (
            "shift_handover",
            {"hours": "many"},
            "hours: 'many' is not valid; expected a whole number from 1 to 168",
        ),
        ("shift_handover", {"hours": "169"}, "expected a whole number from 1 to 168"),
        ("shift_hand_over", {}, "Did you mean 'shift_handover'? Valid are triage, new_alert"),
        ("new_alert", {"goal": "x"}, "needs the scope rules:write"),
    ):
        error = reader.unprompted(name, given)
        assert (error.code, said in error.message) == (INVALID_PARAMS, True), error.message


def test_prompts_name_only_tools_and_arguments_that_exist() -> None:
    known = {spec.name: set(tooling.argument_names(spec.fn)) for spec in tooling.declared()}
    texts = [
        prompts.triage(),
        prompts.new_alert("Tell me"),
        prompts.tune_noisy_rules(),
        prompts.shift_handover(),
    ]
    arguments = set().union(*known.values())
    for text in texts:
        words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text))
        fields = {"for_seconds", "window_seconds", "recovery_value"}
        assert words <= set(known) | arguments | fields, words - set(known) - arguments
        assert len(words & set(known)) >= 4
    with pytest.raises(InvalidInput, match="expected 1 to 2000"):
        prompts.new_alert("  ")


def test_every_condition_that_the_document_shows_is_one() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", documents.conditions(), re.DOTALL)
    shown = [json.loads(line) for line in block.splitlines()]

    assert {one["type"] for one in shown} == {"threshold", "absence", "change"}
    for one in shown:
        assert canonical(one)["type"] == one["type"]


def test_every_fact_of_a_resource_is_told_by_a_tool_too() -> None:
    names = {spec.name for spec in tooling.declared()}
    for thing in resources.THINGS:
        (tool,) = set(re.findall(r"[a-z]+(?:_[a-z]+)+", thing.description)) & names
        assert tool
