"""In front of Gradio: a request comes in, and only what the page needs goes through, checked; the rest is refused.

Entry points: `Gate`, an ASGI middleware; `table`, which lists the open routes and events; `server`, which serves the
app.
"""
