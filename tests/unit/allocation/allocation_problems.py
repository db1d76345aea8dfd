"""Problems for the engine's tests: small ones by hand, and any shape drawn by a seed."""

import random

from interwork.allocation.problem import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Problem,
    Resource,
    ResourceKind,
    Tariff,
    Transport,
)

FJSP = "2 2\n2 2 1 3 2 5 1 2 4\n1 1 1 6\n"
FJSP_FROM_0 = "2 2\n2 2 0 3 1 5 1 1 4\n1 1 0 6\n"
GRID = "2\n2\n2 1\n3 5\n0 4\n6 -1\n"
SETUPS = FJSP + "\n" + "0 3 1000000\n2 0 4\n5 1 0\n" * 2
ARCS = "3\t2\t2\n0\t1\tJ1\n1\t2\tJ1\n1\t0\t4\n2\t0\t5\t1\t3\n1\t0\t2\n0\t7\n7\t0\n"
PATTERSON = "4 1\n2\n0 0 2 2 3\n3 1 1 4\n2 2 1 4\n0 0 0\n"
MPLIB = "2\n1\n3\n\n3 0\n1\n0 0 1 1:2\n4 2 1 1:3\n0 0 0\n\n3 5\n1\n0 0 1 2:2\n4 2 1 2:3\n0 0 0\n"
GAP = "2 3\n1 9 4\n9 1 5\n2 2 2\n2 2 2\n4 2\n"
PSPLIB = """\
************************************************************************
projects                      :  1
jobs (incl. supersource/sink ):  4
RESOURCES
  - renewable                 :  1   R
  - nonrenewable              :  1   N
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        2          1           4
   3        1          1           4
   4        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1  N 1
------------------------------------------------------------------------
  1      1     0       0    0
  2      1     2       2    5
         2     6       1    0
  3      1     3       1    0
  4      1     0       0    0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1  N 1
    2    4
************************************************************************
"""
ALL = {
    "fjsp": (FJSP, Kind.SHOP),
    "from 0": (FJSP_FROM_0, Kind.SHOP),
    "grid": (GRID, Kind.SHOP),
    "setups": (SETUPS, Kind.SHOP),
    "arcs": (ARCS, Kind.SHOP),
    "patterson": (PATTERSON, Kind.PROJECT),
    "mplib": (MPLIB, Kind.PROJECT),
    "gap": (GAP, Kind.ASSIGNMENT),
    "psplib": (PSPLIB, Kind.PROJECT),
}


def two_steps(**changes):
    """One need of two steps at two sites an hour of carriage apart; each step can go to either machine."""
    facts = {
        "name": "two steps",
        "kind": Kind.NETWORK,
        "demands": (Demand(id="need", due=20, late_per_unit=10.0, origin=0, target=0),),
        "activities": (
            Activity(demand=0, modes=(mode(0, 4, 100.0, site=0), mode(1, 2, 80.0, site=1))),
            Activity(demand=0, modes=(mode(0, 3, 60.0, site=0), mode(1, 3, 90.0, site=1)), after=(Link(0),)),
        ),
        "resources": (Resource(id="a", site=0), Resource(id="b", site=1)),
        "tariff": Tariff(co2=0.1),
        "transport": Transport(time=((0, 1), (1, 0)), price=((0.0, 30.0), (30.0, 0.0)), co2=((0.0, 5.0), (5.0, 0.0))),
        "horizon": 1000,
    }
    return Problem(**(facts | changes))


def mode(resource, duration, price, *, site=-1, amount=1, co2=0.0):
    """Write one mode on one resource."""
    return Mode(uses=((resource, amount),), duration=duration, price=price, co2=co2, site=site)


def any_problem(seed):
    """Draw a small problem of any shape: all kinds of resources, calendars, breaks, setups, bundles, dates, budgets."""
    chance = random.Random(seed)
    sites, families = chance.randint(1, 3), chance.choice((0, 2))
    resources = tuple(_resource(chance, number, sites) for number in range(chance.randint(2, 5)))
    demands, activities = [], []
    for number in range(chance.randint(1, 6)):
        demands.append(_demand(chance, number, sites, len(resources)))
        first = len(activities)
        for step in range(chance.randint(1, 4)):
            modes = tuple(_mode(chance, resources, sites) for _ in range(chance.randint(1, 3)))
            earlier = [n for n in range(first, first + step) if chance.random() < 0.6]
            after = tuple(Link(n, chance.choice((0, 0, 3))) for n in earlier)
            activities.append(Activity(demand=number, modes=modes, after=after, family=chance.randrange(-1, families)))
    return Problem(
        name=f"any-{seed}",
        kind=Kind.NETWORK,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=resources,
        tariff=Tariff(co2=chance.choice((0.0, 0.5))),
        transport=Transport(time=_matrix(chance, sites), price=_matrix(chance, sites), co2=_matrix(chance, sites)),
        setups=tuple(tuple(chance.randint(0, 4) for _ in range(families)) for _ in range(families)),
        horizon=chance.choice((0, 400)),
    )


def _matrix(chance, sites):
    return tuple(tuple(0 if a == b else chance.randint(1, 9) for b in range(sites)) for a in range(sites))


def _resource(chance, number, sites):
    kind = chance.choice(tuple(ResourceKind))
    closed = ((20, 28),) if chance.random() < 0.3 else ()
    breaks = ((9, 12), (33, 40)) if chance.random() < 0.3 else ()
    return Resource(
        id=f"r{number}",
        kind=kind,
        capacity={ResourceKind.UNARY: 1, ResourceKind.CONSUMABLE: 30}.get(kind, chance.randint(2, 4)),
        bucket=chance.choice((0, 10)) if kind is ResourceKind.BUCKETED else 0,
        site=chance.randrange(sites),
        closed=closed,
        breaks=breaks,
    )


def _demand(chance, number, sites, resources):
    return Demand(
        id=f"d{number}",
        release=chance.randint(0, 15),
        due=chance.choice((None, 30)),
        deadline=chance.choice((None, None, 90)),
        budget=chance.choice((None, None, 150.0)),
        late_per_unit=chance.choice((0.0, 7.0)),
        unserved=500.0,
        origin=chance.randrange(-1, sites),
        target=chance.randrange(-1, sites),
        excluded=(chance.randrange(resources),) if chance.random() < 0.2 else (),
    )


def _mode(chance, resources, sites):
    used = chance.sample(range(len(resources)), chance.choice((1, 1, 2)))
    return Mode(
        uses=tuple((r, 1 if resources[r].kind is ResourceKind.UNARY else chance.randint(1, 2)) for r in used),
        duration=chance.randint(0, 8),
        price=float(chance.randint(10, 90)),
        co2=float(chance.randint(0, 20)),
        site=chance.randrange(-1, sites),
    )
