"""
Stands in for clickhouse-client: runs queries in ClickHouse's own engine, which works in this process, without a server.

usage: client.py FOLDER CONFIG --query QUERY[;QUERY…]

FOLDER is that of the default disk, and keeps all tables. CONFIG is a file as in /etc/clickhouse-server/config.d. Only
one process at a time can use a folder.
"""

import sys

from chdb.session import Session


def main(folder: str, config: str, option: str, query: str) -> None:
    if option != "--query":
        raise SystemExit(__doc__)
    with Session(f"{folder}?config-file={config}") as session:
        print(session.query(query, "TabSeparated"), end="")


main(*sys.argv[1:])
