"""Compare `predict --json` of the demo exams with the record of version 0.4.0.

    python scripts/compare_answers.py [--tolerance 1e-6]

Numbers may differ by the tolerance, everything else must be equal but the warnings, which are worded anew, and the
answers that are now withheld from an exam (`not_answered`). Prints the largest difference of each exam, and exits with
1 if something differs by more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "data" / "v0_4_0"


def differences(old: object, new: object, where: str = "") -> Iterator[tuple[str, float]]:
    """Yield (path, size) of every value that differs; the size is infinite for anything but two numbers."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() - {"warnings"}:  # later versions may add keys
            yield from differences(old[key], new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{where}/{index}")
    elif old != new:
        yield where, abs(old - new) if isinstance(old, float) and isinstance(new, float) else float("inf")


def still_given(old: dict, new: dict) -> dict:
    """Return the old answers of an exam without those that are now withheld from it."""
    return old | {"predictions": [row for row in old["predictions"] if row["task"] not in new["not_answered"]]}


def predict(exam: str, out: Path) -> dict:
    """Return the answers of the command line for a demo exam."""
    command = [sys.executable, "-m", "mvmlm", "predict", str(ROOT / "assets" / "demo_exams" / exam)]
    command += ["--prompts", str(RECORD / "prompts.txt"), "--json", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads(out.read_text(encoding="utf-8"))


def main() -> int:
    """Compare both demo exams and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    tolerance = parser.parse_args().tolerance
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for exam in ("film", "phantom"):
            old = json.loads((RECORD / f"predict_{exam}.json").read_text(encoding="utf-8"))
            new = predict(exam, Path(folder) / f"{exam}.json")
            found = list(differences(still_given(old, new), new))
            print(f"{exam}: largest difference {max((size for _, size in found), default=0.0):.1e}")
            for where, size in found:
                if size > tolerance:
                    print(f"  {where}: differs by {size:g}")
                    failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
