import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import UnknownMaterial
from interwork.core.ids import derived_id, kind_of, new_id
from interwork.core.resource import BatchBuilder, is_good
from interwork.core.taxonomy import material_of, subsumes


def test_fresh_ids_of_one_kind_sort_by_age():
    made = [new_id("need") for _ in range(50)]
    assert len(set(made)) == 50
    assert [one[:15] for one in made] == sorted(one[:15] for one in made)


@given(st.lists(st.text(alphabet="ab-", max_size=3), min_size=1, max_size=3))
def test_derived_ids_are_equal_only_for_equal_parts(parts):
    assert derived_id("x", *parts) == derived_id("x", *parts)
    assert derived_id("x", *parts) != derived_id("x", *parts, "more")
    assert kind_of(derived_id("x", *parts)) == "x"


def test_parts_do_not_run_into_each_other():
    assert derived_id("x", "ab", "c") != derived_id("x", "a", "bc")


def test_a_wider_process_is_satisfied_by_a_narrower_one_and_not_the_reverse():
    assert subsumes("milling-5-axis", "milling")
    assert not subsumes("milling", "milling-5-axis")


def test_a_material_is_found_by_id_or_name_and_an_unknown_one_names_the_known():
    assert material_of(" AL-6061 ") is material_of("Aluminium 6061-T6")
    with pytest.raises(UnknownMaterial, match="steel-1045"):
        material_of("unobtainium")


def test_only_severity_good_is_good():
    assert [is_good(code) for code in (0, 0x0096_0000, 0x4090_0000, 0x8031_0000)] == [True, True, False, False]


def test_a_builder_keeps_texts_beside_numbers_in_one_order():
    builder = BatchBuilder()
    builder.add(1, 10, 2.5)
    builder.add(2, 11, "ACTIVE")
    builder.add(1, 12, None)
    batch = builder.take()
    assert (list(batch.signal), batch.text) == ([1, 2, 1], [None, "ACTIVE", None])
    assert len(builder) == 0
