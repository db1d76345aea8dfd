"""Admission under a blueprint: forecast in numbers, refused with every rule and what would fit."""

import math

import pytest
from msgspec.structs import replace

from interwork.core.clock import now
from interwork.core.errors import BadInput, Refused
from interwork.core.settings import Limits
from interwork.stream import Declared, admit, forecast

LIMITS = Limits(storage_gb=20, retention_days=30, power_kw=100, samples_per_s=2000)
MILL = Declared(
    resource="mill", name="Mill 1", protocol="opc.tcp", samples_per_s=100, rated_power_kw=15, is_connected=True
)


def test_a_device_that_fits_is_admitted_with_its_share_of_everything():
    blueprint = admit(MILL, LIMITS, [], now=now())
    assert (blueprint.traffic_samples_per_s, blueprint.rated_power_kw, blueprint.burst_samples) == (100, 15, 1000)
    assert blueprint.storage_bytes_per_day == 100 * 5.5 * 86_400
    assert blueprint.storage_quota_bytes >= blueprint.storage_bytes_per_day * 30


def test_the_forecast_says_in_numbers_what_a_device_adds_and_how_long_the_quota_lasts():
    sentence = admit(MILL, LIMITS, [], now=now()).forecast
    assert "3.4 kB/s on the link" in sentence
    assert "1.4 GB in 30 days" in sentence
    assert "20 GB would last 421 days" in sentence
    assert "100 of 2,000 samples/s" in sentence
    assert "15 of 100 kW, 15 kW of it connected" in sentence


def test_a_device_over_every_limit_is_refused_with_every_rule_and_what_would_fit():
    others = [admit(MILL, LIMITS, [], now=now())]
    greedy = replace(MILL, resource="other", name="Mill 2", samples_per_s=3000, rated_power_kw=90)
    with pytest.raises(Refused) as refusal:
        admit(greedy, LIMITS, others, now=now())
    assert refusal.value.rule.count(";") == 2
    assert "1,900 samples/s or less" in refusal.value.remedy
    assert "85 kW are left" in refusal.value.message
    assert "would last 13.6 of 30 days" in refusal.value.message


def test_an_unconnected_device_takes_power_and_nothing_else():
    saw = replace(MILL, resource="saw", protocol="unconnected", samples_per_s=0, is_connected=False)
    coming = forecast(saw, LIMITS, [])
    assert (coming.link_bytes_per_s, coming.node_power_kw, coming.connected_power_kw) == (0, 15, 0)
    assert coming.quota_days == math.inf
    assert "is not touched" in coming.sentence


def test_unconnected_devices_count_against_the_power_limit():
    saw = admit(replace(MILL, resource="saw", rated_power_kw=90, is_connected=False), LIMITS, [], now=now())
    with pytest.raises(Refused, match="10 kW are left"):
        admit(MILL, LIMITS, [saw], now=now())


def test_admitting_a_device_again_counts_it_once():
    first = admit(MILL, LIMITS, [], now=now())
    again = admit(replace(MILL, rated_power_kw=95), LIMITS, [first], now=now())
    assert (again.id, again.rated_power_kw) == (first.id, 95)


def test_a_device_that_is_no_longer_admitted_frees_its_share():
    gone = replace(admit(replace(MILL, resource="old", rated_power_kw=90), LIMITS, [], now=now()), is_admitted=False)
    assert admit(MILL, LIMITS, [gone], now=now()).is_admitted


def test_deadbands_and_a_known_wire_are_reckoned_with():
    coming = forecast(replace(MILL, kept_share=0.1, bytes_per_sample=12), LIMITS, [])
    assert (coming.link_bytes_per_s, coming.storage_bytes_per_day) == (1200, pytest.approx(10 * 5.5 * 86_400))


@pytest.mark.parametrize("change", [{"samples_per_s": -1}, {"rated_power_kw": math.nan}, {"kept_share": 1.5}])
def test_a_declaration_that_is_no_number_names_the_field(change):
    with pytest.raises(BadInput, match=next(iter(change))):
        admit(replace(MILL, **change), LIMITS, [], now=now())


def test_a_device_measured_while_it_stood_still_is_promised_room_to_work():
    asked = replace(MILL, samples_per_s=2, is_measured=True, signals=40)
    blueprint = admit(asked, LIMITS, [], now=now())
    assert (blueprint.expected_samples_per_s, blueprint.traffic_samples_per_s) == (2, 40)
    assert blueprint.storage_quota_bytes > 10 * blueprint.storage_bytes_per_day * 30
    busy = admit(replace(asked, samples_per_s=100), LIMITS, [], now=now())
    assert busy.traffic_samples_per_s == 150


def test_a_policy_of_warning_admits_and_says_what_is_broken():
    lenient = replace(LIMITS, admission="warn")
    blueprint = admit(replace(MILL, rated_power_kw=1000), lenient, [], now=now())
    assert len(blueprint.warnings) == 1
    assert "limits.power_kw" in blueprint.warnings[0]
