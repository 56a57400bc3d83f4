"""What people can do: the use cases behind the command line, and any other way to ask for them, one function each.

Every function takes the ports (a `Wiring` is one) and, when it changes something, `actor` and `now`; it checks all that
was given before it writes, writes in one transaction with its audit row, and raises InvalidInput, NotFound or Conflict
in words that say what would be right. Nothing here reads the clock, prints, or knows who asks.

A module here is imported when one of its names is first used: `tocsin --help` must not wait for numpy and SQL.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.backtest.findings import Found as Found
    from shared.doubts import Doubt as Doubt
    from shared.manage.acks import Acknowledgeable as Acknowledgeable
    from shared.manage.acks import acknowledge as acknowledge
    from shared.manage.acks import acknowledge_notification as acknowledge_notification
    from shared.manage.acks import acknowledgeable as acknowledgeable
    from shared.manage.acks import withdraw_acknowledgement as withdraw_acknowledgement
    from shared.manage.alerts import AlertDetail as AlertDetail
    from shared.manage.alerts import get_alert as get_alert
    from shared.manage.alerts import list_alerts as list_alerts
    from shared.manage.applying import FilePlan as FilePlan
    from shared.manage.applying import apply_rules as apply_rules
    from shared.manage.applying import plan_rules as plan_rules
    from shared.manage.backtest import backtest_draft as backtest_draft
    from shared.manage.backtest import backtest_rule as backtest_rule
    from shared.manage.backtest import pace as pace
    from shared.manage.channels import ChannelItem as ChannelItem
    from shared.manage.channels import SentTest as SentTest
    from shared.manage.channels import delivery_result as delivery_result
    from shared.manage.channels import list_channels as list_channels
    from shared.manage.channels import send_test as send_test
    from shared.manage.completing import ids_beginning as ids_beginning
    from shared.manage.deliveries import DeliveryDetail as DeliveryDetail
    from shared.manage.deliveries import Retried as Retried
    from shared.manage.deliveries import get_delivery as get_delivery
    from shared.manage.deliveries import list_deliveries as list_deliveries
    from shared.manage.deliveries import retry_deliveries as retry_deliveries
    from shared.manage.demo import Seeded as Seeded
    from shared.manage.demo import seed_demo as seed_demo
    from shared.manage.describing import FieldSeen as FieldSeen
    from shared.manage.describing import MonitorDescribed as MonitorDescribed
    from shared.manage.describing import describe_monitor as describe_monitor
    from shared.manage.differing import Difference as Difference
    from shared.manage.differing import FileChange as FileChange
    from shared.manage.drafts import RuleChanges as RuleChanges
    from shared.manage.drafts import RuleDraft as RuleDraft
    from shared.manage.drafts import changes_of_rule as changes_of_rule
    from shared.manage.drafts import draft_rule as draft_rule
    from shared.manage.explain import Explained as Explained
    from shared.manage.explain import SeriesStanding as SeriesStanding
    from shared.manage.explain import explain_rule as explain_rule
    from shared.manage.exporting import export_rules as export_rules
    from shared.manage.forgetting import ForgottenOne as ForgottenOne
    from shared.manage.forgetting import forget_series as forget_series
    from shared.manage.history import list_changes as list_changes
    from shared.manage.letters import LetterDetail as LetterDetail
    from shared.manage.letters import LetterItem as LetterItem
    from shared.manage.letters import get_dead_letter as get_dead_letter
    from shared.manage.letters import list_dead_letters as list_dead_letters
    from shared.manage.letters import replay_dead_letter as replay_dead_letter
    from shared.manage.monitors import AddedMonitor as AddedMonitor
    from shared.manage.monitors import Suggestion as Suggestion
    from shared.manage.monitors import add_monitor as add_monitor
    from shared.manage.monitors import delete_monitor as delete_monitor
    from shared.manage.monitors import discover_monitors as discover_monitors
    from shared.manage.monitors import get_monitor as get_monitor
    from shared.manage.monitors import list_monitors as list_monitors
    from shared.manage.once import create_rule_once as create_rule_once
    from shared.manage.ports import Ports as Ports
    from shared.manage.restored import AfterRestore as AfterRestore
    from shared.manage.restored import after_restore as after_restore
    from shared.manage.restoring import restore_rule as restore_rule
    from shared.manage.rules import RuleDetail as RuleDetail
    from shared.manage.rules import RuleItem as RuleItem
    from shared.manage.rules import RuleWritten as RuleWritten
    from shared.manage.rules import create_rule as create_rule
    from shared.manage.rules import delete_rule as delete_rule
    from shared.manage.rules import get_rule as get_rule
    from shared.manage.rules import list_rules as list_rules
    from shared.manage.rules import rule_titles as rule_titles
    from shared.manage.rules import set_enabled as set_enabled
    from shared.manage.rules import update_rule as update_rule
    from shared.manage.self_alerts import SelfAlert as SelfAlert
    from shared.manage.self_alerts import Switched as Switched
    from shared.manage.self_alerts import list_self_alerts as list_self_alerts
    from shared.manage.self_alerts import turn_off_self_alerts as turn_off_self_alerts
    from shared.manage.self_alerts import turn_on_self_alerts as turn_on_self_alerts
    from shared.manage.silence_drafts import SilenceDraft as SilenceDraft
    from shared.manage.silence_drafts import draft_silence as draft_silence
    from shared.manage.silence_drafts import weekly_of as weekly_of
    from shared.manage.silences import SilenceItem as SilenceItem
    from shared.manage.silences import end_silence as end_silence
    from shared.manage.silences import list_silences as list_silences
    from shared.manage.silences import silence_alerts as silence_alerts
    from shared.manage.stats import AlertStats as AlertStats
    from shared.manage.stats import NoisyRule as NoisyRule
    from shared.manage.stats import SilentRule as SilentRule
    from shared.manage.stats import Spread as Spread
    from shared.manage.stats import Stretch as Stretch
    from shared.manage.stats import alert_stats as alert_stats
    from shared.manage.status import Status as Status
    from shared.manage.status import get_status as get_status
    from shared.manage.story import SeriesStory as SeriesStory
    from shared.manage.templates import FittingTemplate as FittingTemplate
    from shared.manage.templates import MatchedTemplates as MatchedTemplates
    from shared.manage.templates import Template as Template
    from shared.manage.templates import TemplateVariant as TemplateVariant
    from shared.manage.templates import fill_template as fill_template
    from shared.manage.templates import get_template as get_template
    from shared.manage.templates import list_templates as list_templates
    from shared.manage.templates import match_templates as match_templates
    from shared.manage.words import condition_of as condition_of
    from shared.manage.words import seconds_of as seconds_of
    from shared.store.listing import AlertRow as AlertRow
    from shared.store.listing import DeliveryRow as DeliveryRow
    from shared.store.standings import RuleStanding as RuleStanding

_HOMES = {
    "shared.doubts": ("Doubt",),
    "shared.backtest.findings": ("Found",),
    "shared.manage.acks": (
        "Acknowledgeable",
        "acknowledge",
        "acknowledge_notification",
        "acknowledgeable",
        "withdraw_acknowledgement",
    ),
    "shared.manage.alerts": ("AlertDetail", "get_alert", "list_alerts"),
    "shared.manage.applying": ("FilePlan", "apply_rules", "plan_rules"),
    "shared.manage.backtest": ("backtest_draft", "backtest_rule", "pace"),
    "shared.manage.channels": ("ChannelItem", "SentTest", "delivery_result", "list_channels", "send_test"),
    "shared.manage.completing": ("ids_beginning",),
    "shared.manage.deliveries": (
        "DeliveryDetail",
        "Retried",
        "get_delivery",
        "list_deliveries",
        "retry_deliveries",
    ),
    "shared.manage.describing": ("FieldSeen", "MonitorDescribed", "describe_monitor"),
    "shared.manage.demo": ("Seeded", "seed_demo"),
    "shared.manage.differing": ("Difference", "FileChange"),
    "shared.manage.drafts": ("RuleChanges", "RuleDraft", "changes_of_rule", "draft_rule"),
    "shared.manage.explain": ("Explained", "SeriesStanding", "explain_rule"),
    "shared.manage.exporting": ("export_rules",),
    "shared.manage.forgetting": ("ForgottenOne", "forget_series"),
    "shared.manage.history": ("list_changes",),
    "shared.manage.letters": (
        "LetterDetail",
        "LetterItem",
        "get_dead_letter",
        "list_dead_letters",
        "replay_dead_letter",
    ),
    "shared.manage.monitors": (
        "AddedMonitor",
        "Suggestion",
        "add_monitor",
        "delete_monitor",
        "discover_monitors",
        "get_monitor",
        "list_monitors",
    ),
    "shared.manage.once": ("create_rule_once",),
    "shared.manage.ports": ("Ports",),
    "shared.manage.restored": ("AfterRestore", "after_restore"),
    "shared.manage.restoring": ("restore_rule",),
    "shared.manage.rules": (
        "RuleDetail",
        "RuleItem",
        "RuleWritten",
        "create_rule",
        "delete_rule",
        "get_rule",
        "list_rules",
        "rule_titles",
        "set_enabled",
        "update_rule",
    ),
    "shared.manage.self_alerts": (
        "SelfAlert",
        "Switched",
        "list_self_alerts",
        "turn_off_self_alerts",
        "turn_on_self_alerts",
    ),
    "shared.manage.silence_drafts": ("SilenceDraft", "draft_silence", "weekly_of"),
    "shared.manage.silences": ("SilenceItem", "end_silence", "list_silences", "silence_alerts"),
    "shared.manage.stats": ("AlertStats", "NoisyRule", "SilentRule", "Spread", "Stretch", "alert_stats"),
    "shared.manage.status": ("Status", "get_status"),
    "shared.manage.story": ("SeriesStory",),
    "shared.manage.templates": (
        "FittingTemplate",
        "MatchedTemplates",
        "Template",
        "TemplateVariant",
        "fill_template",
        "get_template",
        "list_templates",
        "match_templates",
    ),
    "shared.manage.words": ("condition_of", "seconds_of"),
    "shared.store.listing": ("AlertRow", "DeliveryRow"),
    "shared.store.standings": ("RuleStanding",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """A use case, or a noun that one gives or takes, from its module. AttributeError for any other name."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOME[name]), name)
        return found
