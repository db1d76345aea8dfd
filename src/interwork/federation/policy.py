"""The policy evaluator: ODRL and claims in, a decision that explains itself out. Pure.

An atomic constraint is yes, no, missing (the claim it asks for was not presented) or unknown (it cannot be evaluated
at all); logical constraints combine the four. Missing and unknown never count as true, neither in a permission nor,
negated, in a prohibition: a prohibition that cannot be ruled out denies. The decision is yes, no, or unknown, and
everything but yes is a refusal. A permission without constraints holds; a prohibition that holds overrides it.

Nothing controls data after delivery: evaluating decides whether access is given, refused or ended, and no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any

from interwork.federation.terms import (
    DEEPEST,
    LOGICAL,
    RULES,
    VOCABULARY,
    action_of,
    constraints,
    many,
    moment,
    term,
    values,
)

TEXT = "https://w3id.org/interwork/text"
"""Key under which a policy carries its clause in words."""
MEMBERSHIP = VOCABULARY + "membership"
TIER = VOCABULARY + "tier"
PARTICIPANT = VOCABULARY + "participant"

ACTIONS = frozenset(
    """use access aggregate annotate anonymize archive attribute commercialize compensate copy delete derive display
    distribute execute extract grantUse index inform install modify move play present print read reproduce reviewPolicy
    sell share stream transfer transform translate uninstall""".split()  # noqa: SIM905 - words read better than quotes
)
"""Actions a rule may name; only `use` is what access is decided on, the others are recorded."""


class Verdict(StrEnum):
    """What a constraint, a rule or a policy comes to."""

    YES = "yes"
    NO = "no"
    MISSING = "missing"
    """The claim was not presented."""
    UNKNOWN = "unknown"
    """The constraint cannot be evaluated here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A left operand this node can evaluate."""

    iri: str
    words: str
    remedy: str
    """What would satisfy it; {right} stands for the values asked for."""
    kind: str = "text"
    """text or moment."""

    @property
    def operators(self) -> frozenset[str]:
        """Name the operators that make sense for its kind."""
        return _SETS if self.kind == "text" else _ORDERS


_SETS = frozenset({"eq", "neq", "isA", "isAnyOf", "isAllOf", "isNoneOf", "isPartOf", "hasPart"})
_ORDERS = frozenset({"eq", "neq", "lt", "lteq", "gt", "gteq"})
_REGISTRY = (
    ("membership", "membership in", "Present a membership credential of {right}."),
    ("tier", "membership tier", "Present a membership credential of tier {right}."),
    ("organisationKind", "kind of organisation", "Present a membership credential that states {right}."),
    ("participant", "participant", "This is offered to {right} only."),
    ("country", "country", "Present a membership credential that states the country {right}."),
    ("purpose", "purpose", "Agree to the purpose {right}."),
)
_TIME = Operand(iri="dateTime", words="time", remedy="Ask for an offer whose time window is open.", kind="moment")
OPERANDS: Mapping[str, Operand] = MappingProxyType(
    {
        _TIME.iri: _TIME,
        **{
            VOCABULARY + name: Operand(iri=VOCABULARY + name, words=words, remedy=remedy)
            for name, words, remedy in _REGISTRY
        },
    }
)
"""What can be evaluated; a policy with any other left operand is refused when it is made."""

_WORDS = {
    "eq": "is",
    "neq": "is not",
    "isA": "is",
    "isAnyOf": "is any of",
    "isAllOf": "is all of",
    "isNoneOf": "is none of",
    "isPartOf": "is among",
    "hasPart": "includes",
    "lt": "before",
    "lteq": "until",
    "gt": "after",
    "gteq": "from",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One constraint held against the claims."""

    path: str
    clause: str
    """The constraint in words."""
    verdict: Verdict
    found: str
    """What the claims say, in words."""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy says about somebody now, and why."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    rule: str = ""
    """The clause that decided against it."""
    remedy: str = ""

    @property
    def is_yes(self) -> bool:
        """Tell whether it is granted."""
        return self.verdict is Verdict.YES

    def explain(self) -> list[str]:
        """Write the trace, one line per constraint held."""
        return [f"{one.path}: {one.clause}: {one.verdict.value} ({one.found})" for one in self.findings]


Claims = Mapping[str, Sequence[str]]


