"""The child process that runs an FMU (FMI 2.0 or 3.0 co-simulation): native code, limited as `runner` tells."""

import io
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fmpy
from fmpy.model_description import ModelDescription

from interwork.core.design import Port
from interwork.core.errors import BadInput
from interwork.design.files import fmu
from interwork.design.models.runner import PORTS_MAX, Evaluate, Keep, main, number, outputs_of
from interwork.design.models.running import Described, Task

UNPACKED_BYTES = 256 * 2**20
_UCUM = {
    "degC": "Cel", "°C": "Cel", "rpm": "{rpm}",
    "1/min": "{rpm}", "rev/min": "{rpm}", "kWh": "kW.h", "Wh": "W.h",
    "kW.h": "kW.h", "Nm": "N.m", "l": "L", "l/min": "L/min", "inch": "[in_i]", "in": "[in_i]", "-": "1", "": "1",
}  # fmt: skip
"""How FMUs write units that UCUM writes otherwise."""
_NUMBERS = ("Real", "Float64", "Float32", "Integer", "Int32", "Int64", "Boolean")


def describe_fmu(content: bytes) -> Described:
    """Read the model description of an FMU; only co-simulation is run here."""
    description = _description(content)
    ports: dict[str, list[Port]] = {"input": [], "output": []}
    for one in description.modelVariables[: 40 * PORTS_MAX]:
        role = "input" if one.causality in ("input", "parameter") else one.causality
        if role in ports and one.type in _NUMBERS and one.variability != "constant" and not one.dimensions:
            ports[role].append(_port(one))
    experiment = description.defaultExperiment
    stop = number(experiment.stopTime) if experiment else None
    step = number(experiment.stepSize) if experiment else None
    stop = stop or 1.0
    return Described(
        inputs=tuple(ports["input"][:PORTS_MAX]),
        outputs=tuple(ports["output"][:PORTS_MAX]),
        step_s=step or stop / 100,
        stop_s=stop,
        text=(description.description or "")[:2000],
    )


def _description(content: bytes) -> ModelDescription:
    told = fmu.read(content)  # refuses a document type, and says what is wrong with a package that is none
    if not told.fmi_version.startswith(("2.", "3.")):
        raise BadInput(f"the FMU is of FMI {told.fmi_version[:10]}.", remedy="Export it as FMI 2.0 or 3.0.")
    description = fmpy.read_model_description(io.BytesIO(content))
    if description.coSimulation is None:
        raise BadInput("the FMU has no co-simulation.", remedy="Export it for co-simulation.")
    _check_platform(content)
    return description


def _check_platform(content: bytes) -> None:
    """Refuse an FMU that holds no binary for this machine before anybody runs it in vain."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        binaries = {name.split("/")[1] for name in package.namelist() if re.fullmatch(r"binaries/[^/]+/[^/]+", name)}
    if not binaries & {fmpy.platform, fmpy.platform_tuple}:
        held = ", ".join(sorted(binaries)) or "none at all"
        raise BadInput(
            f"the FMU has no binary for {fmpy.platform} (FMI 3: {fmpy.platform_tuple}); it has {held}.",
            remedy="Export it for this platform too.",
        )


def _port(variable: Any) -> Port:  # noqa: ANN401 - the library is untyped
    unit = variable.unit or (variable.declaredType.unit if variable.declaredType else "") or ""
    start = {"true": "1", "false": "0"}.get(str(variable.start), variable.start)
    return Port(
        name=variable.name,
        unit=_UCUM.get(unit, unit),
        low=number(variable.min),
        high=number(variable.max),
        default=number(start),
        text=(variable.description or "")[:500],
    )


def open_fmu(task: Task) -> Evaluate:
    """Unpack an FMU into this process's own folder."""
    description = _description(task.content)
    with zipfile.ZipFile(io.BytesIO(task.content)) as package:
        size = sum(one.file_size for one in package.infolist())
        if size > UNPACKED_BYTES:
            raise BadInput(f"the FMU unpacks to {size >> 20} MiB; at most {UNPACKED_BYTES >> 20} are unpacked.")
    folder = fmpy.extract(io.BytesIO(task.content), unzipdir=str(Path("fmu").resolve()))

    def evaluate(inputs: Mapping[str, float], step_s: float, keep: Keep | None) -> dict[str, float]:
        rows = fmpy.simulate_fmu(
            folder,
            validate=False,
            start_values=dict(inputs),
            start_time=task.start_s,
            stop_time=task.stop_s,
            output_interval=step_s,
            fmi_type="CoSimulation",
            output=list(task.outputs),
            model_description=description,
        )
        last = rows[-1]
        if keep:
            keep(rows["time"].tolist(), {name: rows[name].tolist() for name in task.outputs})
        return outputs_of({name: last[name] for name in task.outputs}, task)

    return evaluate


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], describe_fmu, open_fmu))
