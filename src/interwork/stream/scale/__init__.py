"""Grows out of one machine by configuration alone: a shared log, sinks that write a shared lake, readers of it.

`Scaled` is the historian of such a node: `append` publishes to the `Log` (NATS JetStream), `Sink` carries that into
the lake (`Place`: DuckLake over PostgreSQL and S3) exactly once, and every question is answered from there.
"""

from interwork.stream.scale.log import Log as Log
from interwork.stream.scale.log import Standing as Standing
from interwork.stream.scale.place import Place as Place
from interwork.stream.scale.service import Scaled as Scaled
from interwork.stream.scale.sink import Sink as Sink
from interwork.stream.scale.sink import Written as Written
