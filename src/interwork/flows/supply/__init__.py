"""A product of many parts over tiers and periods: asked for in the network, planned, put to the test, ordered."""

from interwork.flows.supply.asking import Asked as Asked
from interwork.flows.supply.ordering import grant as grant
from interwork.flows.supply.ordering import order as order
from interwork.flows.supply.planning import PlanWish as PlanWish
from interwork.flows.supply.planning import plan as plan
from interwork.flows.supply.products import ItemDraft as ItemDraft
from interwork.flows.supply.products import ProductDraft as ProductDraft
from interwork.flows.supply.products import record as record
from interwork.flows.supply.shortages import Missing as Missing
from interwork.flows.supply.shortages import shortage as shortage
from interwork.flows.supply.shortages import stress as stress
