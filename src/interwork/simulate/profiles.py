"""The kinds of machine that can be simulated, as data: what each draws, turns, wears and needs.

Figures are round workshop values of small machines, chosen for a lively demonstration; none is measured.
"""

import msgspec

from interwork.core.errors import BadInput


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a part's cutting time with its own tool engagement."""

    share: float
    """Of the part's cutting time."""
    load: float
    """Relative to the other segments; the mean over the part becomes the nominal load."""
    speed: float
    """Of the top spindle speed."""
    feed_mm_min: float


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the physics needs to know about a machine."""

    type: str
    title: str
    base_power_kw: float
    cutting_power_kw: float
    """Drawn beside the base at the nominal load, with a fresh tool."""
    nominal_load_pct: float = 55.0
    top_speed_rpm: float = 0.0
    """0 = there is no spindle."""
    segments: tuple[Segment, ...]
    setup_s: float
    unit_s: float
    """Per part, handling included, where the cycle start does not say."""
    tool_life_min: float = 0.0
    """Cutting minutes to 100 % wear; 0 = there is no tool that wears."""
    tool_change_s: float = 90.0
    water_l_per_h: float = 0.0
    """Coolant lost per cutting hour and filled up again; 0 = there is no coolant."""
    tank_l: float = 200.0
    fault_every_h: float = 40.0
    """Mean cutting hours between faults; 0 = never."""


PROFILES: dict[str, Profile] = {
    profile.type: profile
    for profile in (
        Profile(
            type="mill",
            title="milling machine",
            base_power_kw=1.4,
            cutting_power_kw=4.0,
            top_speed_rpm=12000,
            segments=(
                Segment(share=0.06, load=0.1, speed=0.70, feed_mm_min=6000),
                Segment(share=0.44, load=1.4, speed=0.70, feed_mm_min=2400),
                Segment(share=0.05, load=0.1, speed=0.35, feed_mm_min=6000),
                Segment(share=0.17, load=0.9, speed=0.35, feed_mm_min=450),
                Segment(share=0.05, load=0.1, speed=0.95, feed_mm_min=6000),
                Segment(share=0.23, load=0.6, speed=0.95, feed_mm_min=1500),
            ),
            setup_s=600,
            unit_s=240,
            tool_life_min=90,
            water_l_per_h=9,
        ),
        Profile(
            type="lathe",
            title="turning machine",
            base_power_kw=1.1,
            cutting_power_kw=5.0,
            top_speed_rpm=4500,
            nominal_load_pct=48.0,
            segments=(
                Segment(share=0.05, load=0.1, speed=0.40, feed_mm_min=8000),
                Segment(share=0.55, load=1.3, speed=0.45, feed_mm_min=620),
                Segment(share=0.06, load=0.1, speed=0.80, feed_mm_min=8000),
                Segment(share=0.34, load=0.5, speed=0.80, feed_mm_min=260),
            ),
            setup_s=480,
            unit_s=150,
            tool_life_min=45,
            water_l_per_h=7,
        ),
        Profile(
            type="laser",
            title="laser cutting machine",
            base_power_kw=2.6,
            cutting_power_kw=7.5,
            segments=(
                Segment(share=0.25, load=0.2, speed=0.0, feed_mm_min=60000),
                Segment(share=0.75, load=1.2, speed=0.0, feed_mm_min=9000),
            ),
            setup_s=180,
            unit_s=40,
            tool_life_min=0,
        ),
        Profile(
            type="printer",
            title="polymer printer",
            base_power_kw=0.35,
            cutting_power_kw=0.55,
            segments=(
                Segment(share=0.08, load=2.2, speed=0.0, feed_mm_min=0),
                Segment(share=0.92, load=0.9, speed=0.0, feed_mm_min=4800),
            ),
            setup_s=300,
            unit_s=5400,
            tool_life_min=0,
            fault_every_h=120,
        ),
        Profile(
            type="cmm",
            title="coordinate measuring machine",
            base_power_kw=0.45,
            cutting_power_kw=0.2,
            segments=(
                Segment(share=0.4, load=1.4, speed=0.0, feed_mm_min=12000),
                Segment(share=0.6, load=0.7, speed=0.0, feed_mm_min=480),
            ),
            setup_s=240,
            unit_s=120,
            tool_life_min=0,
            fault_every_h=0,
        ),
    )
}
"""By type, as the command line names them."""

LIMITS: dict[str, tuple[float, float]] = {
    "base_power_kw": (0.01, 1000),
    "cutting_power_kw": (0, 1000),
    "setup_s": (0, 86400),
    "unit_s": (0.1, 86400),
    "water_l_per_h": (0, 1000),
    "tool_life_min": (0, 100_000),
    "fault_every_h": (0, 100_000),
}
"""What the command line may change about a profile, from and to."""


def make_profile(type_: str, **changes: float) -> Profile:
    """Take the profile of a type with some of its figures changed; refuse what is outside `LIMITS`."""
    if type_ not in PROFILES:
        raise BadInput(f"There is no simulated machine type {type_!r}.", remedy=f"Use one of {', '.join(PROFILES)}.")
    for name, value in changes.items():
        if name not in LIMITS:
            raise BadInput(f"{name!r} cannot be changed on a profile.", remedy=f"Use one of {', '.join(LIMITS)}.")
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise BadInput(f"{name} is {value:g}.", remedy=f"Use {low:g} to {high:g}.")
    return msgspec.structs.replace(PROFILES[type_], **changes)
