"""Who could convert, with which approvals, by when; what limits the way from a pilot to volume."""

from datetime import timedelta

from allocation_samples import NOW, make_mode, make_need, make_operation, make_plan, make_quote, make_window

from interwork.allocation import CapacityOffer
from interwork.allocation.learning.converting import conversions, pilot_to_volume
from interwork.core.design import Requirement
from interwork.core.resource import Capability


def offer(letter, **capability):
    return CapacityOffer(
        provider=f"did:web:{letter}",
        provider_name=f"Shop {letter.upper()}",
        dataset="dataset",
        resource=f"resource-{letter}",
        resource_name=f"Mill {letter.upper()}",
        capabilities=(Capability(**{"process": "milling", "tolerance_mm": 0.01, **capability}),),
    )


def test_who_can_convert_is_told_with_approvals_questions_and_equipment_apart():
    need = make_need(requirements=(Requirement(name="certificate", value="ISO 13485"),))
    steps = make_plan((make_operation(),))
    offers = [
        offer("a", certificates=("ISO 13485",)),
        offer("b"),
        offer("c", tolerance_mm=0.3, certificates=("ISO 13485",)),
        offer("d", process="turning"),
    ]
    found = conversions(need, steps, offers, now=NOW, lead_days={"certificate": 90})
    assert [one.provider_name for one in found] == ["Shop A", "Shop B", "Shop C"]
    assert {one.operation_name for one in found} == {steps.operations[0].name}
    ready, approval, machine = found
    assert ready.ready_at == NOW
    assert (approval.approvals, approval.ready_at) == (("ISO 13485",), NOW + timedelta(days=90))
    assert "0.3 mm" in machine.equipment[0]
    assert machine.ready_at is None


def test_from_pilot_to_volume_the_price_falls_and_the_limit_is_named():
    quotes = [make_quote(make_mode(windows=(make_window(0, 24 * 4),)))]
    stages = pilot_to_volume(make_need(), make_plan(1), quotes, [10, 100, 5000], now=NOW)
    assert stages[0].price_eur_each > stages[1].price_eur_each
    assert stages[1].finish > stages[0].finish
    assert stages[2].price_eur_each is None
    assert "no time" in stages[2].limit
