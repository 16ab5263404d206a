"""What LVM reports, see lvmreport(7)."""

from __future__ import annotations

import json
import re

from jts_storage.bounded import output_of

REPORT = (
    'report { compact_output=0 compact_output_cols="" headings=1 list_item_separator="," prefixes=0 } '
    "log { report_command_log=0 verbose=0 }"
)
"""What lvm.conf(5) may set for reports, as it is where nothing is set."""


def rows_of(kind: str, fields: str, group: str, seconds: float) -> list[dict[str, str]]:
    """
    What lvs(8) or vgs(8) reports: sizes in bytes, and 0 or 1 for no and yes.

    @param kind  lv or vg
    @raises Problem where LVM does not answer
    @raises ValueError, LookupError or TypeError where it prints something else
    """
    form = ("--config", REPORT, "--binary", "--reportformat", "json", "--units", "b", "--nosuffix")
    printed = output_of([f"{kind}s", *form, "--options", fields, "--", group], seconds)
    # Some messages stand among the JSON, such as "Retrying metadata scan." where some disk's metadata is damaged.
    lines = [line for line in printed.split("\n") if re.match(r'\s*[{}\[\]",]', line)]
    rows: list[dict[str, str]] = json.loads("\n".join(lines))["report"][0][kind]
    return rows
