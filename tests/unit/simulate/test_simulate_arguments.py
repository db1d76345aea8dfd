import argparse

import pytest
import structlog

from interwork.simulate.arguments import add_arguments, run
from interwork.simulate.faces import FACES
from interwork.simulate.profiles import LIMITS


@pytest.fixture(autouse=True)
def own_log():
    """Leave the log as it was: `run` sets it for its process."""
    yield
    structlog.reset_defaults()


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="interwork simulate")
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("kind", FACES)
def test_every_face_has_a_subcommand_with_every_figure(kind):
    words = [word for name in LIMITS for word in (f"--{name.replace('_', '-')}", "1")]
    arguments = parse(kind, *words)
    assert [getattr(arguments, name) for name in LIMITS] == [1] * len(LIMITS)


def test_everything_listens_on_loopback_unless_told():
    assert {parse(kind).host for kind in (*FACES, "broker")} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "words", [(), ("submarine",), ("opcua", "--port", "70000"), ("opcua", "--type", "x"), ("operator",)]
)
def test_wrong_words_end_with_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*words)
    assert caught.value.code == 2
    assert "usage: interwork simulate" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [*FACES, "broker", "operator", ""])
def test_help_explains_itself(kind, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*filter(None, (kind, "--help")))
    assert caught.value.code == 0
    assert '{"ready": true' in " ".join(capsys.readouterr().out.split())


def test_machines_of_an_operator_are_named_with_their_panels():
    arguments = parse("operator", "--node", "http://n", "--machine", "Mill 1=http://p:1", "--machine", "b=http://p:2")
    assert arguments.machine == [("Mill 1", "http://p:1"), ("b", "http://p:2")]


def test_benches_of_an_operator_are_named():
    assert parse("operator", "--node", "http://n", "--bench", "a", "--bench", "b").bench == ["a", "b"]


@pytest.mark.parametrize("text", ["Mill 1", "=http://p", "Mill 1=p:1"])
def test_a_machine_without_a_name_or_an_address_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parse("operator", "--node", "http://n", "--machine", text)
    assert "NAME=URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("opcua", "--speed", "0"), "speed of 0"),
        (("opcua", "--unit-s", "nan"), "unit_s is nan"),
        (("sparkplug", "--edge", "a/b"), "edge 'a/b'"),
        (("operator", "--node", "n"), "http address"),
        (("operator", "--node", "http://n", "--token-file", "/no/such/file"), "token file"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_one_line_and_fails(words, message, capsys):
    assert run(parse(*words)) == 1
    text = capsys.readouterr().err
    assert message in text
    assert text.startswith(f"interwork simulate {words[0]}: ")
