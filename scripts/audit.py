"""Ask for known vulnerabilities of the exact versions of requirements.txt and of the packages that they need.

    python scripts/audit.py

Exit status 0 where an audit ran and found nothing, 1 where it found something, 3 where no audit could run: without a
service that answers, or with one that knows no advisory of packages that have some. The last is no pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sbom import FILE

KNOWN = (
    "jinja2==2.10",
    "urllib3==1.24.1",
)  # CVE-2019-10906, CVE-2019-11324: a service that knows neither knows nothing
SECONDS = 600
CLEAN, FOUND, NO_AUDIT = 0, 1, 3
Ask = Callable[[list[str]], list[dict[str, Any]] | None]


def ask(requirements: list[str]) -> list[dict[str, Any]] | None:
    """Return what pip-audit says of each package, as its JSON has it; None where it gives no answer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(requirements), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "-r", str(file), "--no-deps", "--disable-pip", "-f", "json"]
        try:
            done = subprocess.run(
                [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=SECONDS, check=False
            )
            return list(json.loads(done.stdout)["dependencies"])
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return None


def audit(requirements: list[str], ask: Ask = ask) -> tuple[int, str]:
    """Return the exit status and sentences on the vulnerabilities of packages."""
    known = ask(list(KNOWN))
    if known is None or not all(package.get("vulns") for package in known) or len(known) < len(KNOWN):
        return NO_AUDIT, "No audit could run: the package index answers no advisories. This is no pass."
    answers = ask(requirements)
    if answers is None:
        return NO_AUDIT, "No audit could run: the service gave no answer. This is no pass."
    found = [
        f"{package['name']} {package['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'none'}"
        for package in answers
        for hole in package.get("vulns", ())
    ]
    left_out = [package["name"] for package in answers if "skip_reason" in package]
    named = {package["name"] for package in answers}
    left_out += [line for line in requirements if line.partition("==")[0] not in named]
    unknown = [f"Not audited: {', '.join(left_out)}."] if left_out else []
    if found:
        return FOUND, "\n".join([*found, *unknown])
    if left_out:
        return NO_AUDIT, "\n".join([*unknown, "This is no pass."])
    return CLEAN, f"{len(answers)} packages have no known vulnerability."


def main() -> None:
    """Print what is known, and end with the exit status."""
    listed = json.loads(FILE.read_text(encoding="utf-8"))["components"]
    status, text = audit([f"{each['name']}=={each['version']}" for each in listed])
    print(text)
    sys.exit(status)


if __name__ == "__main__":
    main()
