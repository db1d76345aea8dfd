"""The physics of a simulated machine: pure, deterministic from a seed, and the same for any step size.

A cycle is a row of phases (setup; then handling and cutting segments for each part), each of constant nominal load.
`step` walks from one phase boundary to the next, and whatever grows in a phase (energy, wear, coolant temperature)
is the exact integral over it, ripple included. So one step of an hour and 18,000 steps of 0.2 s end alike, and a
step costs the same whatever its length. Chance is drawn at boundaries only, never per step.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from random import Random

import msgspec

from interwork.core.errors import BadInput, WrongState
from interwork.simulate.profiles import Profile, Segment

_EPSILON_S = 1e-9
_HANDLING_SHARE, _HANDLING_MOST_S = 0.2, 45.0
_WEAR_DRIFT = 0.25
"""A worn tool needs this much more power than a fresh one."""
_MOVES_BELOW = 0.3
"""A segment of less than this share of the mean load is a rapid move, not a cut."""
_REFILL_AT_PCT, _REFILL_TO_PCT = 20.0, 95.0
_REFILL_FAILS = 0.04
_AMBIENT_CEL, _HEATING_K, _COOLING_S = 20.0, 14.0, 900.0
_FAULTS = ("Chip conveyor jam", "Coolant pressure low", "Air pressure low")
_COOLANT_FAULT = "Coolant level low"
ALARMS = ("", *_FAULTS, _COOLANT_FAULT)
"""Every alarm text there is; the first is none."""


class Execution(StrEnum):
    """What the controller says it is doing."""

    READY = "READY"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    FAULT = "FAULT"


class Phase(StrEnum):
    """Where in a cycle the machine is."""

    IDLE = "idle"
    SETUP = "setup"
    HANDLING = "handling"
    CUTTING = "cutting"
    TOOL_CHANGE = "tool-change"
    FAULT = "fault"


_EXECUTION = {
    Phase.IDLE: Execution.READY,
    Phase.SETUP: Execution.ACTIVE,
    Phase.HANDLING: Execution.ACTIVE,
    Phase.CUTTING: Execution.ACTIVE,
    Phase.TOOL_CHANGE: Execution.STOPPED,
    Phase.FAULT: Execution.FAULT,
}


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants made."""

    program: str
    quantity: int
    unit_s: float
    setup_s: float
    run: str = ""
    speed_rpm: float | None = None
    """Spindle speed to cut at, at most the machine's top; None = as the program has it."""
    feed_mm_min: float | None = None
    """Feed to cut at; rapid moves stay as they are. None = as the program has it."""

    def check(self) -> None:
        """Raise BadInput for what no machine could do."""
        if not 1 <= self.quantity <= 100_000:
            raise BadInput(f"A cycle of {self.quantity} parts was asked for.", remedy="Use 1 to 100000.")
        if not 0.1 <= self.unit_s <= 86400:
            raise BadInput(f"{self.unit_s:g} s per part was asked for.", remedy="Use 0.1 to 86400 s.")
        if not 0 <= self.setup_s <= 86400:
            raise BadInput(f"{self.setup_s:g} s of setup was asked for.", remedy="Use 0 to 86400 s.")
        if any(one is not None and not 0 < one < math.inf for one in (self.speed_rpm, self.feed_mm_min)):
            raise BadInput("A speed or feed that no machine has was asked for.", remedy="Use more than 0.")
        if not self.program.isprintable():
            raise BadInput("The program's name has characters that cannot be shown.", remedy="Use letters and digits.")


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine's sensors and controller show at one moment."""

    execution: Execution
    phase: Phase
    program: str
    run: str
    quantity: int
    made: int
    """Parts of the present or last cycle."""
    part_count: int
    """Since the machine was switched on; never falls."""
    power_kw: float
    energy_kwh: float
    """Since the machine was switched on; never falls."""
    spindle_speed_rpm: float
    spindle_load_pct: float
    feed_mm_min: float
    coolant_level_pct: float
    coolant_temperature_cel: float
    tool_wear_pct: float
    water_l: float
    alarm: str
    """Empty = none."""
    time_s: float
    """Simulated time since the machine was switched on."""


class Ripple:
    """A sum of sines around zero with its exact integral: what makes a simulated sensor look alive."""

    def __init__(self, random: Random, parts: Sequence[tuple[float, float]]) -> None:
        self._parts = [(amplitude, math.tau / period, random.uniform(0, math.tau)) for amplitude, period in parts]
        self.peak = sum(amplitude for amplitude, _ in parts)

    def at(self, time_s: float) -> float:
        """Tell the value at a moment, within plus or minus `peak`."""
        return sum(a * math.sin(w * time_s + p) for a, w, p in self._parts)

    def integral(self, start_s: float, end_s: float) -> float:
        """Integrate over a span."""
        return sum(a / w * (math.cos(w * start_s + p) - math.cos(w * end_s + p)) for a, w, p in self._parts)