def evaluate(
    odrl: Mapping[str, Any],
    claims: Claims,
    *,
    now: datetime,
    action: str = "use",
) -> Decision:
    """Decide whether a policy lets somebody with these claims do something now."""
    walk = _Walk(now=now)
    forbidden = _either(walk.rules(odrl, "prohibition", action, claims))
    against = len(walk.findings)
    allowed = _either(walk.rules(odrl, "permission", action, claims))
    findings = tuple(walk.findings)
    if forbidden is not Verdict.NO:
        verdict = Verdict.UNKNOWN if forbidden is Verdict.UNKNOWN else Verdict.NO
        failed = [one for one in findings[:against] if one.verdict is forbidden]
    else:
        verdict = Verdict.NO if allowed is Verdict.MISSING else allowed
        failed = [one for one in findings[against:] if one.verdict is not Verdict.YES]
    if verdict is Verdict.YES:
        return Decision(verdict=verdict, findings=findings)
    words = failed[0].clause if failed else f"no permission to {action} applies"
    prefix = "prohibited where " if forbidden is not Verdict.NO and failed else ""
    text = odrl.get(TEXT)
    rule = f"{text} ({prefix}{words})" if isinstance(text, str) and text else prefix + words
    remedy = failed[0].remedy if failed and forbidden is not Verdict.YES else "Ask the provider for other terms."
    return Decision(verdict=verdict, findings=findings, rule=rule, remedy=remedy)


def _either(verdicts: Sequence[Verdict]) -> Verdict:
    for one in (Verdict.YES, Verdict.UNKNOWN, Verdict.MISSING):
        if one in verdicts:
            return one
    return Verdict.NO


def _both(verdicts: Sequence[Verdict]) -> Verdict:
    for one in (Verdict.NO, Verdict.UNKNOWN, Verdict.MISSING):
        if one in verdicts:
            return one
    return Verdict.YES


def _one(verdicts: Sequence[Verdict]) -> Verdict:
    if verdicts.count(Verdict.YES) > 1:
        return Verdict.NO
    for one in (Verdict.UNKNOWN, Verdict.MISSING):
        if one in verdicts:
            return one
    return Verdict.YES if Verdict.YES in verdicts else Verdict.NO


_COMBINE: Mapping[str, Callable[[Sequence[Verdict]], Verdict]] = MappingProxyType(
    {"and": _both, "andSequence": _both, "or": _either, "xone": _one}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """One evaluation under way."""

    now: datetime
    findings: list[Finding] = field(default_factory=list)

    def rules(self, odrl: Mapping[str, Any], name: str, action: str, claims: Claims) -> list[Verdict]:
        """Evaluate every permission or prohibition of an action."""
        found = []
        for index, rule in enumerate(many(odrl.get(name))):
            if not isinstance(rule, Mapping):
                found.append(self._note(f"{name}[{index}]", "a rule", Verdict.UNKNOWN, "it is no rule"))
            elif action_of(rule) == action:
                path = f"{name}[{index}].constraint"
                found.append(_both(self._list(path, rule.get("constraint"), claims, 0)))
        return found

    def _list(self, path: str, value: object, claims: Claims, depth: int) -> list[Verdict]:
        constraints = many(value)
        scope = _at_institutes(constraints, claims)
        return [self._constraint(f"{path}[{at}]", one, scope, depth) for at, one in enumerate(constraints)]

    def _constraint(self, path: str, constraint: object, claims: Claims, depth: int) -> Verdict:
        if not isinstance(constraint, Mapping) or depth > DEEPEST:
            return self._note(path, "a constraint", Verdict.UNKNOWN, "it is no constraint, or nested too deep")
        logical = [name for name in LOGICAL if name in constraint]
        if not logical:
            return self._atom(path, constraint, claims)
        if len(logical) > 1:
            return self._note(path, " and ".join(logical), Verdict.UNKNOWN, "one logical operator may stand here")
        name = logical[0]
        scope = claims if name in ("or", "xone") else _at_institutes(many(constraint[name]), claims)
        inner = [
            self._constraint(f"{path}.{name}[{at}]", one, scope, depth + 1)
            for at, one in enumerate(many(constraint[name]))
        ]
        return _COMBINE[name](inner)

    def _atom(self, path: str, constraint: Mapping[str, Any], claims: Claims) -> Verdict:
        left, operator = term(constraint.get("leftOperand")), term(constraint.get("operator"))
        right = values(constraint.get("rightOperand"))
        shown = ", ".join(right) or "nothing"
        operand = OPERANDS.get(left)
        clause = f"{operand.words if operand else left} {_WORDS.get(operator, operator)} {shown}"
        if operand is None or operator not in operand.operators:
            return self._note(path, clause, Verdict.UNKNOWN, "this node cannot evaluate it", "Ask for other terms.")
        remedy = operand.remedy.format(right=shown)
        held: Sequence[Any] = [self.now] if operand.kind == "moment" else list(claims.get(operand.iri, ()))
        if not held:
            return self._note(path, clause, Verdict.MISSING, "no such claim was presented", remedy)
        verdict = _COMPARE[operand.kind](operator, held, right)
        return self._note(path, clause, verdict, f"it is {', '.join(str(one) for one in held)}", remedy)

    def _note(self, path: str, clause: str, verdict: Verdict, found: str, remedy: str = "") -> Verdict:
        note = Finding(path=path, clause=clause, verdict=verdict, found=found, remedy=remedy)
        self.findings.append(note)
        return verdict


def _at_institutes(constraints: Sequence[object], claims: Claims) -> Claims:
    """Let a tier count only where it was granted, when the same list names the institute."""
    named: set[str] = set()
    for one in constraints:
        if isinstance(one, Mapping) and term(one.get("leftOperand")) == MEMBERSHIP:
            if term(one.get("operator")) not in ("eq", "isA", "isAnyOf", "isPartOf"):
                continue
            named |= set(values(one.get("rightOperand"))) & set(claims.get(MEMBERSHIP, ()))
    if not named or not any(key.startswith(f"{TIER}@") for key in claims):
        return claims
    return {**claims, TIER: [tier for institute in sorted(named) for tier in claims.get(f"{TIER}@{institute}", ())]}


def _texts(operator: str, held: Sequence[str], right: Sequence[str]) -> Verdict:
    have, asked = set(held), set(right)
    held_true = {
        "eq": bool(have & asked) if len(asked) == 1 else have == asked,
        "isA": bool(have & asked),
        "isAnyOf": bool(have & asked),
        "isPartOf": bool(have & asked),
        "neq": not have & asked,
        "isNoneOf": not have & asked,
        "isAllOf": asked <= have,
        "hasPart": asked <= have,
    }[operator]
    return Verdict.YES if held_true else Verdict.NO


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"eq": eq, "neq": ne, "lt": lt, "lteq": le, "gt": gt, "gteq": ge}
)


