"""The machine line: device → connector → batch → admission and shaping → historian → live state."""

from interwork.flows.ingest.admission import Connected as Connected
from interwork.flows.ingest.admission import Connection as Connection
from interwork.flows.ingest.admission import change_signal as change_signal
from interwork.flows.ingest.admission import connect as connect
from interwork.flows.ingest.admission import foresee as foresee
from interwork.flows.ingest.admission import measured as measured
from interwork.flows.ingest.admission import next_number as next_number
from interwork.flows.ingest.carrying import execution_of as execution_of
from interwork.flows.ingest.carrying import take as take
from interwork.flows.ingest.going_on import mirror as mirror
from interwork.flows.ingest.going_on import restore as restore
from interwork.flows.ingest.mapping import Mapped as Mapped
from interwork.flows.ingest.mapping import mapping_of as mapping_of
from interwork.flows.ingest.probing import Proposal as Proposal
from interwork.flows.ingest.probing import options_of as options_of
from interwork.flows.ingest.probing import probe as probe
from interwork.flows.ingest.probing import propose as propose
from interwork.flows.ingest.probing import resolved as resolved
from interwork.flows.ingest.status import MachineStatus as MachineStatus
from interwork.flows.ingest.status import machine_state as machine_state
from interwork.flows.ingest.status import machine_states as machine_states
from interwork.flows.ingest.status import nameplate as nameplate
from interwork.flows.ingest.status import retry as retry
from interwork.flows.ingest.status import switch as switch
from interwork.flows.ingest.status import uplink_state as uplink_state
from interwork.flows.ingest.supervision import work as work
