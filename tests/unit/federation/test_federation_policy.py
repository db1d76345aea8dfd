"""The policy evaluator: truth tables, missing claims, prohibitions, times, equality, explanations."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.federation import policy, terms
from interwork.federation.policy import MEMBERSHIP, PARTICIPANT, TIER, VOCABULARY, Verdict, evaluate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COUNTRY = VOCABULARY + "country"
TRUE = {"leftOperand": PARTICIPANT, "operator": "eq", "rightOperand": "did:web:me"}
FALSE = {"leftOperand": PARTICIPANT, "operator": "eq", "rightOperand": "did:web:you"}
MISSING = {"leftOperand": COUNTRY, "operator": "eq", "rightOperand": "DE"}
UNKNOWN = {"leftOperand": "https://x.example/mood", "operator": "eq", "rightOperand": "good"}
ATOMS = {Verdict.YES: TRUE, Verdict.NO: FALSE, Verdict.MISSING: MISSING, Verdict.UNKNOWN: UNKNOWN}
CLAIMS = {PARTICIPANT: ["did:web:me"]}


def allow(*constraints):
    return {"permission": [{"action": "use", "constraint": list(constraints)}]}


def forbid(*constraints):
    return {**allow(), "prohibition": [{"action": "use", "constraint": list(constraints)}]}


def verdict(odrl, claims=CLAIMS, **kwargs):
    return evaluate(odrl, claims, now=NOW, **kwargs).verdict


def atom(operand, operator, right):
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def reference(node):
    """Evaluate a tree in two values, a second time and differently: by counting."""
    if isinstance(node, bool):
        return node
    name, children = node
    count = sum(reference(child) for child in children)
    return {"and": count == len(children), "andSequence": count == len(children), "or": count > 0, "xone": count == 1}[
        name
    ]


def written(node):
    if isinstance(node, bool):
        return TRUE if node else FALSE
    return {node[0]: [written(child) for child in node[1]]}


TREES = st.recursive(
    st.booleans(),
    lambda inner: st.tuples(
        st.sampled_from(["and", "or", "xone", "andSequence"]), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


@given(TREES)
def test_nested_logic_follows_its_truth_table(tree):
    assert verdict(allow(written(tree))) is (Verdict.YES if reference(tree) else Verdict.NO)


@given(TREES)
def test_a_prohibition_that_holds_overrides_any_permission(tree):
    assert verdict(forbid(written(tree))) is (Verdict.NO if reference(tree) else Verdict.YES)


@given(st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=5), st.sampled_from(["and", "or", "xone"]))
def test_what_is_not_known_is_yes_only_when_it_cannot_matter(values, name):
    unsure = [one for one in values if one in (Verdict.MISSING, Verdict.UNKNOWN)]
    sure = [one is Verdict.YES for one in values if one in (Verdict.YES, Verdict.NO)]
    worlds = {reference((name, [*sure, *guess])) for guess in itertools.product([True, False], repeat=len(unsure))}
    found = verdict(allow({name: [ATOMS[one] for one in values]}))
    assert (found is Verdict.YES) == (worlds == {True})


@given(st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=4))
def test_a_prohibition_that_cannot_be_ruled_out_denies(values):
    found = verdict(forbid({"or": [ATOMS[one] for one in values]}))
    assert (found is Verdict.YES) == (set(values) == {Verdict.NO})


@pytest.mark.parametrize("rule", [{"action": "use"}, {"action": "use", "constraint": []}, {"action": "odrl:use"}])
def test_a_permission_without_constraints_holds(rule):
    assert verdict({"permission": [rule]}, {}) is Verdict.YES


@pytest.mark.parametrize("odrl", [{}, {"permission": []}, {"permission": [{"action": "read"}]}, forbid()])
def test_without_a_permission_to_use_the_answer_is_no(odrl):
    assert verdict(odrl) is Verdict.NO


def test_a_missing_claim_is_no_with_the_remedy_that_would_satisfy_it():
    decision = evaluate(allow(atom(MEMBERSHIP, "eq", "did:web:institute")), {}, now=NOW)
    assert decision.verdict is Verdict.NO
    assert decision.remedy == "Present a membership credential of did:web:institute."
    assert "membership in is did:web:institute" in decision.rule


@pytest.mark.parametrize("operator", ["neq", "isNoneOf"])
def test_a_missing_claim_does_not_satisfy_a_negation(operator):
    assert verdict(allow(atom(COUNTRY, operator, ["XX"])), {}) is Verdict.NO
    assert verdict(allow(atom(COUNTRY, operator, ["XX"])), {COUNTRY: ["DE"]}) is Verdict.YES


def test_a_constraint_that_cannot_be_evaluated_is_unknown_and_never_yes():
    decision = evaluate(allow(UNKNOWN), CLAIMS, now=NOW)
    assert decision.verdict is Verdict.UNKNOWN
    assert not decision.is_yes


@pytest.mark.parametrize("broken", [5, "x", {"and": [TRUE], "or": [TRUE]}, {"leftOperand": 5}, {}])
def test_a_malformed_constraint_is_unknown(broken):
    assert verdict({"permission": [{"action": "use", "constraint": [broken]}]}) is Verdict.UNKNOWN


def test_a_malformed_rule_is_unknown():
    assert verdict({"permission": ["use"]}) is Verdict.UNKNOWN


def test_nesting_without_end_is_unknown_and_does_not_crash():
    constraint = TRUE
    for _ in range(200):
        constraint = {"and": [constraint]}
    assert verdict(allow(constraint)) is Verdict.UNKNOWN
    assert any("too deep" in fault for fault in policy.check_policy(allow(constraint)))


@pytest.mark.parametrize(
    ("operator", "right", "held", "expected"),
    [
        ("eq", "a", ["a", "b"], True),
        ("eq", ["a"], ["a"], True),
        ("eq", ["a", "b"], ["a"], False),
        ("neq", "a", ["b"], True),
        ("isAnyOf", ["a", "b"], ["b"], True),
        ("isAnyOf", "a", ["b"], False),
        ("isNoneOf", ["a", "b"], ["c"], True),
        ("isNoneOf", "a", ["a", "c"], False),
        ("isAllOf", ["a", "b"], ["a", "b", "c"], True),
        ("isAllOf", ["a", "b"], ["a"], False),
        ("isPartOf", ["a", "b"], ["b"], True),
        ("hasPart", "a", ["a", "b"], True),
        ("isA", {"@id": "a"}, ["a"], True),
        ("eq", {"@value": "a", "@type": "xsd:string"}, ["a"], True),
    ],
)
def test_operators_take_lists_and_single_values(operator, right, held, expected):
    assert verdict(allow(atom(COUNTRY, operator, right)), {COUNTRY: held}) is (Verdict.YES if expected else Verdict.NO)


@pytest.mark.parametrize(
    ("operator", "right", "expected"),
    [
        ("lteq", "2026-11-22T13:00:00+01:00", Verdict.YES),
        ("lt", "2026-11-22T13:00:00+01:00", Verdict.NO),
        ("lteq", "2026-11-22T11:59:59Z", Verdict.NO),
        ("lteq", "2026-11-22", Verdict.YES),
        ("gt", "2026-11-22", Verdict.NO),
        ("gteq", "2026-11-22", Verdict.YES),
        ("gteq", {"@value": "2026-11-22T12:00:00", "@type": "xsd:dateTime"}, Verdict.YES),
        ("eq", "soon", Verdict.UNKNOWN),
        ("lteq", ["2026-11-22", "2026-11-23"], Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["dateTime", "odrl:dateTime", terms.ODRL + "dateTime"])
def test_times_are_compared_with_their_zones(name, operator, right, expected):
    assert verdict(allow(atom(name, operator, right))) is expected


def test_a_tier_counts_only_at_the_institute_named_beside_it():
    claims = {
        MEMBERSHIP: ["did:web:a", "did:web:b"],
        TIER: ["basic", "full"],
        f"{TIER}@did:web:a": ["basic"],
        f"{TIER}@did:web:b": ["full"],
    }
    full = atom(TIER, "eq", "full")
    assert verdict(allow(atom(MEMBERSHIP, "eq", "did:web:a"), full), claims) is Verdict.NO
    assert verdict(allow({"and": [atom(MEMBERSHIP, "eq", "did:web:b"), full]}), claims) is Verdict.YES
    assert verdict(allow(atom(MEMBERSHIP, "isAnyOf", ["did:web:a", "did:web:b"]), full), claims) is Verdict.YES
    assert verdict(allow(full), claims) is Verdict.YES


def test_the_explanation_names_every_constraint_and_what_was_found():
    decision = evaluate({**allow({"and": [TRUE, FALSE]}), policy.TEXT: "Friends only."}, CLAIMS, now=NOW)
    assert decision.rule == "Friends only. (participant is did:web:you)"
    assert decision.remedy == "This is offered to did:web:you only."
    assert decision.explain() == [
        "permission[0].constraint[0].and[0]: participant is did:web:me: yes (it is did:web:me)",
        "permission[0].constraint[0].and[1]: participant is did:web:you: no (it is did:web:me)",
    ]


def test_a_prohibition_says_what_is_prohibited():
    decision = evaluate(forbid(atom(COUNTRY, "eq", "XX")), {**CLAIMS, COUNTRY: ["XX"]}, now=NOW)
    assert "prohibited where country is XX" in decision.rule
    assert decision.remedy == "Ask the provider for other terms."


@pytest.mark.parametrize(
    ("odrl", "fault"),
    [
        ({}, "permission: at least one"),
        ({"permission": {"action": "use"}}, "permission: is a list"),
        ({"permission": ["use"]}, "permission[0]: is an object"),
        ({"permission": [{"action": "vaporise"}]}, "permission[0].action"),
        (allow(UNKNOWN), "permission[0].constraint[0].leftOperand"),
        (allow({"and": [TRUE, {"or": [UNKNOWN]}]}), "permission[0].constraint[0].and[1].or[0].leftOperand"),
        (allow(atom(COUNTRY, "lt", "DE")), "permission[0].constraint[0].operator"),
        (allow(atom(COUNTRY, "in", ["DE"])), "permission[0].constraint[0].operator"),
        (allow(atom(COUNTRY, "eq", 5)), "permission[0].constraint[0].rightOperand"),
        (allow(atom(COUNTRY, "eq", [])), "permission[0].constraint[0].rightOperand"),
        (allow(atom("dateTime", "lteq", "soon")), "permission[0].constraint[0].rightOperand"),
        (allow({"and": []}), "permission[0].constraint[0].and"),
        (allow({"and": [TRUE], "or": [TRUE]}), "permission[0].constraint[0].and"),
        (allow("x"), "permission[0].constraint[0]: is an object"),
        ({**allow(), "prohibition": [{"action": "use", "constraint": [UNKNOWN]}]}, "prohibition[0].constraint[0]"),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_refused_with_the_path_of_its_fault(odrl, fault):
    assert any(one.startswith(fault) for one in policy.check_policy(odrl))


def test_a_policy_that_can_be_evaluated_has_no_faults():
    odrl = allow({"xone": [TRUE, atom("dateTime", "lteq", "2027-01-01")]}, atom(MEMBERSHIP, "isAnyOf", ["did:web:i"]))
    assert policy.check_policy(odrl) == []


@pytest.mark.parametrize(
    "same",
    [
        {"permission": [{"constraint": [FALSE, TRUE], "action": "use"}]},
        {"permission": [{"action": "odrl:use", "constraint": [TRUE, FALSE]}], "prohibition": []},
        {"permission": [{"action": {"@id": terms.ODRL + "use"}, "constraint": [FALSE, TRUE], "duty": []}]},
        {"@id": "x", "@type": "Offer", "target": "t", **allow(TRUE, FALSE)},
        allow(FALSE, {"leftOperand": PARTICIPANT, "operator": "odrl:eq", "rightOperand": {"@value": "did:web:me"}}),
        allow(FALSE, {**TRUE, "rightOperand": ["did:web:me"], "@type": "AtomicConstraint"}),
    ],
)
def test_equal_policies_are_equal_in_any_order_and_form(same):
    assert terms.same_terms(allow(TRUE, FALSE), same)


@pytest.mark.parametrize(
    "changed",
    [
        allow(TRUE),
        allow(TRUE, FALSE, FALSE),
        allow(TRUE, {**FALSE, "rightOperand": "did:web:me"}),
        allow(TRUE, {**FALSE, "operator": "neq"}),
        {"permission": [{"action": "read", "constraint": [TRUE, FALSE]}]},
        {**allow(TRUE, FALSE), "prohibition": [{"action": "distribute"}]},
        {"permission": [{"action": "use", "constraint": [TRUE, FALSE], "duty": [{"action": "delete"}]}]},
    ],
)
def test_a_changed_value_makes_another_policy(changed):
    assert not terms.same_terms(allow(TRUE, FALSE), changed)


def test_a_sequence_keeps_its_order_and_a_conjunction_does_not():
    assert terms.same_terms(allow({"and": [TRUE, FALSE]}), allow({"and": [FALSE, TRUE]}))
    assert not terms.same_terms(allow({"andSequence": [TRUE, FALSE]}), allow({"andSequence": [FALSE, TRUE]}))


def test_agreeing_declares_the_purposes_a_policy_asks_for():
    odrl = allow({"or": [atom(terms.PURPOSE, "isAnyOf", ["repair", "research"])]}, atom(terms.PURPOSE, "neq", "sale"))
    assert terms.declared_purposes(odrl) == ["repair", "research"]
    assert terms.declared_purposes(forbid(atom(terms.PURPOSE, "eq", "sale"))) == []


def test_a_window_closes_by_itself():
    odrl = allow(atom("dateTime", "lt", (NOW + timedelta(hours=1)).isoformat()))
    assert evaluate(odrl, {}, now=NOW).is_yes
    assert not evaluate(odrl, {}, now=NOW + timedelta(hours=2)).is_yes
