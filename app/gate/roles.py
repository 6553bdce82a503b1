"""Which role may raise which event of the pages, and whose name an event carries, where people log in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvmlm.store.accounts import Account, Role

from .refusal import Refused

#: the fields that hold the name of the person who acts: the server writes the account's name into them
NAME_FIELDS = frozenset({
    "reader", "reader-here", "session-reader", "own-reader", "teacher", "list-who", "labels-reader",
})  # fmt: skip
NOT_IN_PUBLIC = (
    "On this public Space nobody imports, teaches, evaluates or chooses what answers, because nobody can log in. Start "
    "the app on your own machine for that."
)
LOG_IN_FIRST = (
    "Log in with Hugging Face, at the top of the page, to import, teach, evaluate or choose what answers. It is done "
    "in a workspace that only you can see."
)
HOST_ONLY = "On a public Space only its owner does this. Start the app on your own machine for that."
_NAME_IN_EVENT = "reader"  # of the event `visited`, which JavaScript raises

_SEES = (
    "AheadEvents.open_next", "ActivePredictor.start", "ClinicalEvents.gail", "DisplayEvents.check", "DurableLine.show",
    "EvaluateEvents.list_models", "EvaluateEvents.list_reports", "EvaluateEvents.newest_report",
    "EvaluateEvents.show_fields", "EvaluateEvents.show_report", "ExamEvents.answer", "ExamEvents.choose",
    "ExamEvents.go", "ExamEvents.list_left_open", "ExamEvents.open_demo", "ExamEvents.open_folder",
    "ExamEvents.open_stored", "ExamEvents.show_again", "ExamEvents.stop", "ExamEvents.upload",
    "FinetuneEvents.count_cases", "FinetuneEvents.list_tasks", "FinetuneEvents.refresh", "FinetuneEvents.show_head",
    "FormEvents.choose_finding", "JobEvents.show", "JobEvents.stop",
    "MapEvents.all_maps", "MapEvents.compute_slow_map", "MapEvents.draw_maps", "ModelEvents.answers",
    "ModelEvents.change_prevalence", "ModelEvents.fill_prompts", "ModelEvents.find_similar", "ModelEvents.model_draft",
    "ModelEvents.not_answered", "ModelEvents.prompt_set_choices", "ModelEvents.score_prompts",
    "ModelEvents.show_answers", "OtherModelEvents.ask", "OtherModelEvents.choices", "OtherModelEvents.compute",
    "OtherModelEvents.show", "OthersMarksEvents.show", "PacsEvents.offer_reading",
    "PublishedModels.table", "PublishedModels.terms",
    "VersionEvents.show", "Visits.stay", "WatchEvents.draw", "WatchEvents.show", "WorklistEvents.compare_readers",
    "WorklistEvents.first_page", "WorklistEvents.list_after_job", "WorklistEvents.list_lists",
    "WorklistEvents.list_page", "WorklistEvents.list_readers", "WorklistEvents.next_page",
    "WorklistEvents.previous_page",
    "_turn_to_reading", "about_page.<locals>.<lambda>",
    "add_label_next.<locals>.<lambda>", "removed", "show_own_reading",
)  # fmt: skip
_READS = (
    "ExamEvents.set_view", "FormEvents.arbitrate", "FormEvents.change", "FormEvents.describes.<locals>.describe",
    "FormEvents.edit_at_mark", "FormEvents.gives_opinion.<locals>.give_opinion", "FormEvents.place_nipple",
    "FormEvents.preview_report", "FormEvents.redo", "FormEvents.save_marks",
    "FormEvents.saves_answer.<locals>.save_answer", "FormEvents.saves_own_answer.<locals>.save_own_answer",
    "FormEvents.select_finding", "FormEvents.show_both", "FormEvents.sign", "FormEvents.start",
    "FormEvents.take_report", "FormEvents.takes_read.<locals>.take_read", "FormEvents.undo", "FormEvents.use_location",
    "ListEvents.change_recorded", "ListEvents.end_session", "ListEvents.next_exam", "ListEvents.open_item",
    "ListEvents.previous_exam", "ListEvents.set_aside", "ListEvents.show_end", "ListEvents.sign_and_next",
    "ListEvents.skip", "ListEvents.start_session", "ListEvents.want_priors", "ModelEvents.save_prompts",
    "SessionStart.go_on", "SessionStart.lists", "SessionStart.put_back", "SessionStart.show_left_out",
    "SessionStart.start", "WorklistEvents.make_list", "WorklistEvents.delete_list", "WorklistEvents.suggest",
    "make_own_reads_final",
)  # fmt: skip
_TRAINS = (
    "CalibrationEvents.start", "EvaluateEvents.start", "EvaluateEvents.start_table", "FinetuneEvents.activate",
    "FinetuneEvents.declare", "FinetuneEvents.delete", "FinetuneEvents.import_head", "FinetuneEvents.roll_back",
    "FinetuneEvents.start", "PacsEvents.fetch", "PacsEvents.read", "PacsEvents.search", "PublishedModels.fetch",
    "ThresholdEvents.start", "VersionEvents.apply", "VersionEvents.apply_none", "WatchEvents.start",
    "WorklistEvents.encode_all", "WorklistEvents.import_exams",
)  # fmt: skip
_ADMINISTERS = ("WorklistEvents.import_labels",)  # reads of other readers

_OF_THE_HOST = frozenset({"PublishedModels.fetch"})  # on a public Space: what it fetches is there for everybody

#: the handler of an event -> the least role that may raise it; what is not listed nobody may
LEAST_ROLE: Mapping[str, Role] = {
    handler: role
    for role, handlers in (
        (Role.VIEWER, _SEES),
        (Role.READER, _READS),
        (Role.TRAINER, _TRAINS),
        (Role.ADMIN, _ADMINISTERS),
    )
    for handler in handlers
}


def check_public(handler: str, account: Account | None, can_log_in: bool) -> None:
    """Raise Refused for an event that a visitor of a public Space may not raise.

    account: None for who is not logged in. can_log_in: whether that is possible. Without a login a visitor may do what
    a reader may, in a workspace of their own.
    """
    least = LEAST_ROLE.get(handler)
    if least is None or handler in _OF_THE_HOST:
        raise Refused(403, HOST_ONLY)
    if account is None and not Role.READER.may(least):
        raise Refused(403, LOG_IN_FIRST if can_log_in else NOT_IN_PUBLIC)


def check_role(account: Account, least: Role | None) -> None:
    """Raise Refused where an account may not do what needs the role `least`. None: nobody may."""
    if least is None or not account.role.may(least):
        needed = f"needs the role {least}" if least else "is not open here"
        raise Refused(403, f"This {needed}, and {account.name} is a {account.role}. An admin can change that.")


def acted_by(account: Account, event: dict[str, Any], names: tuple[int, ...]) -> dict[str, Any]:
    """Return the body of an event with the account's name as that of who acts. names: the inputs that hold it."""
    data = [account.name if number in names else value for number, value in enumerate(event["data"])]
    about = event.get("event_data")
    if isinstance(about, dict):  # also where the page left it out: an address without a reader is the only reader's
        about = {**about, _NAME_IN_EVENT: account.name}
    return {**event, "data": data, "event_data": about}
