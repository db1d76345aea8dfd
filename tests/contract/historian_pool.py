"""One open historian for many tests: opening costs more than most tests do, so it is emptied in between.

`fresh` gives what a new folder would give (`is_clean`: on the disk too); `reopened` closes it and
opens it again, with what it holds.
"""

from datetime import timedelta

from interwork.core.clock import now
from interwork.stream import Historian
from interwork.stream.historian import opened
from interwork.stream.historian.keeping import Keeping
from interwork.stream.historian.lake import TABLES


class Pool:
    def __init__(self, folder):
        self.folder, self.last = folder, None
        self.engine = opened.open_clean(folder)

    def fresh(self, *, is_clean=False):
        self.engine = self.engine if self.last is None else self.last._engine or opened.open_clean(self.folder)
        empty(self.engine, is_clean=is_clean)
        return self._historian(0)

    def reopened(self):
        self.last._engine.close()
        self.engine = opened.open_clean(self.folder)
        return self._historian(self.engine.last_sequence())

    def close(self):
        (self.engine if self.last is None else self.last._engine).close()

    def _historian(self, sequence):
        self.last = Historian(self.folder, now, None)
        self.last._engine, self.last._sequence = self.engine, sequence
        self.last._hot_rows = self.engine.hot_rows()
        return self.last


def empty(engine, *, is_clean):
    for table in ("hot", "keeping"):
        engine._connection.execute(f"DELETE FROM {table}")
    if engine.sealed.files or engine.mark:
        engine.sealing.execute("BEGIN")
        for table in TABLES:
            engine.sealing.execute(f"DELETE FROM lake.{table}")
        engine.sealing.execute("UPDATE lake.mark SET seq = 0")
        engine.sealing.execute("COMMIT")
        engine.refresh()
    if is_clean:
        Keeping(engine).free(grace=timedelta(0))
    engine._measure()
