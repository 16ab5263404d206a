#!/usr/bin/env -S python3 -I -B
"""Verifies that this host's storage is as declared, and that it works: see jts_storage/verify.py, or --help."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from jts_storage import verify

if __name__ == "__main__":
    sys.exit(verify.main())
