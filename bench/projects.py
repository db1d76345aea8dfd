"""Projects drawn by ProGen's rules, of one and of several modes, 6 s each, beside plain CP-SAT; three of PSPLIB.

None of the drawn ones is a published instance. Where the published files are on the machine, the note tells the gap to
their best-known makespans; the full figure is for 30 s each, and 60 s for the projects of MPLIB.
"""

from bench.harness import Result
from bench.instances.beside import beside

FAMILIES = ("j60", "j120", "j50-modes")
FILES = ("rcpsp/j60_9_1.rcp", "rcpsp/j60_13_3.rcp", "rcpsp/j60_25_2.rcp")


def run() -> Result:
    """Plan every project."""
    return beside("projects", FAMILIES, FILES, 6.0, goal=1.01)