def _moments(operator: str, held: Sequence[datetime], right: Sequence[str]) -> Verdict:
    try:
        (text,) = right
        asked = moment(text, is_end=operator in ("lteq", "gt"))
    except ValueError:
        return Verdict.UNKNOWN
    return Verdict.YES if all(_ORDER[operator](one, asked) for one in held) else Verdict.NO


_COMPARE: Mapping[str, Callable[[str, Sequence[Any], Sequence[str]], Verdict]] = MappingProxyType(
    {"text": _texts, "moment": _moments}
)


def check_policy(odrl: Mapping[str, Any]) -> list[str]:
    """List everything that keeps a policy from being evaluated, each fault with its path; empty = it can be offered."""
    faults = []
    if not many(odrl.get("permission")):
        faults.append("permission: at least one is needed, or nothing is ever allowed")
    for name in RULES:
        if name in odrl and not isinstance(odrl[name], list):
            faults.append(f"{name}: is a list")
        for index, rule in enumerate(many(odrl.get(name))):
            if not isinstance(rule, Mapping) or not isinstance(rule.get("constraint", []), list):
                faults.append(f"{name}[{index}]: is an object with an action and a list of constraints")
            elif action_of(rule) not in ACTIONS:
                faults.append(f"{name}[{index}].action: {rule.get('action')!r} is no action of ODRL")
    for path, one, depth in constraints(odrl):
        faults.extend(f"{path}{fault}" for fault in _faults(one, depth))
    return faults


def _faults(one: object, depth: int) -> Iterator[str]:
    if not isinstance(one, Mapping) or depth > DEEPEST:
        yield ": is nested too deep" if depth > DEEPEST else ": is an object"
        return
    logical = [name for name in LOGICAL if name in one]
    if logical:
        if len(logical) > 1 or not isinstance(one[logical[0]], list) or not one[logical[0]]:
            yield f".{logical[0]}: is one list of constraints"
        return
    operand, right = OPERANDS.get(term(one.get("leftOperand"))), one.get("rightOperand")
    if operand is None:
        yield f".leftOperand: {one.get('leftOperand')!r} is unknown; known are {', '.join(sorted(OPERANDS))}"
        return
    operator = term(one.get("operator"))
    if operator not in operand.operators:
        known = ", ".join(sorted(operand.operators))
        yield f".operator: {operator!r} does not go with {operand.words}; use {known}"
    if not many(right) or not all(isinstance(item, str | Mapping) for item in many(right)):
        yield ".rightOperand: is a text or a list of texts; numbers are written as texts"
    elif operand.kind != "text" and _COMPARE[operand.kind]("eq", (), values(right)) is Verdict.UNKNOWN:
        yield f".rightOperand: {right!r} is not one {operand.kind}"
