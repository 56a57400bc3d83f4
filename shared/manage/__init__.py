"""What people can do: the use cases behind the command line, and any other way to ask for them, one function each.

Every function takes the ports (a `Wiring` is one) and, when it changes something, `actor` and `now`; it checks all that
was given before it writes, writes in one transaction with its audit row, and raises InvalidInput, NotFound or Conflict
in words that say what would be right. Nothing here reads the clock, prints, or knows who asks.
"""

from shared.manage.alerts import AlertDetail, acknowledge, get_alert, list_alerts, withdraw_acknowledgement
from shared.manage.channels import ChannelItem, list_channels
from shared.manage.demo import Seeded, seed_demo
from shared.manage.drafts import RuleChanges, RuleDraft, changes_of_rule, draft_rule
from shared.manage.monitors import (
    AddedMonitor,
    Suggestion,
    add_monitor,
    delete_monitor,
    discover_monitors,
    get_monitor,
    list_monitors,
)
from shared.manage.ports import Ports
from shared.manage.rules import (
    RuleDetail,
    RuleItem,
    RuleWritten,
    create_rule,
    delete_rule,
    get_rule,
    list_rules,
    set_enabled,
    update_rule,
)
from shared.manage.words import condition_of, seconds_of
from shared.store.listing import AlertRow, RuleStanding

__all__ = [
    "AddedMonitor",
    "AlertDetail",
    "AlertRow",
    "ChannelItem",
    "Ports",
    "RuleChanges",
    "RuleDetail",
    "RuleDraft",
    "RuleItem",
    "RuleStanding",
    "RuleWritten",
    "Seeded",
    "Suggestion",
    "acknowledge",
    "add_monitor",
    "changes_of_rule",
    "condition_of",
    "create_rule",
    "delete_monitor",
    "delete_rule",
    "discover_monitors",
    "draft_rule",
    "get_alert",
    "get_monitor",
    "get_rule",
    "list_alerts",
    "list_channels",
    "list_monitors",
    "list_rules",
    "seconds_of",
    "seed_demo",
    "set_enabled",
    "update_rule",
    "withdraw_acknowledgement",
]
