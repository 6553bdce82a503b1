"""States of the page that browser tests wait for. Nothing here waits for a time."""

ROOM = "document.querySelector('.reading-room').room"

_DRAWN = f"""() => Promise.all({ROOM}.ports.filter((port) => port.viewport && !port.element.hidden && port.loaded).map((port) =>
    new Promise((done) => {{
        port.canvas.addEventListener('CORNERSTONE_IMAGE_RENDERED', done, {{ once: true }});
        port.viewport.render();
    }}))).then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"""


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
    page.wait_for_selector("#quality .quality")
    page.wait_for_function(
        "document.querySelector('#answers').innerText.includes('hidden') || document.querySelector('.answers')"
    )


def wait_until_opened(page, action):
    """Do `action`, which opens an exam, and wait until the viewer shows it in full quality."""
    before = page.evaluate(f"{ROOM} ? {ROOM}.exam : ''")
    action()
    page.wait_for_function(f"before => {ROOM} && {ROOM}.exam && {ROOM}.exam !== before", arg=before)
    wait_for_full_quality(page)
    wait_until_drawn(page)
