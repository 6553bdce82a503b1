"""`pacs`: search a PACS for mammograms, fetch an exam with her earlier ones, send results back, and listen."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from getpass import getpass
from typing import TYPE_CHECKING

from ..pacs.access import PASSWORD, TOKEN
from .command import Command, a_path, at_least, print_problems
from .pacs_listen import add_listen_arguments, listen

if TYPE_CHECKING:
    from ..pacs.access import PacsAccess
    from ..pacs.study import Study

MOST_PRIORS = 10


def _add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="action")
    for name, help_, add, run in (
        ("search", "list studies with mammograms", _add_search_arguments, _search),
        ("fetch", "write an exam, and her earlier ones, into a folder", _add_fetch_arguments, _fetch),
        ("push", "send DICOM files, such as results, to the PACS", _add_push_arguments, _push),
        ("listen", "receive exams that modalities send, and store them", add_listen_arguments, listen),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("--debug", action="store_true", default=SUPPRESS, help="print the traceback of an error")
        add(action)
        action.set_defaults(run_action=run)


def _add_access_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("address", metavar="URL", help="the DICOMweb root, such as https://pacs.example/dicom-web")
    parser.add_argument(
        "--user",
        default="",
        metavar="NAME",
        help=f"who logs in; the password is in {PASSWORD}, or you are asked for it",
    )
    parser.add_argument(
        "--ca-file", type=a_path, metavar="FILE", help="PEM file of the authority that signed the PACS's certificate"
    )
    parser.add_argument(
        "--plain-http", action="store_true", help="let the login go unencrypted to another machine over http"
    )


def _add_search_arguments(parser: ArgumentParser) -> None:
    _add_access_arguments(parser)
    parser.add_argument("--patient-id", default="", metavar="ID", help="the patient ID, exact")
    parser.add_argument(
        "--name", default="", metavar="NAME", help="the beginning of the name: family^given; * and ? fit any"
    )
    parser.add_argument("--since", type=_a_day, metavar="DATE", help="the first study date, YYYY-MM-DD")
    parser.add_argument("--until", type=_a_day, metavar="DATE", help="the last study date, YYYY-MM-DD")


def _add_fetch_arguments(parser: ArgumentParser) -> None:
    _add_access_arguments(parser)
    parser.add_argument("study", metavar="UID", help="the StudyInstanceUID, which `mvmlm pacs search` prints")
    parser.add_argument("--out", type=a_path, required=True, metavar="DIR", help="a new or empty folder for the files")
    parser.add_argument(
        "--priors", type=at_least(0, MOST_PRIORS), default=2, metavar="N", help="earlier exams at most (default: 2)"
    )


def _add_push_arguments(parser: ArgumentParser) -> None:
    _add_access_arguments(parser)
    parser.add_argument("path", nargs="+", type=a_path, metavar="FILE", help="DICOM files")


def _search(options: Namespace) -> int:
    from ..pacs.client import PacsClient

    with PacsClient(_access(options)) as client:
        found = client.search(
            patient_id=options.patient_id, name=options.name, since=options.since, until=options.until
        )
    for study in found:
        print(_line(study))
    if not found:
        print_problems("No study with mammograms (MG) fits.")
    return 0 if found else 2


def _line(study: Study) -> str:
    images = "" if study.images is None else f"{study.images} images"
    cells = (study.day, study.identity.patient_id, study.patient_name, images, study.description, study.uid)
    return "\t".join("".join(letter if letter.isprintable() else " " for letter in cell) for cell in cells)


def _fetch(options: Namespace) -> int:
    from ..pacs.client import PacsClient

    with PacsClient(_access(options)) as client:
        fetched = client.fetch(
            client.study(options.study), options.out, priors=options.priors, report=_progress("images fetched")
        )
    priors = ", ".join(prior.day for prior in fetched.priors) or "none"
    print(f"{fetched.files} images of the exam of {fetched.study.day} and her earlier exams ({priors}): {options.out}")
    print_problems(*fetched.notes)
    return 0


def _push(options: Namespace) -> int:
    from ..pacs.client import PacsClient

    with PacsClient(_access(options)) as client:
        stored = client.push(options.path, _progress("files sent"))
    print(f"{stored} files are stored on the PACS")
    return 0


def _access(options: Namespace) -> PacsAccess:
    """The address and login; secrets come from the environment or a prompt, never from arguments, which others see."""
    from ..pacs.access import PacsAccess

    password, token = os.environ.get(PASSWORD, ""), os.environ.get(TOKEN, "")
    checked = PacsAccess(options.address, options.user, ca_file=options.ca_file, plain_http=options.plain_http)
    if options.user and not password:
        if not sys.stdin.isatty():
            raise ValueError(f"No password of {options.user} for {checked.host}. Set {PASSWORD}.")
        password = getpass(f"Password of {options.user} at {checked.host}: ")
    secrets = (password, "") if options.user else ("", token)
    return PacsAccess(options.address, options.user, *secrets, options.ca_file, options.plain_http)


def _progress(done_what: str) -> Callable[[int, int], None]:
    def report(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {of} {done_what}", end="\n" if done == of else "", file=sys.stderr, flush=True)

    return report


def _a_day(text: str) -> date:
    with suppress(ValueError):
        return date.fromisoformat(text)
    raise ArgumentTypeError(f"{text!r}: give a day as YYYY-MM-DD")


PACS = Command(
    "pacs", "search a PACS for mammograms, fetch exams, send results back; receive exams of modalities", _add_arguments,
    lambda options: options.run_action(options),
)  # fmt: skip
