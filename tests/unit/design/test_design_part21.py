"""The text reader takes facts from sound files and passes junk over in time."""

import time

import pytest

from interwork.core.errors import UnreadableDesign
from interwork.design.files import instances, part21
from interwork.design.solid import SENSOR_BRACKET, area_mm2

JUNK = {
    "quotes": b"'" * 1_000_001,
    "comments": b"/*" * 500_000,
    "open brackets": b"#1=((" * 300_000,
    "empty instances": b"#1=(_UNIT;" * 100_000,
    "closed brackets": b"#1=A_TOLERANCE(" + b"'')," * 200_000 + b";",
    "circular units": b"#1=(LENGTH_UNIT()CONVERSION_BASED_UNIT('x',#2));#2=LENGTH_MEASURE_WITH_UNIT(2.,#1);" * 2_000,
    "huge number": b"#1=CARTESIAN_POINT('',(" + b"9" * 500_000 + b",2.,3.));",
    "bytes": bytes(range(256)) * 4_000,
}


def facts(body, schema="AUTOMOTIVE_DESIGN"):
    text = f"ISO-10303-21;HEADER;FILE_SCHEMA(('{schema}'));ENDSEC;DATA;{body}ENDSEC;END-ISO-10303-21;"
    return part21.read(text.encode())


def test_the_bracket_tells_schema_unit_name_and_validation_properties(bracket_step):
    read = part21.read(bracket_step)
    assert (read.unit, read.unit_mm, read.products, read.is_complete) == ("mm", 1.0, ("Sensor bracket",), True)
    assert read.schema.startswith("AUTOMOTIVE_DESIGN")
    assert read.volume_mm3 == pytest.approx(SENSOR_BRACKET.volume_mm3())
    assert read.area_mm2 == pytest.approx(area_mm2(SENSOR_BRACKET))
    assert read.extent_mm == pytest.approx(120.0)


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
def test_junk_is_passed_over_in_time(junk):
    begin = time.process_time()
    part21.read(b"ISO-10303-21;" + junk)
    assert time.process_time() - begin < 5


def test_what_is_no_step_file_is_refused():
    with pytest.raises(UnreadableDesign, match="does not begin with"):
        part21.read(b"<html>")


def test_a_file_over_the_limit_is_refused_unread(monkeypatch):
    monkeypatch.setattr(part21, "SIZE_LIMIT", 100)
    with pytest.raises(UnreadableDesign, match="at most"):
        part21.read(b"ISO-10303-21;" + b" " * 100)


def test_a_file_cut_short_is_told():
    assert not part21.read(b"ISO-10303-21;DATA;#1=PRODUCT('a','b','',(#2));").is_complete


def test_semicolons_in_strings_and_comments_end_nothing():
    read = facts("#1=PRODUCT('a;','b''s /* no; */','',(#2));/* #2=PRODUCT('x','y','',()); */#3=PRODUCT('c','d','',());")
    assert read.products == ("b's /* no; */", "d")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\X2\652F67B6\X0\ 1", "支架 1"),
        (r"\X4\0001F600\X0\ ", "😀 "),
        (r"Tr\X\E4ger", "Träger"),
        (r"Tr\S\dger", "Träger"),
        (r"a\X2\zz", r"a\X2\zz"),
        (r"\PE\\S\4\S\5 \PA\\S\d", "ДЕ ä"),
        (r"a\\P\\b", r"a\P\b"),
        (r"a\\X\\E4", r"a\X\E4"),
        (r"\X2\D800\X0\ ", "\ufffd "),
        (r"\X4\FFFFFFFF\X0\ ", "\ufffd "),
    ],
)
def test_escapes_of_strings_are_decoded(written, meant):
    assert instances.decode(written) == meant


def test_inches_are_followed_to_millimetres():
    body = (
        "#1=SHAPE_REPRESENTATION('',(#9),#2);"
        "#2=(GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNIT_ASSIGNED_CONTEXT((#6,#3))REPRESENTATION_CONTEXT('',''));"
        "#3=(CONVERSION_BASED_UNIT('INCH',#4)LENGTH_UNIT()NAMED_UNIT(#7));"
        "#4=LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(25.4),#5);#5=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.));"
        "#8=FLATNESS_TOLERANCE('F','',#10,#11);#10=LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(1.E-02),#3);"
    )
    read = facts(body)
    assert (read.unit, read.unit_mm) == ("inch", 25.4)
    assert read.tolerances == (part21.Tolerance(kind="flatness", name="F", value_mm=pytest.approx(0.254)),)


