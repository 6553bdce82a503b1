"""States of the page that browser tests wait for. Nothing here waits for a time."""

ROOM = "document.querySelector('.reading-room').room"

_DRAWN = f"""() => {ROOM}.drawn().then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"""


_REVEAL = """(node) => {
    const page = node.closest('.panel-page');
    if (page && !page.getClientRects().length) document.querySelector(`[role=tab][data-page=${page.id.slice(5)}]`)?.click();
    if (node.closest('#start') && document.body.matches('.exam-open:not(.opening)')) {
        document.querySelector('.tools button').click();
    }
}"""


def reveal(page, selector):
    """Open the tab of the panel, or the start page, in which an element lies, as a user would before using it."""
    page.locator(selector).first.evaluate(_REVEAL)


def wait_until_drawn(page):
    """Wait until every visible viewport has drawn its present state and the browser has shown it."""
    page.evaluate(_DRAWN)


def wait_for_full_quality(page, views=4):
    """Wait until at least so many viewports show full-quality pixels."""
    page.wait_for_function(
        "views => document.querySelectorAll('.viewport .state[data-state=full]').length >= views", arg=views
    )


def wait_until_answered(page):
    """Wait until the model has read the exam; its answers are shown or hidden."""
    page.wait_for_selector("#quality .quality", state="attached")
    page.wait_for_function(
        "document.querySelector('#answers').textContent.includes('hidden') || document.querySelector('.answers')"
    )


def wait_until_opened(page, action):
    """Do `action`, which opens an exam, and wait until the viewer shows it in full quality."""
    before = page.evaluate(f"{ROOM} ? {ROOM}.exam : ''")
    action()
    page.wait_for_function(f"before => {ROOM} && {ROOM}.exam && {ROOM}.exam !== before", arg=before)
    wait_for_full_quality(page)
    wait_until_drawn(page)


def wait_until_done(page, action):
    """Do `action`, which raises an event, and wait until the server has answered it and all before it."""
    raised = []

    def note(response):
        sent = response.request.post_data or ""
        if "/queue/join" in response.url and '"data":[]' not in sent:  # that is the page, which says that it is there
            raised.append(response)

    page.on("response", note)
    with page.expect_event("requestfinished", lambda request: bool(raised) and "/queue/data" in request.url):
        action()
    page.remove_listener("response", note)


def wait_until_saved(page):
    """Wait until the server has all that the reader did: the page can be left without a question."""
    page.wait_for_function("!window.holdsUnsaved()")


def wait_until_signable(page):
    """Wait until every standard view was drawn for two seconds: before, no press signs."""
    page.wait_for_function(f"{ROOM}.drawnAt && performance.now() - {ROOM}.drawnAt > 2000")


def sign(page):
    """Sign the open read and stay with its exam."""
    wait_until_signable(page)
    page.click("#sign")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('signed')")


def open_again(page):
    """Load the page again, and wait until it shows the exam that its address names, as it is stored."""
    page.wait_for_function(f"!{ROOM}.marks.timer")  # what was drawn last is sent
    wait_until_saved(page)
    page.reload()
    page.wait_for_function(f"() => document.querySelector('.reading-room') && {ROOM} && {ROOM}.exam")
    wait_for_full_quality(page)
    wait_until_drawn(page)
