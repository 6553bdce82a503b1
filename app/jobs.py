"""Jobs of a visitor, for all pages: who owns them, and the bar that shows how far one is and stops it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency
from starlette.requests import Request

from mvmlm.store.database import StoreError
from mvmlm.store.records import Job
from mvmlm.store.store import Store
from mvmlm.store.uploads import delete_unneeded_uploads

from .markup import problem, template
from .privacy import account_of, visitor, who_acts
from .wiring import connect

TICK_SECONDS = 1.5  # between two looks at a job that has not ended
MOST_SENTENCES = 5  # of an import's problems and notes
EARLIEST_SHARE, EARLIEST_SECONDS = 0.02, 3  # of a job, before its time left is estimated
TITLES = {
    "import": "Import",
    "encode": "Encoding",
    "finetune": "Teaching",
    "fetch": "Fetching a model",
    "calibrate": "Calibrating",
    "evaluate": "Evaluating",
    "threshold": "Finding a threshold",
    "watch": "Watching for drift",
    "pacs": "Fetching from the PACS",
}
_BAR = template("""\
<div class="job" data-state="{{ job.state }}" data-job="{{ job.id }}"{{ " data-too-few" if too_few }}>
<p><b>{{ title }}, job {{ job.id }}: {{ state }}.</b> {{ job.message }}\
{% if left %}<span class="left">{{ left }}</span>{% endif %}</p>
{% if not job.over %}
<div class="bar" role="progressbar" aria-label="{{ title }}" aria-valuemin="0" aria-valuemax="100" \
aria-valuenow="{{ percent }}"><i style="width:{{ percent }}%"></i></div>
{% endif %}
{% if waits %}<p class="source">{{ waits }}</p>{% endif %}
{% for heading, sentences, more in lists %}
<p>{{ heading }}: {{ sentences|join("; ") }}{% if more %} and {{ more }} more{% endif %}</p>
{% endfor %}
</div>
""")

TOO_FEW = "done, without a result"
GOES_ON = "It goes on when this page is closed."
NO_COOKIE = "Your browser keeps no cookie of this page, so a job would belong to nobody. Allow cookies, then try again."
NEWEST_JOBS = 100  # among which a visitor's newest one is looked for


def owner_of(request: gr.Request | Request | None) -> str:
    """Return what stands in the store for a visitor: a hash, because the cookie itself opens the visitor's exam.

    Who logs in has the same one at every login. None is the program itself. Raises StoreError for a visitor without a
    cookie.
    """
    if request is None:
        return ""
    account = account_of(request)
    own = f"account {account.name}" if account else visitor(request)
    if not own:
        raise StoreError(NO_COOKIE)
    return hashlib.sha256(f"owner of jobs {own}".encode()).hexdigest()[:32]


def job_html(job: Job, ahead: int = 0, now: datetime | None = None) -> str:
    """Return a job as HTML: its state; a bar with what is done and the time that is left while it runs; its result.

    ahead: how many jobs the worker does before it. now: UTC, the present time where None.
    """
    stopping = job.cancel and not job.over
    too_few = (job.result or {}).get("too_few", False)
    lists = []
    for heading, key in (("Not used", "problems"), ("Note", "notes")):
        if sentences := (job.result or {}).get(key, []):
            lists.append((heading, sentences[:MOST_SENTENCES], max(0, len(sentences) - MOST_SENTENCES)))
    waits = f" It waits for {ahead} other job{'s' if ahead > 1 else ''}." if job.state == "queued" and ahead else ""
    return _BAR.render(
        job=job,
        title=TITLES.get(job.kind, job.kind),
        state="stopping" if stopping else TOO_FEW if too_few else job.state,
        too_few=too_few,
        left="" if stopping else time_left(job, now or datetime.now(UTC)),
        percent=round(100 * job.progress),
        waits="" if job.over else GOES_ON + waits,
        lists=lists,
    )


def time_left(job: Job, now: datetime) -> str:
    """Return how long a running job will still take, if it goes on as fast as so far; "" where that is not known."""
    if job.state != "running" or job.started is None or job.progress < EARLIEST_SHARE:
        return ""
    elapsed = (now - datetime.fromisoformat(job.started)).total_seconds()
    if elapsed < EARLIEST_SECONDS:
        return ""
    seconds = elapsed * (1 - job.progress) / job.progress
    if seconds < 10:
        return "a few seconds left"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} s left"
    return f"about {round(seconds / 60)} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"


class JobBar(NamedTuple):
    """A visitor's newest job: what is known of it, the button that stops it, and the timer that looks again."""

    job: gr.HTML
    stop: gr.Button
    timer: gr.Timer


def lay_out_job_bar(name: str, stop: str) -> JobBar:
    """Lay out the bar. name: begins the elem_ids. stop: the words of the button."""
    with gr.Row(elem_classes="job-bar"):
        job = gr.HTML(elem_id=f"{name}-job", min_height=0)
        button = gr.Button(stop, size="sm", visible=False, elem_id=f"{name}-stop", scale=0, min_width=200)
    return JobBar(job, button, gr.Timer(TICK_SECONDS, active=False))


class JobEvents:
    """Handlers of the bar of a page. kinds: of the jobs that it shows."""

    def __init__(self, store: Store, kinds: Sequence[str]):
        self.store, self.kinds = store, tuple(kinds)

    def show(self, request: gr.Request | None = None) -> tuple[Any, gr.Button, gr.Timer]:
        """Return the updates of a `JobBar`: the visitor's newest job, which is looked at again until it has ended."""
        job = self.newest(request)
        if job is None:
            return "", gr.Button(visible=False), gr.Timer(active=False)
        ahead = sum(other.id < job.id for other in self.store.jobs.unfinished())
        return job_html(job, ahead), gr.Button(visible=not job.over and not job.cancel), gr.Timer(active=not job.over)

    def stop(self, request: gr.Request | None = None) -> tuple[Any, gr.Button, gr.Timer]:
        """Ask the visitor's jobs of this page to stop, and return as `show`."""
        try:
            self.store.jobs.cancel_own(owner_of(request), who_acts(request), self.kinds)
            delete_unneeded_uploads(self.store)
        except StoreError as error:
            return problem(error), gr.Button(visible=False), gr.Timer(active=False)
        return self.show(request)

    def newest(self, request: gr.Request | None) -> Job | None:
        """Return the visitor's job that runs or waits first, else the newest; None for a visitor without a cookie."""
        try:
            owner = owner_of(request)
        except StoreError:
            return None
        recent = [job for job in self.store.jobs.recent(NEWEST_JOBS) if job.owner == owner and job.kind in self.kinds]
        unfinished = [job for job in recent if not job.over]
        return min(unfinished, key=lambda job: job.id) if unfinished else next(iter(recent), None)

    def connect(self, bar: JobBar) -> Dependency:
        """Wire the bar; return the event of the timer, after which a page may look at more."""
        connect(bar.stop.click, self.stop, None, list(bar))
        return connect(bar.timer.tick, self.show, None, list(bar))