def test_several_different_volumes_belong_to_parts_and_none_is_taken():
    unit = "#5=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.));"
    item = "#{}=MEASURE_REPRESENTATION_ITEM('volume measure',VOLUME_MEASURE({}),#9);"
    assert facts(unit + item.format(1, "10.") + item.format(2, "20.")).volume_mm3 is None
    assert facts(unit + item.format(1, "10.") + item.format(2, "10.")).volume_mm3 == 10.0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Gehäuse 中文".encode(), "Gehäuse 中文"),
        ("Gehäuse".encode("latin-1"), "Gehäuse"),
        (b"a long name, br\r\noken", "a long name, broken"),
    ],
)
def test_names_are_read_as_they_are_written(name, meant):
    """Edition 3 of the standard allows UTF-8; older programs write one byte a letter; a line may end in a string."""
    content = b"ISO-10303-21;DATA;#1=PRODUCT('a','" + name + b"','',(#2));ENDSEC;END-ISO-10303-21;"
    assert part21.read(content).products == (meant,)


TOLERANCES = """
#5=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.));#9=LENGTH_MEASURE_WITH_UNIT(LENGTH_MEASURE(.05),#5);
#11=DATUM('','',#1,.F.,'A');#12=DATUM('','',#1,.F.,'B');#13=DATUM('','',#1,.F.,'C');
#14=DATUM_REFERENCE_ELEMENT('','',#1,.F.,#12,$);#15=DATUM_REFERENCE_ELEMENT('','',#1,.F.,#13,$);
#16=DATUM_REFERENCE_COMPARTMENT('','',#1,.F.,#11,$);
#17=DATUM_REFERENCE_COMPARTMENT('','',#1,.F.,COMMON_DATUM_LIST((#14,#15)),$);
#18=DATUM_SYSTEM('','',#1,.F.,(#16,#17));
#21=(GEOMETRIC_TOLERANCE('P1','',#9,#1)GEOMETRIC_TOLERANCE_WITH_DATUM_REFERENCE((#18))
MODIFIED_GEOMETRIC_TOLERANCE(.MAXIMUM_MATERIAL_CONDITION.)POSITION_TOLERANCE());
#22=(GEOMETRIC_TOLERANCE('P2','',#9,#1)GEOMETRIC_TOLERANCE_WITH_MODIFIERS((.LEAST_MATERIAL_REQUIREMENT.))
POSITION_TOLERANCE());
#23=(GEOMETRIC_TOLERANCE('S','',#9,#1)SURFACE_PROFILE_TOLERANCE()UNEQUALLY_DISPOSED_GEOMETRIC_TOLERANCE(#9));
"""


def test_a_tolerance_keeps_its_kind_its_material_condition_its_common_datum_and_its_small_zone():
    """design 26: older and newer ways to write them; «.05» is five hundredths and not five."""
    read = facts(TOLERANCES)
    told = [(one.kind, one.name, one.zone, one.datums) for one in read.characteristics]
    assert told == [
        ("position", "P1 (MMC)", 0.05, ("A", "B", "C")),
        ("position", "P2 (LMC)", 0.05, ()),
        ("surface_profile", "S", 0.05, ()),
    ]


def test_fits_and_lengths_along_a_path_are_not_lost():
    unit = "#5=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.));"
    item = (
        "#{0}=(LENGTH_MEASURE_WITH_UNIT()MEASURE_REPRESENTATION_ITEM()MEASURE_WITH_UNIT(LENGTH_MEASURE({1}),#5)"
        "REPRESENTATION_ITEM('nominal value'));#{0}1=SHAPE_DIMENSION_REPRESENTATION('',(#{0}),#2);"
        "#{0}2=DIMENSIONAL_CHARACTERISTIC_REPRESENTATION(#{2},#{0}1);"
    )
    body = unit + item.format(6, "8.", 31) + item.format(7, "33.", 32) + item.format(8, "12.", 33)
    body += "#31=DIMENSIONAL_SIZE(#1,'diameter');#41=LIMITS_AND_FITS('H','7','hole','');"
    body += "#42=PLUS_MINUS_TOLERANCE(#41,#31);#32=DIMENSIONAL_SIZE_WITH_PATH(#1,'curve length',#3);"
    body += "#33=DIMENSIONAL_LOCATION_WITH_PATH('curved distance','',#1,#2,#3);"
    told = [(one.kind, one.name, one.nominal) for one in facts(body).characteristics]
    assert told == [
        ("diameter", "diameter H7", 8.0),
        ("curve_length", "curve length", 33.0),
        ("curved_distance", "curved distance", 12.0),
    ]


def test_nanometres_are_a_unit():
    body = "#1=SHAPE_REPRESENTATION('',(#9),#2);#5=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.NANO.,.METRE.));"
    assert (facts(body).unit, facts(body).unit_mm) == ("nm", 1e-6)


def test_bodies_placed_as_mapped_items_are_counted_and_drawings_are_not():
    body = "#1=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#9),#2);#3=REPRESENTATION_MAP(#8,#1);#4=MAPPED_ITEM('',#3,#8);"
    body += "#5=DRAUGHTING_MODEL('',(#9),#2);#6=REPRESENTATION_MAP(#8,#5);#7=MAPPED_ITEM('',#6,#8);"
    assert facts(body).mapped == 1
