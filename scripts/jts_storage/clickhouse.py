"""Old partitions of ClickHouse, which it moves itself to the volume "cold" of their tables' storage policy."""

import json
import re
import time
from functools import partial

from jts_storage.archival_run import Archival, run_command
from jts_storage.archives import watched
from jts_storage.bounded import output_of
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.program import human
from jts_storage.settings import Cold
from jts_storage.tiers import require_cold

DAY_SECONDS = 86400
QUERY_SECONDS = 300
# The age of a partition is that of its data where the partition key has a time, else that of its last write. ClickHouse
# copies the parts, and removes the old ones only when the new ones are complete. A partition of which only some parts
# were moved is moved again.
OLD_PARTITIONS = """
SELECT parts.database AS database, parts.table AS table, parts.partition_id AS id,
  toString(sumIf(parts.bytes_on_disk, NOT has(policies.disks, parts.disk_name))) AS bytes,
  max(if(toUnixTimestamp(parts.max_time) > 86400, parts.max_time,
         if(toUInt16(parts.max_date) > 1, toDateTime(parts.max_date), parts.modification_time))) AS newest
FROM system.parts AS parts
INNER JOIN system.tables AS tables ON tables.database = parts.database AND tables.name = parts.table
INNER JOIN system.storage_policies AS policies
  ON policies.policy_name = tables.storage_policy AND policies.volume_name = 'cold'
WHERE parts.active
GROUP BY parts.database, parts.table, parts.partition_id
HAVING newest < now() - toIntervalDay(DAYS) AND countIf(NOT has(policies.disks, parts.disk_name)) > 0
ORDER BY newest, database, table, id
FORMAT JSONEachRow"""


def move_partitions(run: Archival) -> None:
    if run.is_absent("clickhouse-client"):
        return
    try:
        # ClickHouse itself writes there, and would fill the root disk where nothing is mounted.
        cold = require_cold(run.settings)
    except Problem as problem:
        run.fail(f"ClickHouse moves nothing: {problem}", f"{HERE}/storage-health.sh")
        return
    # ClickHouse counts times from 1970, and takes one before for one in the future, which all is older than.
    days = min(run.settings.automation.clickhouse_to_cold_after_days, int(time.time()) // DAY_SECONDS)
    query = OLD_PARTITIONS.replace("DAYS", str(days))
    try:
        partitions = output_of(["clickhouse-client", "--query", query], QUERY_SECONDS).splitlines()
        moves = [(partition, *_move_of(partition)) for partition in partitions if partition]
    except Problem:
        run.fail(
            "ClickHouse does not answer",
            "systemctl status clickhouse-server; clickhouse-client --query 'SELECT 1'",
        )
        return
    limit, begun = run.settings.automation.clickhouse_to_cold_per_run, 0
    for index, (partition, move, size) in enumerate(moves):
        if limit is not None and index > 0 and begun + size > limit:
            log(
                "info",
                f"{len(moves) - index} partitions wait for the next run: "
                f"this one moves {limit} bytes at most (automation.clickhouseToColdPerRun)",
            )
            return
        begun += size
        start = time.monotonic()
        if run.dry_run or _carry_out(run, cold, move):
            seconds = round(time.monotonic() - start, 3)
            pace = "" if run.dry_run else f", {human(int(size / max(seconds, 0.001)))}/s"
            run.report("moved", f"the partition {partition}", pace, bytes=size, seconds=seconds)
        else:
            run.fail(
                f"the partition {partition} is not moved",
                "look at the lines before this one, and at ClickHouse's log",
            )


def _carry_out(run: Archival, cold: Cold, move: str) -> bool:
    """Whether ClickHouse did the move while the cold tier answered; what it could not do is logged."""
    try:
        work = partial(run_command, ["clickhouse-client", "--query", move])
        watched(cold.mount_point, run.settings.probe_seconds, work)
    except Problem as problem:
        log("error", str(problem))
        return False
    return True


def _move_of(partition: str) -> tuple[str, int]:
    """
    The statement that moves a partition, which is a line of ClickHouse's JSON, and how many bytes it moves.

    @raises Problem where it is not such a line
    """
    try:
        row = json.loads(partition)
        database, table = (re.sub(r"([\\`])", r"\\\1", row[key]) for key in ("database", "table"))
        move = f"ALTER TABLE `{database}`.`{table}` MOVE PARTITION ID '{row['id']}' TO VOLUME 'cold'"
        return move, int(row["bytes"])
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{partition} is not a partition") from None
