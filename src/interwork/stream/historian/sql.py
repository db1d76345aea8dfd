"""Every SQL text of the historian.

`hot` holds readings in the order they arrived; `lake.reading` holds sealed ones, at most one per (signal, time);
`lake.mark` holds the sequence up to which everything is sealed. Where both hold a reading of one signal and time,
the one in `hot` is the later arrival and wins: that makes corrections, late data and the moment between sealing
and trimming all the same case.

`/*signals*/` is replaced by as many placeholders as signals are asked for (constants reach the zone maps of the
Parquet row groups, a joined list would not).
"""

SEALED = "/*sealed*/"
"""Replaced by the relation of the sealed files that a question concerns (`lake.Sealed.source`)."""

HOT = """CREATE TABLE IF NOT EXISTS hot (
    signal INTEGER NOT NULL, time_us BIGINT NOT NULL, value DOUBLE, quality UINTEGER, text VARCHAR, seq BIGINT NOT NULL
)"""

KEEPING = """CREATE TABLE IF NOT EXISTS keeping (
    signal INTEGER PRIMARY KEY, keep_us BIGINT, quota BIGINT, share INTEGER NOT NULL, hold BOOLEAN NOT NULL
)"""
"""What is to be kept of a signal otherwise than of the rest; signals of one `share` have one quota together."""

TAKEN = "CREATE TABLE IF NOT EXISTS taken (source VARCHAR NOT NULL, number BIGINT NOT NULL)"
"""The last number kept of each sender whose batches may come twice; it moves in the transaction that keeps one."""
TAKEN_ALL = "SELECT source, max(number) FROM taken GROUP BY source"
TAKE_BACK = "DELETE FROM hot WHERE seq >= ? AND seq <= ?"
FORGET_TAKEN = "DELETE FROM taken WHERE source = ?"
NOTE_TAKEN = "INSERT INTO taken VALUES (?, ?)"

LAKE = (
    """CREATE TABLE IF NOT EXISTS lake.reading (
        signal INTEGER, time_us BIGINT, value DOUBLE, quality UINTEGER, text VARCHAR, seq BIGINT
    )""",
    """CREATE TABLE IF NOT EXISTS lake.rollup (
        signal INTEGER, width BIGINT, time_us BIGINT, low DOUBLE, high DOUBLE, total DOUBLE, count BIGINT,
        last DOUBLE, bad BIGINT, rows BIGINT, seq BIGINT
    )""",
    """CREATE TABLE IF NOT EXISTS lake.state (
        signal INTEGER, time_us BIGINT, state VARCHAR, us BIGINT, first_us BIGINT, last_state VARCHAR, seq BIGINT
    )""",
    "CREATE TABLE IF NOT EXISTS lake.mark (seq BIGINT)",
    "INSERT INTO lake.mark SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM lake.mark)",
)
"""The mark lives in the catalog itself; dropped readings are never noted there, or their files would stay for ever."""
NO_INLINING = (
    "CALL ducklake_set_option('lake', 'data_inlining_row_limit', 0, table_name => 'reading')",
    "CALL ducklake_set_option('lake', 'data_inlining_row_limit', 0, table_name => 'rollup')",
    "CALL ducklake_set_option('lake', 'data_inlining_row_limit', 0, table_name => 'state')",
)

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

HOT_FIRST = "SELECT min(time_us) FROM hot WHERE seq > ?"
FRESH_ANY = """SELECT 1 FROM hot WHERE seq > $mark AND signal IN (/*signals*/)
    AND time_us >= $start AND time_us < $end LIMIT 1"""
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
    SELECT signal, time_us, value, quality, text, seq FROM /*sealed*/ AS sealed
    WHERE signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
    AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.signal = sealed.signal AND fresh.time_us = sealed.time_us)
) """.replace("/*fresh*/", _FRESH)

NEWEST_SEALED = """WITH newest AS (
    SELECT signal, time_us, value, quality, text, seq FROM /*sealed*/
    WHERE signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
) """

READINGS = "SELECT signal, time_us, value, quality, text FROM newest ORDER BY time_us, signal LIMIT $limit"
_HELD_HOT = """SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $mark AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end"""
_HELD = """/*hot*/ UNION ALL SELECT signal, time_us, value, quality, text, seq FROM /*sealed*/
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
DURATIONS = """SELECT signal, state, sum(until - time_us)::BIGINT AS us FROM (
    SELECT signal, time_us, lead(time_us, 1, $end) OVER (PARTITION BY signal ORDER BY time_us) AS until,
        CASE WHEN quality < 1073741824 THEN coalesce(text, '') ELSE '' END AS state
    FROM newest
) GROUP BY signal, state"""
JOINED = """SELECT own.time_us, own.value, own.quality, own.text, other.time_us AS other_us,
    other.value AS other_value, other.quality AS other_quality, other.text AS other_text
    FROM (SELECT * FROM newest WHERE signal = $left ORDER BY time_us LIMIT $limit) AS own
    ASOF LEFT JOIN (SELECT * FROM newest WHERE signal = $right) AS other ON own.time_us >= other.time_us
    ORDER BY own.time_us"""

