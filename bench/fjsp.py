"""Flexible job shops drawn by the rules of three families, 6 s each, beside plain CP-SAT; five of Brandimarte's own.

None of the drawn ones is a published instance. Where the published files are on the machine, the note tells the gap to
their best-known makespans; the full figure is for 30 s: `interwork bench allocation FILE… --seconds 30 --best TABLE`.
"""

from bench.harness import Result
from bench.instances.beside import beside

FAMILIES = ("brandimarte-mk10", "hurink-rdata-15x15", "behnke-50x20")
FILES = tuple(f"fjsp/brandimarte/mk0{number}.txt" for number in range(1, 6))


def run() -> Result:
    """Plan every shop."""
    return beside("fjsp", FAMILIES, FILES, 6.0, goal=1.0)
