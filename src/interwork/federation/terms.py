"""Reading ODRL: names in any of their forms, values single or in lists, every constraint of a policy, equal terms.

Two policies are equal when their rules are, whatever the order, the form of the names and the empty lists; ids,
parties and texts are compared elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any

ODRL = "http://www.w3.org/ns/odrl/2/"
VOCABULARY = "https://w3id.org/interwork/policy/"
PURPOSE = VOCABULARY + "purpose"
DEEPEST = 16
"""Logical constraints nested deeper than this are not evaluated."""
LOGICAL = ("and", "or", "xone", "andSequence")
RULES = ("permission", "prohibition", "obligation")
_IDENTITY = frozenset({"@id", "@type", "uid", "target", "assigner", "assignee"})


def term(value: object) -> str:
    """Write a name in its short form, whether it came as a term, a prefixed name, an IRI or a reference."""
    if isinstance(value, Mapping):
        value = value.get("@id", value.get("@value", ""))
    if not isinstance(value, str):
        return ""
    return value.removeprefix(ODRL).removeprefix("odrl:")


def many(value: object) -> list[Any]:
    """Read what may stand alone or in a list as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def values(value: object) -> list[str]:
    """Read a right operand as texts, whether single or a list, plain, typed or a reference."""
    found: list[str] = []
    for one in many(value):
        plain = one.get("@value", one.get("@id", "")) if isinstance(one, Mapping) else one
        found.append(plain if isinstance(plain, str) else json.dumps(plain))
    return found


def action_of(rule: Mapping[str, Any]) -> str:
    """Read the one action of a rule."""
    actions = many(rule.get("action"))
    return term(actions[0]) if len(actions) == 1 else ""


def moment(text: str, *, is_end: bool) -> datetime:
    """Read an xsd:dateTime, UTC where no zone is given; a date alone stands for its first or last moment."""
    if len(text) == len("2026-12-24"):
        day = datetime.fromisoformat(text)
        return datetime.combine(day, time.max if is_end else time.min, tzinfo=UTC)
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def constraints(odrl: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Walk every constraint of every rule: its path, itself, and how deep it stands."""
    waiting: list[tuple[str, Any, int]] = []
    for name in RULES:
        for index, rule in enumerate(many(odrl.get(name))):
            inner = many(rule.get("constraint")) if isinstance(rule, Mapping) else []
            waiting += [(f"{name}[{index}].constraint[{at}]", one, 0) for at, one in enumerate(inner)]
    while waiting:
        path, constraint, depth = waiting.pop(0)
        yield path, constraint, depth
        for name in LOGICAL if isinstance(constraint, Mapping) and depth <= DEEPEST else ():
            inner = many(constraint.get(name))
            waiting += [(f"{path}.{name}[{at}]", one, depth + 1) for at, one in enumerate(inner)]


def declared_purposes(odrl: Mapping[str, Any]) -> list[str]:
    """List the purposes somebody commits to by agreeing to a policy."""
    return sorted(
        {
            purpose
            for path, one, _ in constraints(odrl)
            if path.startswith("permission") and isinstance(one, Mapping) and term(one.get("leftOperand")) == PURPOSE
            if term(one.get("operator")) in ("eq", "isA", "isAnyOf")
            for purpose in values(one.get("rightOperand"))
        }
    )


def canonical(odrl: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rules of a policy in the one form that equal policies share; ids, parties and texts are left out."""
    return {name: _sorted(_plain_rule(rule) for rule in many(odrl.get(name))) for name in RULES if odrl.get(name)}


def same_terms(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two policies have equal rules, whatever their order, IRI forms and empty lists."""
    return canonical(one) == canonical(other)


def _sorted(values: Iterator[Any]) -> list[Any]:
    return sorted(values, key=lambda one: json.dumps(one, sort_keys=True))


def _plain_rule(rule: object) -> object:
    if not isinstance(rule, Mapping):
        return rule
    plain: dict[str, Any] = {}
    for key, value in rule.items():
        name = term(key)
        if name in _IDENTITY or value in ([], None):
            continue
        if name == "action":
            plain[name] = action_of(rule)
        elif name == "constraint":
            plain[name] = _sorted(_plain_constraint(one) for one in many(value))
        elif name == "duty":
            plain[name] = _sorted(_plain_rule(one) for one in many(value))
        else:
            plain[name] = value
    return plain


def _plain_constraint(constraint: object) -> object:
    if not isinstance(constraint, Mapping):
        return constraint
    plain: dict[str, Any] = {}
    for key, value in constraint.items():
        name = term(key)
        if name in _IDENTITY:
            continue
        if name in LOGICAL:
            inner = (_plain_constraint(one) for one in many(value))
            plain[name] = list(inner) if name == "andSequence" else _sorted(inner)
        elif name == "rightOperand":
            plain[name] = sorted(values(value))
        else:
            plain[name] = term(value) or value
    return plain
