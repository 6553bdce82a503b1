"""Write docs/api.json: the arguments and results of the API as JSON Schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.api.types import description


def main() -> None:
    """Write the file."""
    text = json.dumps(description(), indent=1, ensure_ascii=False)
    (ROOT / "docs" / "api.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
