"""The API of planning over the network: needs of any kind, products over tiers and periods, planning together."""

from interwork.web.api.network import needs, supply, together
from interwork.web.api.reading import Entry

ROUTES: tuple[Entry, ...] = (*needs.ROUTES, *supply.ROUTES, *together.ROUTES)
