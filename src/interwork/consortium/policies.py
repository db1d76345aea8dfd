"""The common policies: clauses in words with the ODRL that executes them (IP, designs, shop floor data, quotes)."""

from typing import Any

from interwork.core.exchange import Policy
from interwork.core.ids import derived_id

OPERAND = "https://w3id.org/interwork/policy/"


def _constraint(operand: str, operator: str, right: str | list[str]) -> dict[str, Any]:
    return {"leftOperand": OPERAND + operand, "operator": operator, "rightOperand": right}


def _permission(*constraints: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"action": "use", "constraint": list(constraints)}
    return {"permission": [rule]}


def open_to_all() -> Policy:
    """Make the policy under which anybody may use what is offered."""
    return Policy(
        id=derived_id("policy", "open"),
        name="Open to all",
        text="Anybody may use this.",
        odrl=_permission(),
    )


def common_policies(institute: str, institute_name: str) -> dict[str, Policy]:
    """Make an institute's common policies, by name."""
    member = _constraint("membership", "isAnyOf", [institute])
    inside = {"or": [member, _constraint("participant", "eq", institute)]}
    return {
        "members": Policy(
            id=derived_id("policy", "members", institute),
            name="Members only",
            text=f"Members of {institute_name} may use this for work inside the network.",
            odrl=_permission(member),
            owner=institute,
        ),
        "quotes": Policy(
            id=derived_id("policy", "quotes", institute),
            name="Quotes and orders",
            text=(
                f"Members of {institute_name} may ask for quotes and place orders, and it itself may ask what needs "
                "published by members would take; quotes are not passed on."
            ),
            odrl=_permission(inside),
            owner=institute,
        ),
        "needs": Policy(
            id=derived_id("policy", "needs", institute),
            name="Needs",
            text=f"Members of {institute_name}, and it itself, may see what is wanted and offer or plan for it.",
            odrl=_permission(inside),
            owner=institute,
        ),
        "planning": Policy(
            id=derived_id("policy", "planning", institute),
            name="Planning together",
            text=(
                f"Members of {institute_name} may ask which hours of machines this organisation plans to take, what "
                "an hour is worth to it and what its plan comes to; no need, quote or plan is told."
            ),
            odrl=_permission(member),
            owner=institute,
        ),
    }


def only_participant(did: str, name: str, member_of: tuple[str, str], what: str) -> Policy:
    """Make the policy under which one named organisation, while it is a member, may use what is offered.

    `member_of` is the DID and name of the institute; the institute itself needs no membership.
    """
    institute, institute_name = member_of
    constraints = [_constraint("participant", "eq", did)]
    clause = f"{what}: only {name} may use this"
    if did != institute:
        constraints.append(_constraint("membership", "isAnyOf", [institute]))
        clause += f", only while it is a member of {institute_name}"
    return Policy(
        id=derived_id("policy", "only", did, institute, what),
        name=f"{what}: {name} only",
        text=f"{clause}, and only for the work it was given for. The owner keeps all rights in it.",
        odrl=_permission(*constraints),
        owner=institute,
    )
