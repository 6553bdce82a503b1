"""Jobs of a visitor, for all pages: who owns them, how they are stopped, and what is said about them."""

from __future__ import annotations

import hashlib

import gradio as gr

from mvmlm.store.database import StoreError
from mvmlm.store.records import Job
from mvmlm.store.store import Store
from mvmlm.store.uploads import delete_unneeded_uploads

from .privacy import visitor

GOES_ON = "It goes on when this page is closed; the Fine-tune page lists all jobs."
NO_COOKIE = "Your browser keeps no cookie of this page, so a job would belong to nobody. Allow cookies, then try again."
NEWEST_JOBS = 100  # among which a visitor's newest one is looked for


def owner_of(request: gr.Request | None) -> str:
    """Return what stands in the store for a visitor: a hash, because the cookie itself opens the visitor's exam.

    None is the program itself. Raises StoreError for a visitor without a cookie.
    """
    if request is None:
        return ""
    cookie = visitor(request)
    if not cookie:
        raise StoreError(NO_COOKIE)
    return hashlib.sha256(f"owner of jobs {cookie}".encode()).hexdigest()[:32]


def queued_message(store: Store, number: int, name: str = "Job") -> str:
    """Return what a visitor is told about a job that was queued, or that they had queued before. name: begins it."""
    state = store.jobs.get(number).state
    return f"{name} {number} {'runs already' if state == 'running' else 'waits for the worker'}. {GOES_ON}"


def stop_own_jobs(store: Store, who: str, request: gr.Request | None) -> str:
    """Ask the visitor's own jobs to stop, delete the uploads of those that had not begun, and return a message.

    Raises StoreError for a visitor without a cookie.
    """
    count = store.jobs.cancel_own(owner_of(request), who)
    delete_unneeded_uploads(store)
    if not count:
        return "You have no job that could be stopped."
    return f"Asked {count} job{'s' if count > 1 else ''} to stop."


def newest_own_job(store: Store, kinds: tuple[str, ...], request: gr.Request | None) -> Job | None:
    """Return the visitor's newest job of these kinds; None for a visitor without a cookie."""
    try:
        owner = owner_of(request)
    except StoreError:
        return None
    return next((job for job in store.jobs.recent(NEWEST_JOBS) if job.owner == owner and job.kind in kinds), None)
