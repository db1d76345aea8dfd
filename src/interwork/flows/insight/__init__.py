"""What this node learns from its plans: reasons, the trade of a plan, gaps of the network, what hours are worth."""

from interwork.flows.insight.network import conversions_of as conversions_of
from interwork.flows.insight.network import gap_report as gap_report
from interwork.flows.insight.network import investments as investments
from interwork.flows.insight.network import unserved_of as unserved_of
from interwork.flows.insight.plans import choose as choose
from interwork.flows.insight.plans import explanation_of as explanation_of
from interwork.flows.insight.plans import trade as trade
from interwork.flows.insight.plans import volumes as volumes
