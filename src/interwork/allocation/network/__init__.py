"""Network plans: greedy rules, ruin and recreate with beam insertion, prices by column generation, re-planning."""

from interwork.allocation.network.pareto import Point as Point
from interwork.allocation.network.pareto import trade_off as trade_off
from interwork.allocation.network.prices import Prices as Prices
from interwork.allocation.network.prices import price as price
from interwork.allocation.network.replan import Change as Change
from interwork.allocation.network.replan import Outage as Outage
from interwork.allocation.network.replan import Proposal as Proposal
from interwork.allocation.network.replan import Stability as Stability
from interwork.allocation.network.replan import replan as replan
from interwork.allocation.network.replan import right_shift as right_shift
from interwork.allocation.network.rules import RULES as RULES
from interwork.allocation.network.rules import by_rule as by_rule
from interwork.allocation.network.solving import solve_network as solve_network
