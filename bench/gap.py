"""Assignments with sizes drawn by the rules of classes c, d and e, 8 s each, beside plain CP-SAT; one of Yagiura's own.

None of the drawn ones is a published instance. The full figure is for 60 s each.
"""

from bench.harness import Result
from bench.instances.beside import beside

FAMILIES = ("gap-c-20x200", "gap-d-20x200", "gap-e-20x400")


def run() -> Result:
    """Assign every instance."""
    return beside("gap", FAMILIES, ("gap/e05100",), 8.0, goal=1.005)
