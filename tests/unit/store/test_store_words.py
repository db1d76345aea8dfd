"""Every word the store keeps can be written as a row and read back."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput, Damaged, LimitReached
from interwork.core.exchange import Side
from interwork.core.organisation import Place, Setting
from interwork.core.planning import Weights
from interwork.core.resource import Resource, ResourceKind, Signal
from interwork.store.words import METADATA, TABLE_NAMES, WORDS, key_text, table_of, word_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(timezones=st.just(UTC))
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), NUMBERS, TEXTS)

st.register_type_strategy(str, TEXTS)
st.register_type_strategy(float, NUMBERS)
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(datetime, MOMENTS)


def values_of(kind: type[msgspec.Struct]) -> st.SearchStrategy:
    return st.builds(kind, **{field.name: strategy_of(field.type) for field in msgspec.structs.fields(kind)})


def strategy_of(kind: Any) -> st.SearchStrategy:
    if kind == dict[str, Any]:
        return st.dictionaries(TEXTS, st.one_of(PLAIN, st.lists(PLAIN, max_size=2)), max_size=2)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return values_of(kind)
    inner = msgspec.inspect.type_info(kind)
    if isinstance(inner, msgspec.inspect.VarTupleType):
        return st.lists(strategy_of(kind.__args__[0]), max_size=2).map(tuple)
    if isinstance(inner, msgspec.inspect.UnionType):
        return st.one_of(*map(strategy_of, kind.__args__))
    return st.from_type(kind)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.table_name)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_word_is_read_back_as_it_was_written(word, data):
    value = data.draw(values_of(word.kind))
    row = word.row(value)
    assert word.read(row["id"], row["body"]) == value
    assert set(row) == {"id", "body", *word.fields}
    assert all(isinstance(row[name], int if name in word.numbers else str) for name in word.fields)


def test_columns_hold_enums_by_their_value_and_facts_as_numbers():
    word = word_of(Resource)
    assert word.row(Resource(id="r", name="n", kind=ResourceKind.FUND, owner="o"))["kind"] == "fund"
    assert word_of(Signal).numbers == {"number"}
    assert word_of(Signal).column("number", True) == 1
    assert word.column("kind", ResourceKind.FUND) == "fund"


def test_no_two_words_share_a_table_and_every_table_is_known():
    names = [word.table_name for word in WORDS]
    assert len(set(names)) == len(names)
    assert set(METADATA.tables) == TABLE_NAMES | {"chain", "once"}
    assert table_of(Setting) == "settings"


def test_a_struct_that_is_no_word_is_refused():
    with pytest.raises(BadInput, match="Weights is not a word the store keeps"):
        word_of(Weights)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (
            Resource(id="r", name="n", kind=ResourceKind.FUND, owner="o", place=Place(latitude=float("nan"))),
            "cannot be",
        ),
        (Resource(id="r", name="n", kind=ResourceKind.FUND, owner="o", options={"a": object()}), "cannot be kept"),
        (Resource(id="r", name="n", kind=ResourceKind.FUND, owner="o\0"), "a character no database keeps"),
        (Resource(id="r", name="\ud800", kind=ResourceKind.FUND, owner="o"), "cannot be kept"),
        (Resource(id="\ud800", name="n", kind=ResourceKind.FUND, owner="o"), "a character no database keeps"),
        (Resource(id="r" * 1001, name="n", kind=ResourceKind.FUND, owner="o"), "has 1001 bytes"),
        (Resource(id=7, name="n", kind=ResourceKind.FUND, owner="o"), "is a text, not 7"),
        (Resource(id="r", name="n", kind="spaceship", owner="o"), "cannot be kept"),
        (Signal(id="s", number=2**63, resource="r", name="n", address="a"), "whole number"),
    ],
)
def test_what_could_not_be_read_back_is_refused_before_it_is_written(value, complaint):
    with pytest.raises(BadInput, match=complaint):
        word_of(type(value)).row(value)


def test_a_record_has_a_largest_size():
    with pytest.raises(LimitReached, match="16777216"):
        word_of(Setting).row(Setting(id="a", value="x" * 2**24))


def test_a_body_that_does_not_decode_names_table_and_id():
    with pytest.raises(Damaged, match="Row s-1 of table settings does not read as Setting"):
        word_of(Setting).read("s-1", "{")


def test_normal_is_what_the_store_would_give_back():
    value = Resource(id="r", name="n", kind=ResourceKind.FUND, owner="o", options={"a": (1, Side.PROVIDER)})
    assert word_of(Resource).normal(value).options == {"a": [1, "provider"]}


@given(TEXTS)
def test_a_key_is_given_back_as_it_is(text):
    assert key_text("the key", text) == text
