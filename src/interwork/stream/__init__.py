"""Carries readings to rest: admission by blueprint, shaping, live state, the historian, and figures from it.

The machine line in this package: `TokenBucket.throttle` → `Shaper.shape` → `Live.update` → `Historian.append`.
"""

from interwork.stream.blueprint.bucket import Loss as Loss
from interwork.stream.blueprint.bucket import TokenBucket as TokenBucket
from interwork.stream.blueprint.budget import Declared as Declared
from interwork.stream.blueprint.budget import Forecast as Forecast
from interwork.stream.blueprint.budget import admit as admit
from interwork.stream.blueprint.budget import forecast as forecast
from interwork.stream.blueprint.shaper import Shaper as Shaper
from interwork.stream.columns import UNKNOWN as UNKNOWN
from interwork.stream.columns import batch_of as batch_of
from interwork.stream.columns import columns_of as columns_of
from interwork.stream.columns import decode_batch as decode_batch
from interwork.stream.columns import encode_batch as encode_batch
from interwork.stream.historian import Historian as Historian
from interwork.stream.historian import Trend as Trend
from interwork.stream.historian import Usage as Usage
from interwork.stream.insight.capability import cpk as cpk
from interwork.stream.insight.capability import ppk as ppk
from interwork.stream.insight.capability import process_capability as process_capability
from interwork.stream.insight.elements import Elements as Elements
from interwork.stream.insight.elements import elements_of as elements_of
from interwork.stream.insight.elements import oee as oee
from interwork.stream.insight.facts import RunFacts as RunFacts
from interwork.stream.insight.facts import counter_delta as counter_delta
from interwork.stream.insight.facts import coverage as coverage
from interwork.stream.insight.facts import cycle_times as cycle_times
from interwork.stream.insight.facts import run_facts as run_facts
from interwork.stream.live import Live as Live
from interwork.stream.live import Reading as Reading
from interwork.stream.live import Subscription as Subscription
