"""The log of the programs on the host: standard error, from which systemd takes each line and its priority."""

import os
import sys


def log(level: str, message: str) -> None:
    priority = {"error": 3, "warning": 4, "info": 6}[level]
    print(f"<{priority}>{message}" if "JOURNAL_STREAM" in os.environ else message, file=sys.stderr, flush=True)