AFTER_HOT = """SELECT signal, time_us, value, quality, text, seq FROM hot
    WHERE seq > $sequence AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
    ORDER BY seq LIMIT $limit"""
AFTER = """SELECT signal, time_us, value, quality, text, seq FROM (
    SELECT signal, time_us, value, quality, text, seq FROM hot WHERE seq > $mark UNION ALL
    SELECT signal, time_us, value, quality, text, seq FROM /*sealed*/ WHERE seq <= $mark
) WHERE seq > $sequence AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end
ORDER BY seq LIMIT $limit"""

SPANS = """SELECT time_us - ((time_us % $width) + $width) % $width AS span, count(*), min(time_us), max(time_us)
    FROM hot WHERE seq > $mark AND seq <= $upto GROUP BY span ORDER BY span"""
HELD_AT_LEAST = """SELECT count(*) FROM (
    SELECT 1 FROM /*sealed*/ WHERE time_us >= $start AND time_us < $end LIMIT $limit
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
DROP_SPAN_OF = "DELETE FROM lake./*table*/ WHERE time_us >= $start AND time_us < $end"
OWN_TIMES = "SELECT DISTINCT keep_us FROM keeping WHERE keep_us IS NOT NULL AND NOT hold"
DROP_BEFORE = """DELETE FROM lake.reading WHERE time_us < $latest
    AND signal NOT IN (SELECT signal FROM keeping WHERE hold)
    AND (CASE WHEN signal IN (SELECT signal FROM keeping WHERE keep_us IS NOT NULL) THEN time_us < (
        SELECT max($now - keep_us) // 3600000000 * 3600000000 FROM keeping WHERE keeping.signal = reading.signal
    ) ELSE time_us < $cutoff END)"""
DROP_UNHELD = """DELETE FROM lake.reading WHERE time_us < $cutoff
    AND signal NOT IN (SELECT signal FROM keeping WHERE hold)"""
DROP_ROLLED = "DELETE FROM lake.rollup WHERE time_us < $cutoff"
DROP_STATES = "DELETE FROM lake.state WHERE time_us < $cutoff"
DROP_SHARE = """DELETE FROM lake.reading WHERE time_us < $cutoff
    AND signal IN (SELECT signal FROM keeping WHERE share = $share AND NOT hold)"""
QUOTAS = "SELECT share, min(quota) FROM keeping WHERE quota IS NOT NULL GROUP BY share ORDER BY share"
ON_HOLD = "signal IN (SELECT signal FROM keeping WHERE hold)"
IN_SHARE = "signal IN (SELECT signal FROM keeping WHERE share = $share)"
ANY_KEPT = "SELECT 1 FROM keeping LIMIT 1"
ROWS_BY_FILE = """SELECT parse_filename(filename), count(*) FROM read_parquet([/*files*/], filename = true)
    WHERE /*condition*/ GROUP BY filename"""
RETAIN = """INSERT OR REPLACE INTO keeping SELECT incoming.signal, $keep_us, $quota, $share,
    coalesce($hold, held.hold, false) FROM incoming LEFT JOIN keeping AS held USING (signal)"""
"""A hold of NULL leaves the one there is."""
RELEASE = "DELETE FROM keeping WHERE keep_us IS NULL AND quota IS NULL AND NOT hold"
ROWS_BY_SIGNAL = "SELECT signal, count(*) FROM (/*source*/) GROUP BY signal ORDER BY signal"
NEXT_SHARE = "SELECT coalesce(max(share), 0) + 1 FROM keeping"
MERGED = {
    "reading": """SELECT signal, time_us, value, quality, text, seq FROM lake.reading
        WHERE time_us >= $start AND time_us < $end AND signal >= $low AND signal < $high
        ORDER BY signal, time_us, seq""",
    "rollup": """SELECT signal, width, time_us, low, high, total, count, last, bad, rows, seq FROM lake.rollup
        WHERE time_us >= $start AND time_us < $end AND signal >= $low AND signal < $high
        AND width = $level ORDER BY signal, time_us, seq""",
    "state": """SELECT signal, time_us, state, us, first_us, last_state, seq FROM lake.state
        WHERE time_us >= $start AND time_us < $end AND signal >= $low AND signal < $high
        QUALIFY seq = max(seq) OVER (PARTITION BY signal, time_us) ORDER BY signal, time_us, state, seq""",
}
ADD_FILE = "CALL ducklake_add_data_files('lake', ?, ?, allow_missing => true)"

_HOUR = "time_us - ((time_us % 3600000000) + 3600000000) % 3600000000"
_MINUTE = "time_us - ((time_us % 60000000) + 60000000) % 60000000"
_SECOND = "time_us - ((time_us % 1000000) + 1000000) % 1000000"
_GOOD = "quality < 1073741824 AND isfinite(value)"
_BAD = "NOT (quality < 1073741824 AND (coalesce(isfinite(value), false) OR text IS NOT NULL))"
_CELL = f"""min(value) FILTER ({_GOOD}) AS low, max(value) FILTER ({_GOOD}) AS high,
        sum(value) FILTER ({_GOOD}) AS total, count(*) FILTER ({_GOOD}) AS count,
        arg_max(value, time_us) FILTER ({_GOOD}) AS last,
        count(*) FILTER ({_BAD}) AS bad, count(*) AS rows"""

ROLLED_STATES = """SELECT signal, time_us, state, us, first_us, last_state FROM /*states*/
    WHERE signal IN (/*signals*/) AND time_us >= $first AND time_us < $until
    AND NOT list_contains(/*apart*/, time_us)
    QUALIFY seq = max(seq) OVER (PARTITION BY signal, time_us)"""
NO_STATES = """SELECT 0 AS signal, 0::BIGINT AS time_us, '' AS state, 0::BIGINT AS us, 0::BIGINT AS first_us,
    '' AS last_state WHERE false"""
WITH_STATES = """SELECT DISTINCT signal FROM /*states*/
    WHERE signal IN (/*signals*/) AND time_us >= $first AND time_us < $until"""
WITH_TEXTS_HOT = """SELECT DISTINCT signal FROM hot WHERE seq > $mark AND signal IN (/*signals*/)
    AND time_us >= $start AND time_us < $end AND text IS NOT NULL"""
WITH_TEXTS = f"""{WITH_TEXTS_HOT} UNION SELECT DISTINCT signal FROM /*sealed*/ WHERE signal IN (/*signals*/)
    AND time_us >= $start AND time_us < $end AND text IS NOT NULL
    AND (time_us < $first OR time_us >= $until OR list_contains(/*apart*/, time_us // 3600000000 * 3600000000))"""
STATELESS = """SELECT DISTINCT time_us FROM /*sealed*/ WHERE width = 3600000000 AND signal IN (/*signals*/)
    AND time_us >= $first AND time_us < $until AND (signal, time_us) NOT IN (
        SELECT (states.signal, states.time_us) FROM (/*rolled*/) AS states
    )"""
"""Hours of which the states of some signal are not rolled up."""
ROLLED_DURATIONS = f""", hours AS MATERIALIZED (/*rolled*/), steps AS (
        SELECT signal, time_us, CASE WHEN quality < 1073741824 THEN coalesce(text, '') ELSE '' END AS state
        FROM newest WHERE (signal, {_HOUR}) NOT IN (SELECT (hours.signal, hours.time_us) FROM hours)
    ), parts AS (
        SELECT DISTINCT signal, first_us AS begins, time_us + 3600000000 AS ends, last_state AS state FROM hours
        UNION ALL SELECT signal, time_us, time_us, state FROM steps
    )
    SELECT signal, state, sum(us)::BIGINT AS us FROM (
        SELECT signal, state, us FROM hours UNION ALL
        SELECT signal, state, lead(begins, 1, $end) OVER (PARTITION BY signal ORDER BY begins) - ends FROM parts
    ) GROUP BY signal, state"""
"""The time within whole hours from their roll-ups; from one part's end to the next one's start, the state it left."""

BESIDE = """WITH new AS MATERIALIZED (/*new*/)
    SELECT * FROM new UNION ALL SELECT * FROM /*sealed*/ AS held
    WHERE time_us >= $start AND time_us < $end AND signal IN (SELECT DISTINCT signal FROM new)
    AND NOT EXISTS (SELECT 1 FROM new WHERE new.signal = held.signal AND new.time_us = held.time_us)"""
NONE_HELD = "SELECT 0 AS signal, 0::BIGINT AS time_us WHERE false"
NOT_FINAL = f"""SELECT * FROM (/*source*/) AS arriving WHERE (signal, {_HOUR}) NOT IN (
        SELECT (known.signal, known.hour) FROM (
            SELECT signal, time_us AS hour, arg_max(rows, seq) AS rows FROM /*sealed*/
            WHERE width = 3600000000 AND time_us >= $start AND time_us < $end GROUP BY ALL
        ) AS known LEFT JOIN (
            SELECT signal, {_HOUR} AS hour, count(*) AS rows FROM (/*held*/)
            WHERE time_us >= $start AND time_us < $end GROUP BY ALL
        ) AS held USING (signal, hour) WHERE known.rows > coalesce(held.rows, 0)
    )"""
"""Leaves out the hours whose roll-ups know more readings than are held: what retention dropped stays counted."""
ROLLING = """CREATE OR REPLACE TEMP VIEW rolling AS
    SELECT signal, time_us, value, quality, text FROM (/*source*/) WHERE time_us >= $start AND time_us < $end"""
DENSE = 14_400
"""Readings of an hour from which on it also has a roll-up by the second: fewer are as quick to read themselves."""
ROLLUP = f"""WITH minutes AS MATERIALIZED (
        SELECT signal, 60000000::BIGINT AS width, {_MINUTE} AS time_us, {_CELL} FROM rolling GROUP BY ALL
    ), hours AS MATERIALIZED (
        SELECT signal, 3600000000::BIGINT AS width, {_HOUR} AS time_us, min(low), max(high), sum(total),
            sum(count)::BIGINT, arg_max(last, minutes.time_us) FILTER (count > 0), sum(bad)::BIGINT,
            sum(rows)::BIGINT AS rows
        FROM minutes GROUP BY signal, {_HOUR}
    ), seconds AS (
        SELECT signal, 1000000::BIGINT AS width, {_SECOND} AS time_us, {_CELL} FROM rolling
        WHERE (signal, {_HOUR}) IN (SELECT (signal, time_us) FROM hours WHERE rows >= {DENSE}) GROUP BY ALL
    )
    SELECT *, $upto::BIGINT AS seq FROM (FROM seconds UNION ALL FROM minutes UNION ALL FROM hours)
    ORDER BY width, signal, time_us"""
STATE = f"""WITH marked AS (
        SELECT signal, {_HOUR} AS hour, time_us,
            CASE WHEN quality < 1073741824 THEN coalesce(text, '') ELSE '' END AS state
        FROM rolling WHERE (signal, {_HOUR}) IN (SELECT (signal, {_HOUR}) FROM rolling WHERE text IS NOT NULL)
    ), lengths AS (
        SELECT signal, hour, state, lead(time_us, 1, hour + 3600000000) OVER each - time_us AS us FROM marked
        WINDOW each AS (PARTITION BY signal, hour ORDER BY time_us)
    ), ends AS (
        SELECT signal, hour, min(time_us) AS first_us, arg_max(state, time_us) AS last_state FROM marked GROUP BY ALL
    )
    SELECT signal, hour AS time_us, state, sum(us)::BIGINT AS us, any_value(first_us) AS first_us,
        any_value(last_state) AS last_state, $upto::BIGINT AS seq
    FROM lengths JOIN ends USING (signal, hour) GROUP BY signal, hour, state ORDER BY signal, time_us, state"""
"""Of each hour: the time in each state from its first reading on, the last state running to the end of the hour."""

DIRTY = """SELECT DISTINCT time_us // 3600000000 * 3600000000 FROM hot
    WHERE seq > $mark AND signal IN (/*signals*/) AND time_us >= $start AND time_us < $end"""
"""Hours with readings that no roll-up knows yet."""
THIN = f"""SELECT DISTINCT time_us FROM (
        SELECT time_us, arg_max(rows, seq) AS rows FROM /*sealed*/ WHERE width = 3600000000 AND signal IN (/*signals*/)
        AND time_us >= $first AND time_us < $end GROUP BY signal, time_us
    ) WHERE rows < {DENSE}"""
"""Hours that have no roll-up by the second."""
CELLS = """SELECT signal, time_us, low, high, total, count FROM /*sealed*/
    WHERE width = $level AND signal IN (/*signals*/) AND time_us >= $first AND time_us < $until
    AND NOT list_contains(/*apart*/, time_us // 3600000000 * 3600000000)
    QUALIFY row_number() OVER (PARTITION BY signal, time_us ORDER BY seq DESC) = 1"""
CELLS_ONCE = """SELECT signal, time_us, low, high, total, count FROM /*sealed*/
    WHERE width = $level AND signal IN (/*signals*/) AND time_us >= $first AND time_us < $until
    AND NOT list_contains(/*apart*/, time_us // 3600000000 * 3600000000)"""
"""The same where no file holds a cell that another one has."""
CELL = ("signal", "time_us", "low", "high", "total", "count")
RAW_CELLS = """SELECT signal, time_us - ((time_us % $width) + $width) % $width AS time_us, min(value) AS low,
    max(value) AS high, sum(value) AS total, count(*) AS count FROM (/*newest*/) AS newest
    WHERE quality < 1073741824 AND isfinite(value) AND (newest.time_us < $first OR newest.time_us >= $until
    OR list_contains(/*apart*/, newest.time_us // 3600000000 * 3600000000))
    GROUP BY signal, newest.time_us - ((newest.time_us % $width) + $width) % $width"""
"""Readings made cells as wide as a step."""
ROLLED_TREND = """SELECT signal, greatest($start, time_us // $width * $width) AS step, min(low) AS low,
    sum(total) / sum(count) AS mean, max(high) AS high, sum(count)::BIGINT AS count
    FROM (/*cells*/) WHERE count > 0 GROUP BY signal, time_us // $width ORDER BY signal, step"""

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
CURRENT_FILES = """SELECT held.table_name, parse_filename(file.path), file.file_size_bytes FROM (
        SELECT table_id, path, file_size_bytes FROM __ducklake_metadata_lake.ducklake_data_file
        WHERE end_snapshot IS NULL
        UNION ALL SELECT table_id, path, file_size_bytes FROM __ducklake_metadata_lake.ducklake_delete_file
        WHERE end_snapshot IS NULL
    ) AS file JOIN __ducklake_metadata_lake.ducklake_table AS held USING (table_id)
    WHERE held.end_snapshot IS NULL"""
FILES = """SELECT held.table_name, parse_filename(file.path), stats.min_value::BIGINT, stats.max_value::BIGINT,
        file.file_size_bytes, file.record_count, drops.data_file_id IS NOT NULL
    FROM __ducklake_metadata_lake.ducklake_data_file AS file
    JOIN __ducklake_metadata_lake.ducklake_table AS held ON held.table_id = file.table_id
    JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS stats ON stats.data_file_id = file.data_file_id
    JOIN __ducklake_metadata_lake.ducklake_column AS field
        ON field.column_id = stats.column_id AND field.table_id = stats.table_id
    LEFT JOIN (
        SELECT DISTINCT data_file_id FROM __ducklake_metadata_lake.ducklake_delete_file WHERE end_snapshot IS NULL
    ) AS drops ON drops.data_file_id = file.data_file_id
    WHERE file.end_snapshot IS NULL AND field.end_snapshot IS NULL AND held.end_snapshot IS NULL
        AND field.column_name = 'time_us'
    ORDER BY 4, 2"""
"""The oldest and newest time, size and rows of each file in use, oldest first, without opening one."""


def for_signals(text: str, count: int) -> str:
    """Write a text for so many signals, named $s0, $s1 ..."""
    return text.replace("/*signals*/", ", ".join(f"$s{index}" for index in range(count)) or "NULL")
