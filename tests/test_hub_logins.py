"""Logging in with Hugging Face on a public Space, against a local provider."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from app.gate.hub_logins import ATTEMPT_SECONDS, NO_ANSWER, NOT_BEGUN, REFUSED, Incomplete, provider_of
from app.gate.logins import LOGIN_COOKIE
from app.gate.refusal import Refused
from app.gate.roles import _OF_THE_HOST, HOST_ONLY, LEAST_ROLE, LOG_IN_FIRST, NOT_IN_PUBLIC, check_public
from app.hosting import Hosting
from app.mode import Mode, NotReady, check_mode
from app.privacy import COOKIE
from app.workspaces import Workspaces
from mvmlm.store.accounts import Account, Role
from tests.stub_provider import environment_of, local_provider
from tests.visitors import BASE, event, join, running_app

ANN = {"sub": "1001", "preferred_username": "ann"}


@pytest.fixture(scope="module")
def provider():
    with local_provider(ANN) as server:
        yield server


@pytest.fixture(scope="module")
def space(tmp_path_factory, decoder, provider):
    """The app as `launch` serves it in the mode `space`, and its workspaces."""
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer
    from mvmlm.store.store import Store

    home, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    workspaces = Workspaces(home)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(provider).items():
            patch.setenv(name, value)
        demo = build(lambda: None, decoder, pixels, home, "demo", Hosting(workspaces=workspaces))
        yield guarded(demo, pixels, home, mode=Mode.SPACE, workspaces=workspaces), demo, workspaces
    workspaces.close()
    home.close()


@pytest.fixture(scope="module")
def running(space):
    with running_app(*space[:2]) as client:
        yield client


@pytest.fixture
def browser(space, running):
    """A function that returns the client of a new browser with the page open."""

    def opened():
        client = TestClient(space[0], base_url=BASE, follow_redirects=False)
        client.portal = running.portal
        assert client.get("/").status_code == 200 and client.cookies.get(COOKIE)
        return client

    return opened


def go_to_provider(client):
    """What the provider answers to who is led there: the way back."""
    answer = client.get("/login?exam=exam-00007")
    assert answer.status_code == 303, answer.text
    return httpx2.get(answer.headers["location"]).headers["location"]


def log_in(client):
    answer = client.get(go_to_provider(client))
    assert answer.status_code == 303, answer.text
    return answer


def known_to(client):
    page = client.get("/").text
    found = re.search(r"window\.account = (.*?); window\.loginOffered = (\w+);", page)
    return json.loads(found[1]), json.loads(found[2])


def test_who_logs_in_is_known_by_name_and_gets_back_to_the_exam(browser):
    ann = browser()
    assert known_to(ann) == (None, True)
    before = ann.cookies[COOKIE]
    answer = log_in(ann)
    assert answer.headers["location"] == "/?exam=exam-00007" and ann.cookies[COOKIE] != before
    assert known_to(ann) == ({"name": "ann", "role": "admin", "title": "own workspace"}, False)
    assert ann.post("/logout").headers["location"] == "/"
    assert known_to(ann) == (None, True)


def test_only_who_logs_in_teaches_and_nobody_fetches_models(space, browser):
    ann = browser()
    refused = join(ann, event(space, "FinetuneEvents.start"))
    assert refused.status_code == 403 and refused.json()["detail"] == LOG_IN_FIRST
    assert join(ann, event(space, "FormEvents.sign")).status_code == 200
    log_in(ann)
    assert join(ann, event(space, "FinetuneEvents.start")).status_code == 200
    refused = join(ann, event(space, "PublishedModels.fetch"))
    assert refused.status_code == 403 and refused.json()["detail"] == HOST_ONLY


def test_the_accounts_name_is_that_of_who_acts(space, browser, monkeypatch):
    sent = []

    async def taken(scope, receive, send):
        sent.append(json.loads((await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    ann = browser()
    log_in(ann)
    monkeypatch.setattr(space[0], "app", taken)
    body = event(space, "FormEvents.start")
    names = [number for number, page_event in space[0]._events.items() if number == body["fn_index"]]
    where = space[0]._events[names[0]].names
    assert where
    join(ann, body | {"data": ["Bea"] * len(body["data"])})
    assert {sent[0]["data"][number] for number in where} == {"ann"}


def test_a_person_has_the_same_workspace_in_every_browser(space, browser, provider, monkeypatch):
    home = space[2].home
    log_in(browser())
    log_in(browser())
    monkeypatch.setattr(provider, "person", {"sub": "1001", "preferred_username": "ann-renamed"})
    renamed = browser()
    log_in(renamed)
    assert known_to(renamed)[0]["name"] == "ann-renamed"
    of_account = "SELECT value FROM settings WHERE name LIKE 'workspace of account%'"
    for client in (renamed, browser()):
        client.get("/export/readings.csv")
    assert len(home.file.all(of_account)) == 1
    monkeypatch.setattr(provider, "person", {"sub": "1002", "preferred_username": "ann"})
    other = browser()
    log_in(other)
    other.get("/export/readings.csv")
    assert len(home.file.all(of_account)) == 2, "the name is no proof"


def test_a_way_back_works_once_in_the_browser_that_left_and_not_for_ever(space, browser, monkeypatch):
    ann, thief = browser(), browser()
    back = go_to_provider(ann)
    stolen = thief.get(back)
    assert (stolen.status_code, stolen.text) == (403, NOT_BEGUN) and LOGIN_COOKIE not in thief.cookies
    thief.get("/login")
    assert thief.get(back).text == NOT_BEGUN, "with an attempt of its own, too"
    assert ann.get(back).status_code == 303
    assert ann.get(back).text == NOT_BEGUN, "once"
    late = browser()
    back = go_to_provider(late)
    clock = space[0]._logins._clock
    monkeypatch.setattr(space[0]._logins, "_clock", lambda: clock() + ATTEMPT_SECONDS + 1)
    assert late.get(back).text == NOT_BEGUN
    for odd in ("/login/callback", "/login/callback?state=", "/login/callback?state=x&code=y"):
        assert browser().get(odd).text == NOT_BEGUN


def test_nobody_crowds_out_the_login_of_another_and_no_state_is_made_elsewhere(space, browser):
    ann = browser()
    back = go_to_provider(ann)
    attempts = space[0]._logins._attempts
    for _ in range(20_000):
        attempts.begin("")
    state = parse_qs(urlsplit(back).query)["state"][0]
    for forged in (state[:-1], "." + state, state.replace("exam-00007", "exam-00008"), "..", "a.1.b.c", "é.1..x"):
        assert attempts.end(forged) is None
    assert ann.get(back).headers["location"] == "/?exam=exam-00007"
    assert attempts.end(state) is None, "once, whatever cookie a browser sends"


def test_a_refusal_a_wrong_code_and_a_provider_that_fails_log_nobody_in(browser, provider, monkeypatch):
    monkeypatch.setattr(provider, "denies", True)
    ann = browser()
    assert ann.get(go_to_provider(ann)).text == REFUSED
    monkeypatch.setattr(provider, "denies", False)
    back = go_to_provider(ann)
    assert ann.get(back.replace("code=", "code=x")).text == REFUSED
    back = go_to_provider(ann)
    monkeypatch.setattr(provider, "broken", True)
    assert ann.get("/login").text == NO_ANSWER and ann.get(back).text == NO_ANSWER
    monkeypatch.setattr(provider, "broken", False)
    for person in ({}, {"sub": "", "preferred_username": "x"}, {"sub": 5, "preferred_username": "x"}, {"sub": "1"},
                   {"sub": "1", "preferred_username": ""}, []):  # fmt: skip
        monkeypatch.setattr(provider, "person", person)
        assert ann.get(go_to_provider(ann)).text == NO_ANSWER, person
    monkeypatch.setattr(provider, "host_of", {"token_endpoint": "http://evil.example"})
    assert ann.get("/login").text == NO_ANSWER, "the secret goes to no other host"
    assert known_to(ann) == (None, True)


def test_the_way_back_of_a_served_space_is_its_https_address(browser, monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "127.0.0.1")
    answer = browser().get("/login", headers={"x-forwarded-proto": "https"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["redirect_uri"] == [f"{BASE.replace('http', 'https')}/login/callback"]
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("handler, least", LEAST_ROLE.items())
def test_what_a_visitor_of_a_public_space_may(handler, least):
    ann = Account("ann", Role.ADMIN, "", False, "1001")
    if handler in _OF_THE_HOST:
        for account in (None, ann):
            with pytest.raises(Refused, match=HOST_ONLY):
                check_public(handler, account, True)
        return
    check_public(handler, ann, True)
    if Role.READER.may(least):
        check_public(handler, None, False)
        return
    for can_log_in, sentence in ((True, LOG_IN_FIRST), (False, NOT_IN_PUBLIC)):
        with pytest.raises(Refused, match=re.escape(sentence)):
            check_public(handler, None, can_log_in)


def test_what_is_in_no_role_no_visitor_may():
    with pytest.raises(Refused):
        check_public("a handler that nobody listed", Account("ann", Role.ADMIN, "", False, "1"), True)


def test_a_provider_that_is_given_in_part_keeps_the_app_from_starting(store):
    assert provider_of({"OPENID_PROVIDER_URL": "https://hub.example"}) is None, "every Space has it"
    with pytest.raises(Incomplete, match="OAUTH_CLIENT_SECRET"):
        provider_of({"OPENID_PROVIDER_URL": "https://hub.example", "OAUTH_CLIENT_ID": "x"})
    with pytest.raises(NotReady, match="OPENID_PROVIDER_URL"):
        check_mode(Mode.SPACE, "0.0.0.0", store.accounts, {"OAUTH_CLIENT_ID": "x", "OAUTH_CLIENT_SECRET": "y"})
