"""Analyses of files: what was asked for and how far it is, and the facts that are measured once."""

from datetime import datetime
from enum import StrEnum

import msgspec

from interwork.core.part.shape import Characteristic, Geometry


class MeasuredFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one analyser version found in one file; measured once, whoever asks."""

    id: str
    """Derived from the digest and the analyser."""
    digest: str
    analyser: str
    media_type: str
    geometry: Geometry
    view_digest: str
    characteristics: tuple[Characteristic, ...] = ()
    at: datetime


class StudyState(StrEnum):
    """Where an analysis stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """One analysis of a file that somebody asked for: its progress, and what came of it."""

    id: str
    file_name: str
    digest: str
    state: StudyState
    stage: str = ""
    progress: float = 0.0
    revision: str = ""
    message: str = ""
    remedy: str = ""
    asked_by: str = ""
    created_at: datetime
    updated_at: datetime
