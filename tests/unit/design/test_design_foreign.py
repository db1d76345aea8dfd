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


@pytest.mark.parametrize("value", ["NaN", "INF", "abc", "40,1"])
def test_a_measured_value_that_is_no_number_is_refused_and_not_skipped(value):
    with pytest.raises(UnreadableDesign, match="«width» on part 1; that is no number"):
        qif.read((RESULTS % value).encode())


def test_a_characteristic_that_was_not_measured_has_no_value():
    assert qif.read((RESULTS % "").encode()).results == ()
    assert [one.value for one in qif.read((RESULTS % "40.1").encode()).results] == [40.1]
