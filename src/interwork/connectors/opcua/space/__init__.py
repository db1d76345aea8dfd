"""A server's address space: addresses of nodes, what they say of themselves, their proposal as signals, writing."""

from interwork.connectors.opcua.space.address import address_of as address_of
from interwork.connectors.opcua.space.address import node_of as node_of
from interwork.connectors.opcua.space.browse import browse_signals as browse_signals
from interwork.connectors.opcua.space.browse import read_nameplate as read_nameplate
from interwork.connectors.opcua.space.browse import said_of_others as said_of_others
from interwork.connectors.opcua.space.describe import wording as wording
from interwork.connectors.opcua.space.references import Walk as Walk
from interwork.connectors.opcua.space.write import write_values as write_values
