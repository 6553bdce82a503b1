"""What the pages need to know of how the app is hosted."""

from __future__ import annotations

from dataclasses import dataclass

from mvmlm.pacs.access import PacsAccess

from .snapshots import Snapshots
from .workspaces import Workspaces


@dataclass(frozen=True)
class Hosting:
    """How the app is hosted; as given here, for one user on this machine.

    lasting False: what is stored is lost at the next restart, and the page says so. snapshots: make it last.
    workspaces: each visitor has a store of their own instead of the app's. pacs: the one that exams are fetched from;
    never with `workspaces`, whose visitors may be anybody. tools: the API is offered as MCP tools too.
    """

    lasting: bool = True
    snapshots: Snapshots | None = None
    workspaces: Workspaces | None = None
    pacs: PacsAccess | None = None
    tools: bool = False

    def __post_init__(self) -> None:
        if self.workspaces and self.pacs:
            raise ValueError("A public Space asks no PACS.")

    @property
    def public(self) -> bool:
        """Whether anybody may be a visitor."""
        return self.workspaces is not None
