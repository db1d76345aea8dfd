"""What must survive a restart, and the only place that knows SQL for state.

    async with await Store.open("sqlite:///node.db") as store:
        await store.commit(Change(actor).put(need).event(Tag.NEED_RECORDED, need.id))

A `Change` is all or nothing and durable when `commit` returns. Values go in and come out as the frozen structs of
core; `Files` keeps bytes by their digest.
"""

from interwork.store.change import Change as Change
from interwork.store.files import Files as Files
from interwork.store.store import Store as Store
from interwork.store.words import table_of as table_of
