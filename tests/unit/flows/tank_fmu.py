"""FMUs built afresh with pythonfmu: a heated coolant tank, stepped by Euler's rule, and one that never ends."""

import subprocess
import sys

TANK = """
from pythonfmu import Fmi2Causality, Fmi2Slave, Fmi2Variability, Real
class Tank(Fmi2Slave):
    def __init__(self, **more):
        super().__init__(**more)
        self.power, self.mass, self.temperature = 2.0, 50.0, 20.0
        self.register_variable(Real("power", causality=Fmi2Causality.input))
        self.register_variable(Real("mass", causality=Fmi2Causality.parameter, variability=Fmi2Variability.tunable))
        self.register_variable(Real("temperature", causality=Fmi2Causality.output))
    def do_step(self, time, step):
        loss = 8.0 * (self.temperature - 20.0)
        self.temperature += step * (1000.0 * self.power - loss) / (4186.0 * self.mass)
        return True
"""
ENDLESS = """
from pythonfmu import Fmi2Causality, Fmi2Slave, Real
class Endless(Fmi2Slave):
    def __init__(self, **more):
        super().__init__(**more)
        self.level = 0.0
        self.register_variable(Real("level", causality=Fmi2Causality.output))
    def do_step(self, time, step):
        while True:
            self.level += 1.0
"""
UNITS = {"power": "kW", "mass": "kg", "temperature": "Cel"}


def build(folder, source):
    """Build an FMU from the source of a slave; its class names the file."""
    name = source.split("class ")[1].split("(")[0]
    script = folder / f"{name.lower()}.py"
    script.write_text(source)
    command = [sys.executable, "-m", "pythonfmu", "build", "-f", str(script), "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return (folder / f"{name}.fmu").read_bytes()
