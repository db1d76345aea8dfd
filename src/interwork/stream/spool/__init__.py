"""Store and forward: readings for a sink that is away, on disk, bounded, visible, drained in order.

`Spool.append(batch, klass)` gives a record its sequence, which is its stable id at the sink; `Spool.drain(sink)`
sends what waits on, at least once and in order of sequence within a class.
"""

from interwork.stream.spool.spool import Fill as Fill
from interwork.stream.spool.spool import Gone as Gone
from interwork.stream.spool.spool import Spool as Spool
