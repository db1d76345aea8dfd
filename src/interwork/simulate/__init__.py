"""The project's own SIMULATED machines, broker and operator, each its own process; every face of them says so.

No product room imports this package: it talks to a node only as machines and people do, over the wire.
"""

from interwork.simulate.broker import run_broker as run_broker
from interwork.simulate.machine import run_machine as run_machine
from interwork.simulate.operator import run_operator as run_operator
