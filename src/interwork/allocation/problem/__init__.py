"""The one allocation model as plain values, and readers of the benchmark formats of the field."""

from interwork.allocation.problem.model import Activity as Activity
from interwork.allocation.problem.model import Demand as Demand
from interwork.allocation.problem.model import Kind as Kind
from interwork.allocation.problem.model import Link as Link
from interwork.allocation.problem.model import Mode as Mode
from interwork.allocation.problem.model import Placement as Placement
from interwork.allocation.problem.model import Problem as Problem
from interwork.allocation.problem.model import Resource as Resource
from interwork.allocation.problem.model import ResourceKind as ResourceKind
from interwork.allocation.problem.model import Row as Row
from interwork.allocation.problem.model import Solution as Solution
from interwork.allocation.problem.model import Status as Status
from interwork.allocation.problem.model import Synergy as Synergy
from interwork.allocation.problem.model import Tariff as Tariff
from interwork.allocation.problem.model import Transport as Transport
from interwork.allocation.problem.network import Size as Size
from interwork.allocation.problem.network import generate as generate
from interwork.allocation.problem.reading import read as read
from interwork.allocation.problem.reading import write as write
