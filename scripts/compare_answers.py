"""Compare `predict --json` of the demo exams with the recorded answers.

    python scripts/compare_answers.py [--tolerance 1e-6] [--record]

Numbers may differ by the tolerance, everything else must be equal but the warnings. Prints the largest difference of
each exam, and exits with 1 if something differs by more. --record writes the answers anew, for a change that is meant
to change them and says so in CHANGELOG.md.
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
RECORD = ROOT / "tests" / "data" / "answers"


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
    parser.add_argument("--record", action="store_true", help="write the answers anew")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for exam in ("film", "phantom"):
            file = RECORD / f"{exam}.json"
            if options.record:
                predict(exam, file)
                continue
            found = list(
                differences(json.loads(file.read_text(encoding="utf-8")), predict(exam, Path(folder) / file.name))
            )
            print(f"{exam}: largest difference {max((size for _, size in found), default=0.0):.1e}")
            for where, size in found:
                if size > options.tolerance:
                    print(f"  {where}: differs by {size:g}")
                    failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
