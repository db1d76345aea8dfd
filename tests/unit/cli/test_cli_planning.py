"""The verbs of what plans teach, asked of a real node over its API; the network of the benchmark needs no node."""

import json

from interwork.cli import main


def test_invest_prices_a_drawn_network_without_a_node(capsys):
    """allocation 28: the list is ordered by what solving again gains."""
    assert main(["invest", "--network", "40,8,3,9", "--seconds", "6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    gains = [row["doubled_eur"] for row in found["rows"] if row["doubled_eur"] is not None]
    assert gains == sorted(gains, reverse=True)
    assert found["needs"] == 40


def test_invest_prints_a_table(capsys):
    assert main(["invest", "--network", "20,8,3,9", "--seconds", "3"]) == 0
    said = capsys.readouterr().out
    assert "machine" in said
    assert "20 lots" in said


def test_a_network_that_is_none_is_said_so(capsys):
    assert main(["invest", "--network", "many"]) == 1
    assert "is no network" in capsys.readouterr().err
