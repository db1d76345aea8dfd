"""The allocation engine: limits, the exact model, and the figures of a plan."""

from interwork.allocation.engine.limits import Clock as Clock
from interwork.allocation.engine.limits import Interrupt as Interrupt
from interwork.allocation.engine.limits import Limits as Limits
from interwork.allocation.engine.limits import Step as Step
from interwork.allocation.engine.limits import Watch as Watch
