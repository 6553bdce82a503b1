"""Write the software bill of materials: CycloneDX JSON of the packages of requirements.txt and of what they need.

    python scripts/sbom.py            # writes sbom.cdx.json

The versions of requirements.txt are exact; those of the packages that they need are the ones of this environment, which
must hold the exact versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import mvmlm

FILE, PINS = ROOT / "sbom.cdx.json", ROOT / "requirements.txt"


def pinned(path: Path = PINS) -> list[Requirement]:
    """Return the requirements of a file, each with its exact version."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def needed(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what an installed package needs on this machine, with the extras of it that are asked for."""
    for line in distribution(requirement.name).requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
        ):
            yield wanted


def closure(requirements: list[Requirement]) -> dict[str, set[str]]:
    """Return the names of all packages that are needed, each with the names of those that it needs itself.

    Raises ValueError where one is not installed, or in another version than the pinned one.
    """
    graph: dict[str, set[str]] = {}
    waiting, seen = list(requirements), set[tuple[str, frozenset[str]]]()
    while waiting:
        requirement = waiting.pop()
        name, key = (
            canonicalize_name(requirement.name),
            (canonicalize_name(requirement.name), frozenset(requirement.extras)),
        )
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(requirement.name).version
        except PackageNotFoundError:
            raise ValueError(f"{name} is not installed. Install requirements.txt, then write the list.") from None
        if not requirement.specifier.contains(found, prereleases=True):
            raise ValueError(f"{name} {found} is installed, not {requirement}. Install requirements.txt first.")
        further = list(needed(requirement))
        graph.setdefault(name, set()).update(canonicalize_name(wanted.name) for wanted in further)
        waiting += further
    return graph


def component(name: str) -> Component:
    """Return an installed package as a component."""
    found = distribution(name)
    licence = licence_of(found)
    return Component(
        name=name, version=found.version, type=ComponentType.LIBRARY, bom_ref=f"{name}=={found.version}",
        purl=PackageURL("pypi", name=name, version=found.version),
        licenses=[LicenseExpression(licence)] if licence else None,
    )  # fmt: skip


def licence_of(found: Distribution) -> str:
    """Return the SPDX expression that a package declares; "" where it declares none."""
    return next(iter(found.metadata.get_all("License-Expression") or ()), "")


def bill() -> dict[str, Any]:
    """Return the bill of materials as JSON values: the same for the same packages."""
    pins, graph = pinned(), closure(pinned())
    parts = {name: component(name) for name in sorted(graph)}
    root = Component(name="mvmlm", version=mvmlm.__version__, type=ComponentType.APPLICATION, bom_ref="mvmlm")
    bom = Bom(components=parts.values())
    bom.metadata.component = root
    bom.register_dependency(root, [parts[canonicalize_name(pin.name)] for pin in pins])
    for name, further in graph.items():
        bom.register_dependency(parts[name], [parts[other] for other in sorted(further)])
    written = json.loads(JsonV1Dot6(bom).output_as_string())
    written.pop("serialNumber", None)
    written["metadata"].pop("timestamp", None)
    return written


def main() -> None:
    """Write the file, and say how many packages it names."""
    try:
        made = bill()
    except ValueError as error:
        sys.exit(str(error))
    FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE.name}: {len(made['components'])} packages")


if __name__ == "__main__":
    main()
