"""The bill of materials names the packages of requirements.txt, and an audit that could not run is no pass."""

import json

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mvmlm
from scripts import sbom
from scripts.audit import CLEAN, FOUND, KNOWN, NO_AUDIT, audit

BILL = json.loads(sbom.FILE.read_text(encoding="utf-8"))
PARTS = {part["name"]: part for part in BILL["components"]}
OURS = ["a==1", "b==2"]


def test_the_bill_has_exactly_the_pins_as_direct_packages():
    pins = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in sbom.pinned()}
    (direct,) = [each["dependsOn"] for each in BILL["dependencies"] if each["ref"] == "mvmlm"]
    assert {name: version for name, _, version in (ref.partition("==") for ref in direct)} == pins, (
        "run python scripts/sbom.py"
    )
    assert BILL["metadata"]["component"]["version"] == mvmlm.__version__ and BILL["bomFormat"] == "CycloneDX"
    assert all(PARTS[name]["purl"] == f"pkg:pypi/{name}@{version}" for name, version in pins.items())


def test_every_package_of_the_bill_is_needed_by_another_one():
    refs = {part["bom-ref"] for part in PARTS.values()}
    assert {ref for each in BILL["dependencies"] for ref in each.get("dependsOn", ())} == refs


def test_the_bill_can_be_made_here_and_is_the_same_twice():
    first, second = sbom.bill(), sbom.bill()
    assert first == second and {part["name"] for part in first["components"]} >= {
        "torch",
        "gradio",
        "numpy",
        "starlette",
    }


def test_another_version_than_the_pinned_one_is_refused():
    with pytest.raises(ValueError, match="numpy .* is installed, not numpy==0.1"):
        sbom.closure([Requirement("numpy==0.1")])
    with pytest.raises(ValueError, match="no-such-package-of-ours is not installed"):
        sbom.closure([Requirement("no-such-package-of-ours==1")])


def answers(lines, holes=(), skipped=()):
    """What pip-audit's JSON says of packages."""
    found = []
    for line in lines:
        name, _, version = line.partition("==")
        hole = {"id": "CVE-1", "fix_versions": ["9"]}
        found.append(
            {"name": name, "skip_reason": "not found"} if name in skipped
            else {"name": name, "version": version, "vulns": [hole] if name in holes else []}
        )  # fmt: skip
    return found


OLD = [line.partition("==")[0] for line in KNOWN]


@pytest.mark.parametrize(
    "service, status, said",
    [
        (lambda lines: answers(lines, OLD), CLEAN, "2 packages have no known vulnerability"),
        (lambda lines: answers(lines, [*OLD, "b"]), FOUND, "b 2: CVE-1, fixed in 9"),
        (lambda lines: answers(lines), NO_AUDIT, "No audit could run"),  # says “nothing known” of everything
        (lambda lines: answers(lines, skipped=[*OLD, "a", "b"]), NO_AUDIT, "No audit could run"),
        (lambda lines: answers(lines, OLD, skipped=["b"]), NO_AUDIT, "Not audited: b"),
        (lambda lines: answers(lines, [*OLD, "a"], skipped=["b"]), FOUND, "Not audited: b"),
        (lambda lines: answers(lines, OLD)[: len(KNOWN) - (lines == OURS)], NO_AUDIT, "Not audited: b==2"),
        (lambda lines: None, NO_AUDIT, "No audit could run"),
        (lambda lines: None if lines == OURS else answers(lines, OLD), NO_AUDIT, "gave no answer"),
    ],
)
def test_an_audit_passes_only_where_one_ran(service, status, said):
    assert audit(OURS, service)[0] == status and said in audit(OURS, service)[1]
