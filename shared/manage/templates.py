"""Ready-made rules: one YAML file each in `rule_templates/`, whose name is the template's.

A template has variants, because the same thing has other names in other writers: the first one whose fields the monitor
really has is taken. What only people can know (a price) is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from shared import conditions
from shared.errors import InvalidInput, NotFound
from shared.manage import checks
from shared.manage.describing import FieldSeen, MonitorDescribed, describe_monitor
from shared.manage.ports import Ports
from shared.model import Frozen, Millis, Monitor

FOLDER = Path(__file__).with_name("rule_templates")
ANY = "*"
"""As the name of a field: the one with the most points."""


class TemplateVariant(Frozen):
    """One way to say it: on the first of `fields` that the monitor has.

    With `measurements`, `kinds` or `units` the monitor must have one of any of them: `used_percent` alone may be a disk
    or a memory. `condition` lacks its field.
    """

    fields: tuple[str, ...] = Field(min_length=1)
    measurements: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    condition: dict[str, Any]


class Template(Frozen):
    """A ready-made rule. `asks` are the keys of its condition that have to be given, and what they mean; `rule` holds
    further keys of the rule."""

    name: str
    title: str
    about: str
    severity: str
    description: str = ""
    asks: dict[str, str] = Field(default_factory=dict)
    rule: dict[str, Any] = Field(default_factory=dict)
    variants: tuple[TemplateVariant, ...] = Field(min_length=1)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Every field that a variant looks for, once."""
        return tuple(dict.fromkeys(name for one in self.variants for name in one.fields))


@dataclass(frozen=True, slots=True)
class FittingTemplate:
    """A template on one monitor: the title and condition of the rule, and the field as it was lately.

    The condition lacks what `template.asks`; `text` has it in words, and is empty then.
    """

    template: Template
    title: str
    condition: Mapping[str, Any]
    text: str
    field: FieldSeen


@dataclass(frozen=True, slots=True)
class UnfitTemplate:
    """A template that a monitor can't have, and why."""

    template: Template
    why: str


@dataclass(frozen=True, slots=True)
class MatchedTemplates:
    """Every template against one monitor. `trouble`: why its points could not be read; then its known fields count."""

    monitor: Monitor
    fitting: tuple[FittingTemplate, ...]
    others: tuple[UnfitTemplate, ...]
    trouble: str = ""


