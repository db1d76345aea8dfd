"""Files that belong to a design, as others write them: an FMU for another platform, a QIF with a value that is none."""

import io
import re
import zipfile

import fmpy
import pytest

from interwork.core.errors import BadInput, UnreadableDesign
from interwork.design.files import qif
from interwork.design.models import fmi

DESCRIPTION = """<?xml version="1.0"?><fmiModelDescription fmiVersion="2.0" modelName="Tank" guid="{1}">
<CoSimulation modelIdentifier="Tank"/><ModelVariables><ScalarVariable name="u" valueReference="0" causality="input"
variability="continuous"><Real start="1"/></ScalarVariable><ScalarVariable name="y" valueReference="1"
causality="output"><Real/></ScalarVariable></ModelVariables><ModelStructure><Outputs><Unknown index="2"/></Outputs>
</ModelStructure></fmiModelDescription>"""
RESULTS = """<QIFDocument xmlns="http://qifstandards.org/xsd/qif3" versionQIF="3.0.0"><FileUnits><PrimaryUnits>
<LinearUnit>
<SIUnitName>meter</SIUnitName><UnitName>mm</UnitName><UnitConversion><Factor>0.001</Factor></UnitConversion></LinearUnit>
</PrimaryUnits></FileUnits><Characteristics>
<CharacteristicDefinitions><LengthCharacteristicDefinition id="1"><Name>w</Name></LengthCharacteristicDefinition>
</CharacteristicDefinitions><CharacteristicNominals><LengthCharacteristicNominal id="2">
<CharacteristicDefinitionId>1</CharacteristicDefinitionId><TargetValue>40</TargetValue></LengthCharacteristicNominal>
</CharacteristicNominals><CharacteristicItems><LengthCharacteristicItem id="3"><Name>width</Name>
<CharacteristicNominalId>2</CharacteristicNominalId></LengthCharacteristicItem></CharacteristicItems></Characteristics>
<MeasurementsResults><MeasurementResults id="9"><MeasuredCharacteristics><CharacteristicMeasurements>
<LengthCharacteristicMeasurement><CharacteristicItemId>3</CharacteristicItemId><Value>%s</Value>
</LengthCharacteristicMeasurement></CharacteristicMeasurements></MeasuredCharacteristics></MeasurementResults>
</MeasurementsResults></QIFDocument>"""


def fmu(*names, description=DESCRIPTION):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as package:
        package.writestr("modelDescription.xml", description)
        for name in names:
            package.writestr(name, b"binary")
    return held.getvalue()


@pytest.mark.parametrize("names", [(), ("binaries/other99/Tank.dll",), ("sources/all.c",)])
def test_an_fmu_without_a_binary_for_this_machine_is_refused_when_it_is_published(names):
    """design 42: nobody finds out at the first run."""
    with pytest.raises(BadInput, match=re.escape(f"no binary for {fmpy.platform}")):
        fmi.describe_fmu(fmu(*names))


@pytest.mark.parametrize("platform", [fmpy.platform, fmpy.platform_tuple])
def test_an_fmu_for_this_machine_is_described_with_its_ports(platform):
    found = fmi.describe_fmu(fmu(f"binaries/{platform}/Tank.so"))
    assert [one.name for one in (*found.inputs, *found.outputs)] == ["u", "y"]


def test_an_fmu_for_model_exchange_only_is_refused():
    content = fmu("binaries/linux64/Tank.so", description=DESCRIPTION.replace("CoSimulation", "ModelExchange"))
    with pytest.raises(BadInput, match="no co-simulation"):
        fmi.describe_fmu(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\3\4 cut short", "cannot be unpacked"),
        (fmu().replace(b"modelDescription", b"modelReproduction"), "cannot be unpacked"),
        (
            fmu(description=DESCRIPTION.replace("?>", "?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>")),
            "document type",
        ),
        (fmu(description=DESCRIPTION.replace('"2.0"', '"1.0"')), "FMI 1.0"),
    ],
)
def test_an_fmu_that_is_none_or_of_another_edition_is_refused_before_a_library_reads_it(content, says):
    with pytest.raises(BadInput, match=says):
        fmi.describe_fmu(content)


@pytest.mark.parametrize("value", ["NaN", "INF", "abc", "40,1"])
def test_a_measured_value_that_is_no_number_is_refused_and_not_skipped(value):
    with pytest.raises(UnreadableDesign, match="«width» on part 1; that is no number"):
        qif.read((RESULTS % value).encode())


def test_a_characteristic_that_was_not_measured_has_no_value():
    assert qif.read((RESULTS % "").encode()).results == ()
    assert [one.value for one in qif.read((RESULTS % "40.1").encode()).results] == [40.1]


def test_a_value_in_another_unit_than_the_files_is_brought_to_mm_or_refused():
    """design 40: QIF lets each value name its unit; an inch read as a millimetre is a wrong measure."""
    inches = "<OtherUnits><LinearUnit><SIUnitName>meter</SIUnitName><UnitName>inch</UnitName><UnitConversion>"
    inches += "<Factor>0.0254</Factor></UnitConversion></LinearUnit></OtherUnits></FileUnits>"
    said = (RESULTS % "1.5").replace("<Value>", '<Value linearUnit="inch">')
    said = said.replace("<TargetValue>40", '<TargetValue linearUnit="inch">1.5')
    read = qif.read(said.replace("</FileUnits>", inches).encode())
    assert ([one.value for one in read.results], read.characteristics[0].nominal) == ([38.1], 38.1)
    with pytest.raises(UnreadableDesign, match="«inch», a unit its FileUnits do not define"):
        qif.read(said.encode())
    assert qif.read((RESULTS % "40.1").replace("<Value>", '<Value linearUnit="mm">').encode()).results[0].value == 40.1


def test_a_value_of_a_characteristic_that_is_not_there_is_refused_and_not_skipped():
    said = (RESULTS % "40.1").replace("<CharacteristicItemId>3<", "<CharacteristicItemId>77<")
    with pytest.raises(UnreadableDesign, match="item '77', which it does not define"):
        qif.read(said.encode())
