"""The blueprint: what a device may take, forecast at admission and held in operation.

`admit` forecasts and admits; `Hold` keeps one device to its blueprint: `TokenBucket` (traffic), `Keeper` (deadband,
swinging door, periods), `Ladder` (reversible degradation), `Meter` (samples and bytes at four points).
"""

from interwork.stream.blueprint.aggregate import Aggregator as Aggregator
from interwork.stream.blueprint.aggregate import joined as joined
from interwork.stream.blueprint.bucket import Loss as Loss
from interwork.stream.blueprint.bucket import TokenBucket as TokenBucket
from interwork.stream.blueprint.budget import Declared as Declared
from interwork.stream.blueprint.budget import Forecast as Forecast
from interwork.stream.blueprint.budget import admit as admit
from interwork.stream.blueprint.budget import forecast as forecast
from interwork.stream.blueprint.classes import CALCULATED as CALCULATED
from interwork.stream.blueprint.classes import REDUCED as REDUCED
from interwork.stream.blueprint.classes import Classes as Classes
from interwork.stream.blueprint.classes import class_of as class_of
from interwork.stream.blueprint.door import Door as Door
from interwork.stream.blueprint.hold import Hold as Hold
from interwork.stream.blueprint.hold import Passed as Passed
from interwork.stream.blueprint.keeper import Keeper as Keeper
from interwork.stream.blueprint.ladder import Ladder as Ladder
from interwork.stream.blueprint.ladder import Move as Move
from interwork.stream.blueprint.ladder import floor_of as floor_of
from interwork.stream.blueprint.meter import At as At
from interwork.stream.blueprint.meter import Count as Count
from interwork.stream.blueprint.meter import Meter as Meter
from interwork.stream.blueprint.shaper import Shaper as Shaper
from interwork.stream.blueprint.stamps import bounded as bounded
