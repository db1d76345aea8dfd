"""A bill of material: how many of each item one piece takes, at which tier each stands, and what is wrong with it."""

from collections.abc import Sequence

from interwork.core.errors import BadInput
from interwork.core.network.supply import Item

ITEMS_MAX = 200
PIECES_MAX = 1_000_000
"""Of one item in one piece of the product."""


def root_of(items: Sequence[Item]) -> Item:
    """Find the item that goes into no other; BadInput where the items are not the parts of one product."""
    keys = [each.key for each in items]
    if not 1 <= len(items) <= ITEMS_MAX:
        raise BadInput(f"A product of {len(items)} items is not planned.", remedy=f"Give 1 to {ITEMS_MAX}.")
    if len(set(keys)) != len(keys) or not all(keys):
        raise BadInput("Two items have one key, or one has none.", remedy="Give each item a key of its own.")
    used = [part for each in items for part in each.made_of]
    if strange := sorted({part.item for part in used} - set(keys)):
        raise BadInput(f"The items {', '.join(strange)} are used and not described.", remedy="Describe each item.")
    if any(not 1 <= part.quantity <= PIECES_MAX for part in used):
        raise BadInput("An item is used in a quantity that is none.", remedy=f"Give 1 to {PIECES_MAX}.")
    roots = [each for each in items if each.key not in {part.item for part in used}]
    if not roots:
        raise _circle(items)
    if len(roots) != 1:
        names = ", ".join(each.title for each in roots)
        raise BadInput(f"One item is delivered; here {names} go into no other.", remedy="Name one product.")
    return roots[0]


def _circle(items: Sequence[Item]) -> BadInput:
    names = ", ".join(each.title for each in items)
    return BadInput(f"These items are made of each other: {names}.", remedy="Break the circle.")


def ordered(items: Sequence[Item]) -> list[Item]:
    """Put items so that each stands after everything it is made of; BadInput where they go in a circle."""
    root_of(items)
    left, done, found = list(items), set[str](), list[Item]()
    while left:
        ready = next((each for each in left if done.issuperset(part.item for part in each.made_of)), None)
        if ready is None:
            raise _circle(left)
        left.remove(ready)
        done.add(ready.key)
        found.append(ready)
    return found


def pieces(items: Sequence[Item]) -> dict[str, int]:
    """Count the pieces of each item in one piece of the product."""
    line = ordered(items)
    count = dict.fromkeys((each.key for each in line), 0)
    count[line[-1].key] = 1
    for each in reversed(line):
        for part in each.made_of:
            count[part.item] += part.quantity * count[each.key]
    if over := [key for key, number in count.items() if number > PIECES_MAX]:
        raise BadInput(f"One piece takes more than {PIECES_MAX} of {', '.join(over)}.")
    return count


def tiers(items: Sequence[Item]) -> dict[str, int]:
    """Tell the tier of each item: 0 is the product, what goes into tier n is of tier n + 1, at its deepest use."""
    line = ordered(items)
    depth = dict.fromkeys((each.key for each in line), 0)
    for each in reversed(line):
        for part in each.made_of:
            depth[part.item] = max(depth[part.item], depth[each.key] + 1)
    return depth
