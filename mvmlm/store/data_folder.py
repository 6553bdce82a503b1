"""The data folder: chosen by the user, else where the operating system keeps a program's data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from platformdirs import PlatformDirs


def choose_data_folder(folder: Path | None = None) -> tuple[Path, bool]:
    """Return the folder of the store, and whether its content outlasts a restart.

    The first of these: `folder`, the environment variable MVMLM_DATA, on a Hugging Face Space a mounted /data, the
    user's data folder. A Space without a mounted /data keeps nothing over a restart: then it is a temporary folder.
    """
    if folder is not None or os.environ.get("MVMLM_DATA"):
        return Path(folder or os.environ["MVMLM_DATA"]), True
    if os.environ.get("SPACE_ID"):
        mounted = Path("/data")
        if mounted.is_dir() and os.access(mounted, os.W_OK):
            return mounted / "mvmlm", True
        return Path(tempfile.mkdtemp(prefix="mvmlm-data-")), False
    return _user_data_folder(), True


def _user_data_folder() -> Path:
    """The operating system's folder; the one that 0.4.0 used where only that exists.

    The two differ on macOS, and on Windows where XDG_DATA_HOME is set.
    """
    folder = PlatformDirs("mvmlm", appauthor=False).user_data_path
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    earlier = Path(home) / "mvmlm"
    return earlier if earlier.is_dir() and not folder.is_dir() else folder
