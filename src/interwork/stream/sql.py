"""Every SQL text of the historian.

`hot` holds readings in the order they arrived; `lake.reading` holds sealed ones, at most one per (signal, time);
`lake.mark` holds the sequence up to which everything is sealed. Where both hold a reading of one signal and time,
the one in `hot` is the later arrival and wins: that makes corrections, late data and the moment between sealing
and trimming all the same case.

`/*signals*/` is replaced by as many placeholders as signals are asked for (constants reach the zone maps of the
Parquet row groups, a joined list would not).
"""

HOT = """CREATE TABLE IF NOT EXISTS hot (
    signal INTEGER NOT NULL, time_us BIGINT NOT NULL, value DOUBLE, quality UINTEGER, text VARCHAR, seq BIGINT NOT NULL
)"""

LAKE = (
    """CREATE TABLE IF NOT EXISTS lake.reading (
        signal INTEGER, time_us BIGINT, value DOUBLE, quality UINTEGER, text VARCHAR, seq BIGINT
    )""",
    "CREATE TABLE IF NOT EXISTS lake.mark (seq BIGINT)",
    "INSERT INTO lake.mark SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM lake.mark)",
    "CALL ducklake_set_option('lake', 'data_inlining_row_limit', 0, table_name => 'reading')",
)
"""The mark lives in the catalog itself; dropped readings are never noted there, or their files would stay for ever."""

INSERT_NUMBERS = "INSERT INTO hot SELECT signal, time_us, value, quality, NULL, seq FROM incoming"
INSERT_TEXTS = "INSERT INTO hot SELECT signal, time_us, value, quality, text, seq FROM incoming"

MARK = "SELECT max(seq) FROM lake.mark"
MOVE_MARK = "UPDATE lake.mark SET seq = ?"
HOT_LAST = "SELECT max(seq) FROM hot"
HOT_SEALED = "SELECT count(*) FROM hot WHERE seq <= ?"
HOT_ROWS = "SELECT count(*) FROM hot WHERE seq > ?"
LAKE_ROWS = "SELECT count(*) FROM lake.reading"
PIN = "SELECT 1 FROM hot LIMIT 0"
"""Takes the snapshot of `hot`; done before the lake's is taken, so that no seal in between hides a reading."""

SEQUENCE_BEFORE = "SELECT max(seq) FROM hot WHERE time_us < ?"
TRIM = "DELETE FROM hot WHERE seq <= ?"

_FRESH = """fresh AS (
    SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $mark AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
    QUALIFY row_number() OVER (PARTITION BY signal, time_us ORDER BY seq DESC) = 1
)"""
NEWEST_HOT = "WITH /*fresh*/, newest AS (SELECT * FROM fresh) ".replace("/*fresh*/", _FRESH)
NEWEST = """WITH /*fresh*/, newest AS (
    SELECT * FROM fresh UNION ALL
    SELECT signal, time_us, value, quality, text, seq FROM lake.reading AS sealed
    WHERE signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
    AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.signal = sealed.signal AND fresh.time_us = sealed.time_us)
) """.replace("/*fresh*/", _FRESH)

READINGS = "SELECT signal, time_us, value, quality, text FROM newest ORDER BY time_us, signal LIMIT $limit"
_HELD_HOT = """SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $mark AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end"""
_HELD = """/*hot*/ UNION ALL SELECT signal, time_us, value, quality, text, seq FROM lake.reading
    WHERE signal IN (/*signals*/) AND time_us >= $start AND time_us < $end""".replace("/*hot*/", _HELD_HOT)
_LAST = """WITH held AS NOT MATERIALIZED (/*held*/),
    ends AS (SELECT signal, max(time_us) AS time_us FROM held GROUP BY signal)
    SELECT signal, time_us, value, quality, text FROM held JOIN ends USING (signal, time_us)
    QUALIFY row_number() OVER (PARTITION BY signal ORDER BY seq DESC) = 1 ORDER BY signal"""
LAST_HOT = _LAST.replace("/*held*/", _HELD_HOT)
LAST = _LAST.replace("/*held*/", _HELD)
TREND = """SELECT $start + (time_us - $start) // $width * $width AS step, min(value) AS low, avg(value) AS mean,
    max(value) AS high, count(*) AS count
    FROM newest WHERE quality < 1073741824 AND isfinite(value) GROUP BY step ORDER BY step"""
