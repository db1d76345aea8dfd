"""Allocation without timing: assignment with sizes, mass matching, portfolios, supply flow, and their shadow prices."""

from interwork.allocation.assign.gap import solve_assignment as solve_assignment
from interwork.allocation.assign.matching import Arcs as Arcs
from interwork.allocation.assign.matching import Matched as Matched
from interwork.allocation.assign.matching import match_many as match_many
from interwork.allocation.assign.portfolio import solve_portfolio as solve_portfolio
from interwork.allocation.assign.program import Shadow as Shadow
from interwork.allocation.assign.program import shadow_prices as shadow_prices
from interwork.allocation.assign.supply import Arc as Arc
from interwork.allocation.assign.supply import Flow as Flow
from interwork.allocation.assign.supply import Supply as Supply
from interwork.allocation.assign.supply import ship as ship