class Machine:
    """One simulated machine; `step` moves its time on, `state` shows it."""

    def __init__(self, profile: Profile, *, seed: int = 1) -> None:
        self.profile = profile
        self._random = Random(seed)
        self._hum = Ripple(self._random, ((0.012, 37.0), (0.008, 9.1)))
        self._texture = Ripple(self._random, ((0.09, 2.7), (0.06, 7.3), (0.04, 23.0)))
        self._mean_load = sum(part.share * part.load for part in profile.segments)
        self._time_s = self._energy_kwh = self._water_l = 0.0
        self._part_count = 0
        self._wear_pct = self._random.uniform(5, 55) if profile.tool_life_min else 0.0
        self._wear_at_segment_pct = self._wear_pct
        self._coolant_pct = self._random.uniform(60, 95) if profile.water_l_per_h else 0.0
        self._coolant_cel = _AMBIENT_CEL
        self._cut_to_fault_s = self._draw_fault_s()
        self._phase, self._left_s, self._held_s = Phase.IDLE, math.inf, 0.0
        self._segment = self._made = 0
        self._alarm = ""
        self._cycle: Cycle | None = None

    def start(self, cycle: Cycle) -> None:
        """Begin a cycle; only a READY machine can."""
        cycle.check()
        if self._phase is not Phase.IDLE:
            raise WrongState(
                f"The machine is {_EXECUTION[self._phase]} ({self._phase}); a cycle starts when it is READY.",
                remedy="Wait for the cycle to end, or reset a fault.",
            )
        self._cycle, self._made = cycle, 0
        self._enter(Phase.SETUP, cycle.setup_s)

    def reset(self) -> bool:
        """Clear a fault at once and go on with the cycle; tell whether there was one."""
        if self._phase is not Phase.FAULT:
            return False
        self._end_interruption()
        return True

    def step(self, dt_s: float) -> None:
        """Move simulated time on."""
        left_s = dt_s
        while left_s > _EPSILON_S:
            take_s = min(left_s, self._until_change_s())
            self._advance(take_s)
            left_s -= take_s
            if self._until_change_s() <= _EPSILON_S:
                self._change()

    def power_limits_kw(self) -> tuple[float, float]:
        """Tell the least and the most the machine can draw."""
        most = max(part.load for part in self.profile.segments) / self._mean_load * (1 + _WEAR_DRIFT)
        base = self.profile.base_power_kw
        top = base * (1 + self._hum.peak) + self.profile.cutting_power_kw * most * (1 + self._texture.peak)
        return base * (1 - self._hum.peak), top

    def state(self) -> State:
        """Show the present values."""
        is_cutting = self._phase is Phase.CUTTING
        texture = self._texture.at(self._time_s) if is_cutting else 0.0
        load = self._load() * (1 + texture)
        segment = self.profile.segments[self._segment]
        cycle = self._cycle
        speed_rpm, feed_mm_min = self._pace(segment)
        return State(
            execution=_EXECUTION[self._phase],
            phase=self._phase,
            program=cycle.program if cycle else "",
            run=cycle.run if cycle else "",
            quantity=cycle.quantity if cycle else 0,
            made=self._made,
            part_count=self._part_count,
            power_kw=self.profile.base_power_kw * (1 + self._hum.at(self._time_s))
            + self.profile.cutting_power_kw * load,
            energy_kwh=self._energy_kwh,
            spindle_speed_rpm=speed_rpm * (1 - 0.03 * texture) if is_cutting else 0.0,
            spindle_load_pct=self.profile.nominal_load_pct * load,
            feed_mm_min=feed_mm_min * (1 - 0.05 * texture) if is_cutting else 0.0,
            coolant_level_pct=self._coolant_pct,
            coolant_temperature_cel=self._coolant_cel,
            tool_wear_pct=self._wear_pct,
            water_l=self._water_l,
            alarm=self._alarm,
            time_s=self._time_s,
        )

    def _pace(self, segment: Segment) -> tuple[float, float]:
        """Tell speed and feed of a segment: as set where it cuts, as programmed where it only moves."""
        speed_rpm, feed_mm_min = self.profile.top_speed_rpm * segment.speed, segment.feed_mm_min
        if self._cycle is None or segment.load < _MOVES_BELOW * self._mean_load:
            return speed_rpm, feed_mm_min
        if self._cycle.speed_rpm is not None:
            speed_rpm = min(self._cycle.speed_rpm, self.profile.top_speed_rpm)
        if self._cycle.feed_mm_min is not None:
            feed_mm_min = self._cycle.feed_mm_min
        return speed_rpm, feed_mm_min

    def _load(self) -> float:
        """Tell the nominal load of the present phase, 1 = the mean of a part with a fresh tool."""
        if self._phase is not Phase.CUTTING:
            return 0.0
        relative = self.profile.segments[self._segment].load / self._mean_load
        return relative * (1 + _WEAR_DRIFT * self._wear_at_segment_pct / 100)

    def _draw_fault_s(self) -> float:
        hours = self.profile.fault_every_h
        return self._random.expovariate(1 / (hours * 3600)) if hours else math.inf

    def _wear_pct_s(self) -> float:
        return 100 / (self.profile.tool_life_min * 60) if self.profile.tool_life_min else 0.0

    def _loss_pct_s(self) -> float:
        return self.profile.water_l_per_h / self.profile.tank_l * 100 / 3600

    def _until_change_s(self) -> float:
        if self._phase is not Phase.CUTTING:
            return self._left_s
        wear, loss = self._wear_pct_s(), self._loss_pct_s()
        worn_s = (100 - self._wear_pct) / wear if wear else math.inf
        dry_s = (self._coolant_pct - _REFILL_AT_PCT) / loss if loss else math.inf
        return max(min(self._left_s, self._cut_to_fault_s, worn_s, dry_s), 0.0)

    def _advance(self, dt_s: float) -> None:
        """Let time pass inside one phase."""
        end_s = self._time_s + dt_s
        load = self._load()
        kws = self.profile.base_power_kw * (dt_s + self._hum.integral(self._time_s, end_s))
        if load:
            kws += self.profile.cutting_power_kw * load * (dt_s + self._texture.integral(self._time_s, end_s))
        self._energy_kwh += max(kws, 0.0) / 3600
        target_cel = _AMBIENT_CEL + _HEATING_K * load
        self._coolant_cel = target_cel + (self._coolant_cel - target_cel) * math.exp(-dt_s / _COOLING_S)
        if self._phase is Phase.CUTTING:
            self._wear_pct = min(self._wear_pct + self._wear_pct_s() * dt_s, 100.0)
            self._coolant_pct = max(self._coolant_pct - self._loss_pct_s() * dt_s, 0.0)
            self._cut_to_fault_s -= dt_s
        self._left_s -= dt_s
        self._time_s = end_s

    def _change(self) -> None:
        """Go from a phase whose time is up, or that something interrupts, to the next."""
        if self._phase in {Phase.TOOL_CHANGE, Phase.FAULT}:
            self._end_interruption()
        elif self._left_s > _EPSILON_S:
            self._interrupt()
        elif self._phase is Phase.SETUP:
            self._next_part()
        elif self._phase is Phase.HANDLING:
            self._enter_segment(0)
        elif self._segment + 1 < len(self.profile.segments):
            self._enter_segment(self._segment + 1)
        else:
            self._made += 1
            self._part_count += 1
            self._next_part()

    def _interrupt(self) -> None:
        """Stop cutting for a new tool, a refill or a fault; what is left of the segment is held."""
        if self._cut_to_fault_s <= _EPSILON_S:
            self._cut_to_fault_s = self._draw_fault_s()
            self._fault(self._random.choice(_FAULTS))
        elif self.profile.tool_life_min and self._until_worn_s() <= _EPSILON_S:
            self._hold(Phase.TOOL_CHANGE, self.profile.tool_change_s)
        elif self.profile.fault_every_h and self._random.random() < _REFILL_FAILS:
            self._fault(_COOLANT_FAULT)
        else:
            self._refill()

    def _until_worn_s(self) -> float:
        return (100 - self._wear_pct) / self._wear_pct_s()

    def _fault(self, alarm: str) -> None:
        self._alarm = alarm
        self._hold(Phase.FAULT, self._random.uniform(120, 900))

    def _hold(self, phase: Phase, duration_s: float) -> None:
        self._held_s = self._left_s
        self._enter(phase, duration_s)

    def _end_interruption(self) -> None:
        if self._phase is Phase.TOOL_CHANGE:
            self._wear_pct = self._wear_at_segment_pct = 0.0
        elif self._alarm == _COOLANT_FAULT:
            self._refill()
        self._alarm = ""
        self._enter(Phase.CUTTING, self._held_s)

    def _refill(self) -> None:
        self._water_l += (_REFILL_TO_PCT - self._coolant_pct) / 100 * self.profile.tank_l
        self._coolant_pct = _REFILL_TO_PCT

    def _handling_s(self, cycle: Cycle) -> float:
        return min(cycle.unit_s * _HANDLING_SHARE, _HANDLING_MOST_S)

    def _next_part(self) -> None:
        cycle = self._cycle
        if cycle is None or self._made >= cycle.quantity:
            self._enter(Phase.IDLE, math.inf)
        else:
            self._enter(Phase.HANDLING, self._handling_s(cycle))

    def _enter_segment(self, segment: int) -> None:
        assert self._cycle is not None
        self._segment = segment
        self._wear_at_segment_pct = self._wear_pct
        cutting_s = self._cycle.unit_s - self._handling_s(self._cycle)
        self._enter(Phase.CUTTING, cutting_s * self.profile.segments[segment].share)

    def _enter(self, phase: Phase, duration_s: float) -> None:
        self._phase, self._left_s = phase, duration_s
