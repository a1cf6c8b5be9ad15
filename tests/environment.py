"""Loaded before Django reads its settings: tests have a data folder, and so a server, of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

DATA = Path(tempfile.gettempdir()) / f"citedesk-test-{os.getuid()}"

for _name in [name for name in os.environ if name.startswith("CITEDESK_") or name.endswith("_API_KEY")]:
    del os.environ[_name]
os.environ["CITEDESK_DATA_DIR"] = str(DATA)