DURATIONS = """SELECT state, sum(until - time_us)::BIGINT AS us FROM (
    SELECT time_us, lead(time_us, 1, $end) OVER (ORDER BY time_us) AS until,
        CASE WHEN quality < 1073741824 THEN text END AS state
    FROM newest
) GROUP BY state"""

AFTER_HOT = """SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $sequence AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
    ORDER BY seq LIMIT $limit"""
AFTER = """SELECT signal, time_us, value, quality, text, seq FROM (
    SELECT signal, time_us, value, quality, text, seq FROM hot WHERE seq > $mark UNION ALL
    SELECT signal, time_us, value, quality, text, seq FROM lake.reading WHERE seq <= $mark
) WHERE seq > $sequence AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
ORDER BY seq LIMIT $limit"""

SPANS = """SELECT time_us - ((time_us % $width) + $width) % $width AS span, count(*), min(time_us), max(time_us)
    FROM hot WHERE seq > $mark AND seq <= $upto GROUP BY span ORDER BY span"""
HELD_AT_LEAST = """SELECT count(*) FROM (
    SELECT 1 FROM lake.reading WHERE time_us >= $start AND time_us < $end LIMIT $limit
)"""
SEAL_NEW = """SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $mark AND seq <= $upto AND time_us >= $start AND time_us < $end ORDER BY signal, time_us, seq"""
SEAL_MERGED = """SELECT * FROM (
    SELECT signal, time_us, value, quality, text, seq FROM hot WHERE seq > $mark AND seq <= $upto UNION ALL
    SELECT signal, time_us, value, quality, text, seq FROM lake.reading
) WHERE time_us >= $start AND time_us < $end ORDER BY signal, time_us, seq"""
DROP_SPAN = "DELETE FROM lake.reading WHERE time_us >= $start AND time_us < $end"
DROP_CORRECTED = """DELETE FROM lake.reading WHERE time_us >= $first AND time_us <= $last
    AND (signal, time_us) IN (
        SELECT signal, time_us FROM hot WHERE seq > $mark AND seq <= $upto AND time_us >= $first AND time_us <= $last
    )"""
DROP_BEFORE = "DELETE FROM lake.reading WHERE time_us < ?"
ADD_FILE = "CALL ducklake_add_data_files('lake', 'reading', ?)"

REPLACED = """SELECT snapshot_id FROM (
    SELECT snapshot_id, lead(snapshot_time) OVER (ORDER BY snapshot_id) AS replaced FROM ducklake_snapshots('lake')
) WHERE replaced <= ? ORDER BY snapshot_id"""
EXPIRE = "CALL ducklake_expire_snapshots('lake', versions => ?)"
"""By number: over an SQLite catalog `older_than` compares the year alone (SQLite casts the stamp to a number)."""
CLEAN = "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)"

RELATIVE = """UPDATE __ducklake_metadata_lake.ducklake_data_file
    SET path = parse_filename(path), path_is_relative = 1 WHERE path_is_relative = 0"""
"""Registered paths come out absolute; without this a moved data folder would not open."""

KNOWN_FILES = """SELECT parse_filename(path) FROM __ducklake_metadata_lake.ducklake_data_file
    UNION SELECT parse_filename(path) FROM __ducklake_metadata_lake.ducklake_delete_file
    UNION SELECT parse_filename(path) FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"""
CURRENT_FILES = """SELECT parse_filename(path), file_size_bytes FROM __ducklake_metadata_lake.ducklake_data_file
    WHERE end_snapshot IS NULL
    UNION ALL SELECT parse_filename(path), file_size_bytes FROM __ducklake_metadata_lake.ducklake_delete_file
    WHERE end_snapshot IS NULL"""
FILE_TIMES = """SELECT stats.min_value::BIGINT, stats.max_value::BIGINT, file.file_size_bytes
    FROM __ducklake_metadata_lake.ducklake_data_file AS file
    JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS stats USING (data_file_id)
    JOIN __ducklake_metadata_lake.ducklake_column AS field
        ON field.column_id = stats.column_id AND field.table_id = stats.table_id
    WHERE file.end_snapshot IS NULL AND field.end_snapshot IS NULL AND field.column_name = 'time_us'
    ORDER BY 2"""
"""The oldest and newest time and the size of each file in use, oldest first, without opening one."""


def for_signals(text: str, count: int) -> str:
    """Write a text for so many signals, named $s0, $s1 ..."""
    return text.replace("/*signals*/", ", ".join(f"$s{index}" for index in range(count)) or "NULL")
