"""Models as services: what goes in and comes out is typed and has units, the inside runs in a limited child process."""

from interwork.design.models.interface import Quantity as Quantity
from interwork.design.models.interface import Steps as Steps
from interwork.design.models.interface import canonical as canonical
from interwork.design.models.interface import convergence as convergence
from interwork.design.models.interface import result_digest as result_digest
from interwork.design.models.interface import take_in as take_in
from interwork.design.models.running import Described as Described
from interwork.design.models.running import Outcome as Outcome
from interwork.design.models.running import describe as describe
from interwork.design.models.running import run as run
from interwork.design.models.sweeping import Axis as Axis
from interwork.design.models.sweeping import spread as spread
