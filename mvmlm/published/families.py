"""The families of published models by name."""

from __future__ import annotations

from . import mammo_clip, mammo_fm, mammoscreen, mirai
from .family import Family

FAMILIES: dict[str, Family] = {
    family.name: family for family in (mammo_clip.FAMILY, mammo_fm.FAMILY, mammoscreen.FAMILY, mirai.FAMILY)
}
