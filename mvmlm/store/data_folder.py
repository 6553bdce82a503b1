"""The data folder: chosen by the user, else the operating system's folder for data of programs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from platformdirs import PlatformDirs


def choose_data_folder(folder: Path | None = None) -> tuple[Path, bool]:
    """Return the folder of the store, and whether its content is still there after a restart.

    It is the first that applies of `folder`, the environment variable MVMLM_DATA, the folder `mvmlm` in /data of a
    Hugging Face Space, and the user's data folder. A Space without a writable /data gets a temporary folder, which is
    lost at the next restart.
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
    """The operating system's folder, or the one that 0.4.0 used if only that one exists.

    The two differ on macOS, and on Windows where XDG_DATA_HOME is set.
    """
    folder = PlatformDirs("mvmlm", appauthor=False).user_data_path
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    earlier = Path(home) / "mvmlm"
    return earlier if earlier.is_dir() and not folder.is_dir() else folder
