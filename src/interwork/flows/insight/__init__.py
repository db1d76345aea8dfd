"""What this node learns from its plans: reasons, the trade of a plan, gaps of the network, what hours are worth."""

from interwork.flows.insight.needs import NeedDraft as NeedDraft
from interwork.flows.insight.needs import collect_needs as collect_needs
from interwork.flows.insight.needs import publish_need as publish_need
from interwork.flows.insight.needs import record_need as record_need
from interwork.flows.insight.network import conversions_of as conversions_of
from interwork.flows.insight.network import gap_report as gap_report
from interwork.flows.insight.network import investments as investments
from interwork.flows.insight.network import unserved_of as unserved_of
from interwork.flows.insight.plans import choose as choose
from interwork.flows.insight.plans import explanation_of as explanation_of
from interwork.flows.insight.plans import trade as trade
from interwork.flows.insight.plans import volumes as volumes
from interwork.flows.insight.telling import outcomes as outcomes
from interwork.flows.insight.telling import tell_providers as tell_providers
