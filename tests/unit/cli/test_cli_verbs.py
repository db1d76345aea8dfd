"""Which module holds which verb: the table a call is sent by says what the modules really add."""

import argparse
import importlib
import json
import subprocess
import sys

import pytest

from interwork.cli import HOMES, main, parser
from interwork.core.making import JobStep


def added(*modules):
    top = argparse.ArgumentParser()
    verbs = top.add_subparsers()
    for each in modules:
        importlib.import_module(f"interwork.cli.{each}").add(verbs)
    return tuple(verbs.choices)


@pytest.mark.parametrize("home", HOMES)
def test_a_module_adds_just_the_verbs_the_table_says(home):
    assert added(home) == HOMES[home]


def test_the_whole_help_names_every_verb_once(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert [verb for held in HOMES.values() for verb in held if f"\n    {verb}" not in said] == []
    assert "\n    simulate" in said


def test_an_unknown_verb_is_told_all_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        parser("mke").parse_args(["mke"])
    assert ended.value.code == 2
    assert "'make'" in capsys.readouterr().err


def test_a_simulated_machine_loads_nothing_of_the_node():
    asked = "import interwork.cli as c, sys, json; c.parser('simulate'); print(json.dumps([*sys.modules]))"
    loaded = json.loads(
        subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, timeout=60).stdout
    )
    assert [name for name in loaded if name.startswith(("interwork.flows", "interwork.store", "interwork.web"))] == []


def below(each):
    """Walk a parser and those of its verbs, at every depth."""
    yield each
    for action in each._actions:
        for inner in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from below(inner)


def test_every_verb_says_in_its_own_help_what_it_is_for():
    assert [one.prog for one in below(parser()) if not one.description] == []


def test_the_help_leads_through_every_step_from_design_to_evidence(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out.partition("step by step")[2]
    assert [step for step in JobStep if step is not JobStep.DONE and step not in said] == []
