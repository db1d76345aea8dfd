"""Trials: the search finds known optima, resumes, repeats itself, keeps its limits; classical designs as printed."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput
from interwork.design.trials import (
    Campaign,
    Goal,
    Limit,
    Parameter,
    ask,
    best,
    box_behnken,
    central_composite,
    factorial,
    fit,
    latin_hypercube,
    plackett_burman,
    tell,
)
from interwork.design.trials.classical import resolution

# Hartmann's function of six variables; minimum −3.32237 (Dixon & Szegö 1978)
_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
SIX = tuple(f"x{index}" for index in range(6))


def hartmann(chosen):
    point = np.array([chosen[name] for name in SIX])
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_A * (point - _P) ** 2).sum(1)))


def campaign(names=SIX, **changes):
    parameters = tuple(Parameter(name=name, low=0, high=1) for name in names)
    return msgspec.structs.replace(
        Campaign(id="c-1", title="trial", parameters=parameters, goals=(Goal(name="y"),)), **changes
    )


def searched(search, measure, count):
    for _ in range(count):
        search, trial = ask(search)
        search = tell(search, trial.number, {"y": measure(trial.settings)})
    return search


def test_hartmanns_function_is_brought_below_its_bar_in_45_trials():
    """design 43: median of 5 seeds at most −3.2."""
    found = [best(searched(campaign(seed=seed), hartmann, 45)).measured["y"] for seed in range(1, 6)]
    assert np.median(found) <= -3.2


def test_a_campaign_resumed_from_json_asks_for_the_same():
    """design 43: the same seed asks for the same; a campaign resumes from JSON."""
    half = searched(campaign(), hartmann, 14)
    again = msgspec.json.decode(msgspec.json.encode(half), type=Campaign)
    assert ask(half)[1] == ask(again)[1]
    assert searched(campaign(), hartmann, 14) == half


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 1000), st.floats(0.2, 1.5))
def test_no_setting_outside_a_limit_or_off_its_step_is_ever_asked_for(seed, most):
    """design 43: a constraint is never violated."""
    stepped = tuple(Parameter(name=name, low=0, high=1, step=0.125) for name in ("a", "b"))
    limits = (Limit(factors={"a": 1.0, "b": 1.0}, most=most),)
    search = campaign(("a", "b"), parameters=stepped, limits=limits, seed=seed)
    for _ in range(9):
        search, trial = ask(search)
        search = tell(search, trial.number, {"y": -trial.settings["a"] - 2 * trial.settings["b"]})
        assert trial.settings["a"] + trial.settings["b"] <= most + 1e-9
        assert all(value * 8 == round(value * 8) for value in trial.settings.values())


def test_several_trials_may_be_awaited_and_differ():
    search = searched(campaign(), hartmann, 12)
    asked = []
    for _ in range(4):
        search, trial = ask(search)
        asked.append(tuple(trial.settings.values()))
    assert len(set(asked)) == 4
    assert len(search.pending) == 4
    assert tell(search, 15, {"y": 0.0}).pending[0].number == 13


def test_several_goals_are_weighed_by_desirability():
    goals = (Goal(name="cost", best=0, worst=1), Goal(name="quality", best=1, worst=0.5, is_maximised=True))
    search = campaign(("x",), goals=goals)
    for _ in range(12):
        search, trial = ask(search)
        x = trial.settings["x"]
        search = tell(search, trial.number, {"cost": x, "quality": 0.5 + 0.5 * x})
    assert best(search).settings["x"] == pytest.approx(0.5, abs=0.03)


IMPOSSIBLE = (
    ({"parameters": ()}, "0 parameters"),
    ({"goals": ()}, "no goal"),
    ({"goals": (Goal(name="a"), Goal(name="b"))}, "one of several"),
    ({"limits": (Limit(factors={"z": 1.0}, most=1),)}, "names z"),
    ({"limits": (Limit(factors={"x0": 1.0}, most=-1),)}, "leave no settings"),
    ({"parameters": (Parameter(name="x", low=1, high=1),)}, "from 1 to 1"),
)


@pytest.mark.parametrize(("changes", "says"), IMPOSSIBLE)
def test_a_campaign_that_cannot_be_run_says_why(changes, says):
    with pytest.raises(BadInput, match=says):
        ask(campaign(**changes))


@pytest.mark.parametrize(("number", "measured"), [(0, {"y": 1.0}), (2, {"y": 1.0}), (1, {}), (1, {"y": float("nan")})])
def test_what_cannot_be_told_is_bad_input(number, measured):
    search, _ = ask(campaign())
    with pytest.raises(BadInput):
        tell(search, number, measured)


def test_a_trial_is_told_once():
    search, _ = ask(campaign())
    with pytest.raises(BadInput, match="told already"):
        tell(tell(search, 1, {"y": 1.0}), 1, {"y": 2.0})


def test_the_process_passes_through_what_was_measured_and_is_unsure_elsewhere():
    x = np.linspace(0, 1, 8)[:, None]
    model = fit(x, np.sin(6 * x[:, 0]), noise=0.0)
    mean, deviation = model.predict(np.array([[x[3, 0]], [0.5 * (x[3, 0] + x[4, 0])]]))
    assert mean[0] == pytest.approx(np.sin(6 * x[3, 0]), abs=1e-3)
    assert deviation[0] < deviation[1]


def test_a_factorial_and_its_fraction():
    assert factorial(3).shape == (8, 3)
    fraction = factorial(3, ((0, 1), (0, 2)))  # 2^(5-2), resolution III (Montgomery, table 8.14)
    assert fraction.shape == (8, 5)
    assert (resolution(3, ((0, 1), (0, 2))), resolution(4, ((0, 1, 2, 3),))) == (3, 5)


@pytest.mark.parametrize("factors", [3, 7, 11, 15, 19])
def test_a_screening_design_is_orthogonal(factors):
    design = plackett_burman(factors)
    assert design.shape[0] == 4 * (factors // 4 + 1)
    assert np.array_equal(design.T @ design, design.shape[0] * np.eye(factors))


def test_second_order_designs_have_their_published_sizes():
    assert central_composite(2).shape == (12, 2)
    assert np.abs(central_composite(2)).max() == pytest.approx(2**0.5)
    assert [len(box_behnken(factors)) for factors in (3, 4, 5)] == [15, 27, 43]


def test_a_latin_hypercube_has_every_level_once():
    points = latin_hypercube(3, 10)
    assert all(sorted((points[:, axis] * 10).astype(int)) == list(range(10)) for axis in range(3))


@pytest.mark.parametrize("call", [lambda: factorial(13), lambda: plackett_burman(20), lambda: box_behnken(2)])
def test_a_design_there_is_none_of_is_bad_input(call):
    with pytest.raises(BadInput):
        call()
