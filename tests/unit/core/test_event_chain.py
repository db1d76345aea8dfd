from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import InterworkError
from interwork.core.event import GENESIS, Tag, event_digest

FACTS = {
    "sequence": 1,
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "tag": Tag.RUN_STARTED,
    "subject": "run-1",
    "actor": "node",
    "detail": {"b": 1, "a": [1, 2]},
    "previous": GENESIS,
}


@given(st.sampled_from(sorted(FACTS)))
def test_changing_any_field_changes_the_digest(field):
    other = {"sequence": 2, "at": datetime(2027, 1, 1, tzinfo=UTC), "tag": Tag.RUN_COMPLETED, "detail": {}}
    assert event_digest(**FACTS) != event_digest(**{**FACTS, field: other.get(field, "changed")})


def test_the_order_of_detail_keys_does_not_matter():
    assert event_digest(**FACTS) == event_digest(**{**FACTS, "detail": {"a": [1, 2], "b": 1}})


def test_tags_read_source_subject_action():
    assert all(len(tag.value.split(":")) == 3 for tag in Tag)


def test_every_error_has_a_code_of_its_own_and_a_status():
    def tree(kind):
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in tree(child))]

    ours = [kind for kind in tree(InterworkError) if kind.__module__.startswith("interwork.core")]
    assert len({kind.code for kind in ours}) == len(ours)
    assert all(400 <= kind.status < 600 for kind in ours)
