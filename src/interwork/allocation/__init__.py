"""Who does what when: offers and quotes in, a checked plan with its bound and reasons out.

`allocate` plans one need over its quotes (`parts`); `solve` plans any problem of the one model (`problem`) within
`Limits`; `verify` is the referee of both the tests and the benches and shares no code with what makes plans.
"""

from interwork.allocation.engine.limits import Limits as Limits
from interwork.allocation.parts.checking import check as check
from interwork.allocation.parts.gaps import gaps as gaps
from interwork.allocation.parts.gaps import unmet as unmet
from interwork.allocation.parts.matching import match as match
from interwork.allocation.parts.model import CapacityOffer as CapacityOffer
from interwork.allocation.parts.model import Cause as Cause
from interwork.allocation.parts.model import QuoteRequest as QuoteRequest
from interwork.allocation.parts.model import draft_request as draft_request
from interwork.allocation.parts.quoting import quote as quote
from interwork.allocation.parts.solving import allocate as allocate
from interwork.allocation.problem.reading import read as read
from interwork.allocation.solving import solve as solve
from interwork.allocation.verify.referee import verify as verify
