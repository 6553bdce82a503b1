"""Write docs/house.md: every module with the first sentence of its docstring.

    python scripts/house_tree.py

A test compares the page with the code (tests/test_packaging.py).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "house.md"
FOLDERS = ("mvmlm", "app", "scripts")
HEAD = """# The file tree

Every module with the first sentence of its docstring. `python scripts/house_tree.py` writes this page.
Which folder may import which is in [CONTRIBUTING.md](../CONTRIBUTING.md).
"""


def first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, or of the comment at the head of a JavaScript file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    else:
        lines = text.splitlines()
        end = next((number for number, line in enumerate(lines) if not line.startswith("//")), len(lines))
        text = " ".join(line.removeprefix("//").strip() for line in lines[:end])
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`\"])", paragraph)[0].rstrip(".:")


def listed(folder: Path) -> list[Path]:
    """Return the modules of a folder and below it, files before folders, without built and installed files."""
    paths = []
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and path.name not in ("__pycache__", "dist", "node_modules"):
            paths += listed(path)
        elif path.suffix in (".py", ".js") and path.name not in ("__init__.py", "vite.config.js"):
            paths.append(path)
    return [folder / "__init__.py", *paths] if (folder / "__init__.py").exists() else paths


def tree(folder: str) -> list[str]:
    """Return a folder as lines of a nested list."""
    lines = [] if (ROOT / folder / "__init__.py").exists() else [f"- **{folder}/**"]
    for path in listed(ROOT / folder):
        inside = path.relative_to(ROOT)
        is_folder = path.name == "__init__.py"
        depth = len(inside.parts) - (2 if is_folder else 1)
        name = f"**{inside.parent.name}/**" if is_folder else f"`{inside.name}`"
        if path.suffix == ".js" and path.parent.name == "src":
            name = f"`src/{inside.name}`"
            depth -= 1
        lines.append(f"{'  ' * depth}- {name}: {first_sentence(path)}")
    return lines


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [HEAD]
    for folder in FOLDERS:
        parts.append("\n".join(tree(folder)) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
