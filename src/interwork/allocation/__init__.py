"""Who does what when: offers and quotes in, a checked plan with its bound and reasons out."""

from interwork.allocation.checking import check as check
from interwork.allocation.gaps import gaps as gaps
from interwork.allocation.gaps import unmet as unmet
from interwork.allocation.matching import match as match
from interwork.allocation.model import CapacityOffer as CapacityOffer
from interwork.allocation.model import Cause as Cause
from interwork.allocation.model import QuoteRequest as QuoteRequest
from interwork.allocation.model import draft_request as draft_request
from interwork.allocation.quoting import quote as quote
from interwork.allocation.solving import allocate as allocate
