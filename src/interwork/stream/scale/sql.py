"""The SQL of the shared lake beside the historian's own (`historian.sql`), which asks it the same questions.

What a sink has taken in of the log stands in `lake.progress_<n>`, one table per partition, and moves in the
transaction that adds the readings. Two sinks of one partition cannot both commit: the second finds the row changed.
"""

PARTS = (
    "CREATE TABLE IF NOT EXISTS lake.partitions (count INTEGER)",
    "INSERT INTO lake.partitions SELECT /*count*/ WHERE NOT EXISTS (SELECT 1 FROM lake.partitions)",
)
PARTS_HELD = "SELECT max(count) FROM lake.partitions"
PROGRESS = (
    "CREATE TABLE IF NOT EXISTS lake.progress_/*part*/ (seq BIGINT)",
    "INSERT INTO lake.progress_/*part*/ SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM lake.progress_/*part*/)",
)
PROGRESS_OF = "SELECT /*part*/ AS part, max(seq) AS seq FROM lake.progress_/*part*/"
MOVE_PROGRESS = "UPDATE lake.progress_/*part*/ SET seq = ?"
KEEPING = """CREATE TABLE IF NOT EXISTS lake.keeping (
    signal INTEGER, keep_us BIGINT, quota BIGINT, share BIGINT, hold BOOLEAN
)"""
"""What is to be kept of a signal otherwise: lines are only added, `share` is the moment they were, in µs."""
RETAIN = """INSERT INTO lake.keeping
    SELECT signal, $keep_us, $quota, epoch_us(now()), $hold FROM incoming"""
RULES = """CREATE OR REPLACE TABLE keeping AS
    SELECT signal, keep_us, quota, dense_rank() OVER (ORDER BY share)::INTEGER AS share,
        coalesce(lasting, false) AS hold
    FROM (
        SELECT signal, keep_us, quota, share, last_value(hold IGNORE NULLS) OVER (
            PARTITION BY signal ORDER BY share ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS lasting
        FROM lake.keeping QUALIFY row_number() OVER (PARTITION BY signal ORDER BY share DESC) = 1
    ) WHERE keep_us IS NOT NULL OR quota IS NOT NULL OR lasting"""
"""The lines that count, as the table the historian's own texts read."""
SNAPSHOT = "SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"

ARRIVING = """CREATE OR REPLACE TEMP TABLE arriving AS SELECT * FROM incoming
    QUALIFY row_number() OVER (PARTITION BY signal, time_us ORDER BY seq DESC) = 1"""
SPANS = """SELECT time_us - ((time_us % $width) + $width) % $width AS span, min(time_us), max(time_us)
    FROM arriving GROUP BY span ORDER BY span"""
COPY = """COPY (/*rows*/) TO /*path*/ (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 61440)"""
FRESH = """SELECT signal, time_us, value, quality, text, seq FROM arriving
    WHERE time_us >= /*first*/ AND time_us <= /*last*/ ORDER BY signal, time_us"""
REPEATED = """SELECT 1 FROM /*sealed*/ WHERE time_us >= $first AND time_us <= $last
    AND (signal, time_us) IN (SELECT (signal, time_us) FROM arriving) LIMIT 1"""
DROP_REPEATED = """DELETE FROM lake.reading WHERE time_us >= $first AND time_us <= $last
    AND (signal, time_us) IN (SELECT (signal, time_us) FROM arriving)"""

SETTLED = """SELECT signal, time_us, value, quality, text, seq FROM lake.reading
    WHERE time_us >= /*start*/ AND time_us < /*end*/ AND signal % /*count*/ IN (/*parts*/)
    QUALIFY row_number() OVER (PARTITION BY signal, time_us ORDER BY seq DESC) = 1 ORDER BY signal, time_us"""
DROP_OURS = """DELETE FROM lake.reading
    WHERE time_us >= /*start*/ AND time_us < /*end*/ AND signal % /*count*/ IN (/*parts*/)"""
EXPIRE = "CALL ducklake_expire_snapshots('lake', older_than => now() - INTERVAL '10 minutes')"
ORPHANS = "CALL ducklake_delete_orphaned_files('lake', older_than => now() - INTERVAL '1 day')"


def of_part(text: str, part: int) -> str:
    """Write a text for one partition."""
    return text.replace("/*part*/", str(part))


def filled(text: str, **values: object) -> str:
    """Put whole numbers and our own texts into the places of a text that takes no parameters (COPY)."""
    for name, value in values.items():
        text = text.replace(f"/*{name}*/", str(value))
    return text


ROWS = "SELECT count(*) FROM /*lake*/./*table*/"
ORIGIN_LAST = "SELECT max(seq) FROM origin.mark"
ORIGIN_SPANS = "SELECT DISTINCT time_us - ((time_us % ?) + ?) % ? AS span FROM origin./*table*/ ORDER BY span"
_ORIGIN = "SELECT /*columns*/ FROM origin./*table*/ WHERE time_us >= /*start*/ AND time_us < /*end*/ ORDER BY /*order*/"
ORIGIN = {
    "reading": filled(_ORIGIN, columns="signal, time_us, value, quality, text, seq", order="signal, time_us"),
    "rollup": filled(
        _ORIGIN,
        columns="signal, width, time_us, low, high, total, count, last, bad, rows, seq",
        order="width, signal, time_us, seq",
    ),
    "state": filled(
        _ORIGIN,
        columns="signal, time_us, state, us, first_us, last_state, seq",
        order="signal, time_us, state, seq",
    ),
}


def of_table(text: str, table: str) -> str:
    """Write a text for one table of the lake."""
    return text.replace("/*table*/", table)
