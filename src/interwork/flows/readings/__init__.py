"""Readings taken out in open formats, and brought in again."""

from interwork.flows.readings.carry import Brought as Brought
from interwork.flows.readings.carry import Export as Export
from interwork.flows.readings.carry import Keep as Keep
from interwork.flows.readings.carry import bring_in as bring_in
from interwork.flows.readings.carry import retain as retain
from interwork.flows.readings.carry import take_out as take_out