@cache
def list_templates() -> tuple[Template, ...]:
    """Every template, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.yaml")))


def _read(path: Path) -> Template:
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Template.model_validate({**given, "name": path.stem})


def get_template(name: str) -> Template:
    """The template of this name. Raises NotFound with the closest one."""
    known = {one.name: one for one in list_templates()}
    found = known.get(name.strip().lower())
    if found is None:
        raise NotFound("template", name, checks.meant(name, known) or f"there are {', '.join(known)}")
    return found


def match_templates(ports: Ports, monitor: str, *, now: Millis) -> MatchedTemplates:
    """Which templates fit a monitor (id or name), by the fields that it really writes. Raises NotFound."""
    seen = describe_monitor(ports, monitor, now=now)
    found = [_matched(one, seen) for one in list_templates()]
    fitting = tuple(one for one in found if isinstance(one, FittingTemplate))
    others = tuple(one for one in found if isinstance(one, UnfitTemplate))
    return MatchedTemplates(seen.monitor, fitting, others, seen.trouble)


def fill_template(ports: Ports, name: str, given: Mapping[str, Any], *, now: Millis) -> dict[str, Any]:
    """What a rule draft takes, from a template and what is given: that wins over the template's.

    Of a `condition` only what differs has to be given; one of another type replaces it. Raises NotFound, and
    InvalidInput when the template does not fit the monitor, or something that it asks for is not given.
    """
    template = get_template(name)
    monitor = given.get("monitor")
    if monitor is None:
        raise InvalidInput("monitor", None, "a template is matched to the fields of one monitor")
    asked = dict(given.get("condition") or {})
    found = _matched(template, describe_monitor(ports, monitor, now=now), asked.get("field"))
    if isinstance(found, UnfitTemplate):
        raise InvalidInput("template", template.name, f"it does not fit this monitor: {found.why}")
    base = {} if asked.get("type", found.condition["type"]) != found.condition["type"] else found.condition
    condition = {**base, **asked}
    for key, meaning in template.asks.items() if base else ():
        if key not in condition:
            raise InvalidInput(f"condition.{key}", None, f"give {meaning}", _lately(found.field))
    text = {"description": template.description} if template.description else {}
    made = {"title": found.title, "severity": template.severity, **text, **template.rule}
    return {**made, **given, "condition": condition}


def _lately(field: FieldSeen) -> str:
    if field.least is None or field.greatest is None or field.latest is None:
        return ""
    span = f"between {field.least:.6g} and {field.greatest:.6g}"
    return f"Lately {field.name} was {span}, at last {field.latest:.6g}"


# ------------------------------------------------------------------ matching


def _matched(
    template: Template, seen: MonitorDescribed, wanted: str | None = None
) -> FittingTemplate | UnfitTemplate:
    """The first variant that fits; on the field `wanted`, if somebody named one."""
    if wanted is not None:
        return _on_field(template, seen, wanted)
    reasons: list[str] = []
    for variant in template.variants:
        for field in _candidates(variant, seen):
            why = _another_thing(variant, seen.monitor, field) or _no_number(variant, field)
            if not why:
                return _fitting(template, variant, seen.monitor, field)
            reasons.append(why)
    return UnfitTemplate(template, "; ".join(dict.fromkeys(reasons)) or _no_field(template, seen))


def _on_field(template: Template, seen: MonitorDescribed, wanted: str) -> FittingTemplate | UnfitTemplate:
    field = next((one for one in seen.fields if one.name == wanted), None)
    if field is None:
        known = [one.name for one in seen.fields]
        listed = f"it has {', '.join(known)}" if known else "no field of it is known"
        return UnfitTemplate(
            template, f"it has no field {wanted!r}; {listed}. {checks.meant(wanted, known)}".rstrip()
        )
    naming = [one for one in template.variants if wanted in one.fields]
    fitting = [one for one in naming if not _another_thing(one, seen.monitor, field)]
    usable = fitting or naming or template.variants
    if len(usable) > 1:
        names = ", ".join(template.field_names)
        return UnfitTemplate(
            template, f"it says other things of {names}, so it can't tell what {wanted!r} means"
        )
    why = _no_number(usable[0], field)
    return UnfitTemplate(template, why) if why else _fitting(template, usable[0], seen.monitor, field)


def _fitting(
    template: Template, variant: TemplateVariant, monitor: Monitor, field: FieldSeen
) -> FittingTemplate:
    rest = {key: value for key, value in variant.condition.items() if key != "type"}
    condition = {"type": variant.condition["type"], "field": field.name, **rest}
    room = 200 - len(template.title) - 2
    title = f"{template.title}: {monitor.name[:room]}"
    text = "" if template.asks else conditions.describe(condition)
    return FittingTemplate(template, title, condition, text, field)


def _candidates(variant: TemplateVariant, seen: MonitorDescribed) -> Sequence[FieldSeen]:
    if ANY in variant.fields:
        return sorted(seen.fields, key=lambda one: -one.points)[:1]
    by_name = {one.name: one for one in seen.fields}
    return [by_name[name] for name in variant.fields if name in by_name]


def _another_thing(variant: TemplateVariant, monitor: Monitor, field: FieldSeen) -> str:
    """Why this field means something else here; empty if it doesn't."""
    if not (variant.measurements or variant.kinds or variant.units):
        return ""
    unit = field.unit.split(",")[0].strip().lower()
    if monitor.measurement in variant.measurements or monitor.kind in variant.kinds or unit in variant.units:
        return ""
    signs = (
        ("measurement", variant.measurements),
        ("kind", variant.kinds),
        ("unit of the field", variant.units),
    )
    wanted = ", or ".join(f"{word} {' or '.join(some)}" for word, some in signs if some)
    return f"{field.name!r} may be anything here: it needs {wanted}"


def _no_number(variant: TemplateVariant, field: FieldSeen) -> str:
    texts = field.kind == "string" and variant.condition["type"] != "absence"
    return f"{field.name!r} holds text, and it needs a number" if texts else ""


def _either(names: Sequence[str]) -> str:
    """`price, last or close`."""
    return " or ".join(one for one in (", ".join(names[:-1]), names[-1]) if one)


def _no_field(template: Template, seen: MonitorDescribed) -> str:
    known = [one.name for one in seen.fields]
    has = f"the monitor has {', '.join(known[:10])}{', …' if len(known) > 10 else ''}"
    wanted = "a field" if ANY in template.field_names else f"a field {_either(template.field_names)}"
    return f"it needs {wanted}; {has if known else 'no field of the monitor is known yet'}"
