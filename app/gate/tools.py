"""What a program sends to the MCP tools: bounded before, and passed on only as far as the tools need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .calls import check_texts
from .refusal import Refused

#: what clients ask for when they connect, and the call of a tool; the lists of prompts and resources are empty
_METHODS = (
    "initialize", "notifications/initialized", "notifications/cancelled", "ping", "tools/list", "tools/call",
    "prompts/list", "resources/list", "resources/templates/list",
)  # fmt: skip
NOT_OPEN = f"The tools answer {', '.join(_METHODS)}, and nothing else."
NOT_UNDERSTOOD = "This is no request of MCP. Send one JSON-RPC 2.0 object."


def checked_message(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON-RPC message that Gradio gets. Raises Refused for a method that the tools do not need."""
    check_texts(sent)
    method, params, number = sent.get("method"), sent.get("params", {}), sent.get("id")
    if sent.get("jsonrpc") != "2.0" or not isinstance(params, dict) or type(number) not in (int, str, type(None)):
        raise Refused(400, NOT_UNDERSTOOD)
    if method not in _METHODS:
        raise Refused(403, NOT_OPEN)
    if method == "tools/call":  # without the token that asks for progress
        name, arguments = params.get("name"), params.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise Refused(400, NOT_UNDERSTOOD)
        params = {"name": name, "arguments": arguments}
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if number is None else message | {"id": number}
