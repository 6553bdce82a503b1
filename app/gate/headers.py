"""Headers that every answer carries: what the browser may load, run and guess, and who may frame the page."""

from __future__ import annotations

import os

SPACE_PAGE = "https://huggingface.co"  # shows a Space in a frame

_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio and Plotly need both
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
#: of Gradio's own middleware; no other origin may read an answer
DROPPED = b"access-control-"


def security_headers() -> list[tuple[bytes, bytes]]:
    """Return the headers. On a Space (SPACE_HOST is set) its page may show the app in a frame."""
    frames = f"'self' {SPACE_PAGE}" if os.environ.get("SPACE_HOST") else "'self'"
    policy = "; ".join(f"{name} {sources}" for name, sources in (_POLICY | {"frame-ancestors": frames}).items())
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
