"""Where the data lies: one folder, chosen by the user, never the working directory and never a temporary one by accident."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def choose_data_folder(wanted: Path | None = None) -> tuple[Path, bool]:
    """-> the folder of the store, and whether what is in it outlasts a restart.

    `wanted`, else MVMLM_DATA, else on a Hugging Face Space a mounted /data, else the user's data folder. A Space without a mounted
    bucket has nothing that lasts: then a temporary folder, and the page says so.
    """
    if wanted is not None or os.environ.get("MVMLM_DATA"):
        return Path(wanted or os.environ["MVMLM_DATA"]), True
    if os.environ.get("SPACE_ID"):
        mounted = Path("/data")
        if mounted.is_dir() and os.access(mounted, os.W_OK):
            return mounted / "mvmlm", True
        return Path(tempfile.mkdtemp(prefix="mvmlm-data-")), False
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    return Path(home) / "mvmlm", True
