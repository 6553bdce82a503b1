"""CanRisk is asked only when the user says so, gets no names, and whatever it answers becomes a number or a sentence."""

import json
import logging
import math
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from mvmlm.__main__ import main
from mvmlm.site import canrisk
from mvmlm.site.canrisk import CanRiskError, ask, service_address
from mvmlm.site.canrisk_pedigree import PedigreeError, read_pedigree
from tests.stub_server import StubServer

COLUMNS = "FamID Name Target IndivID FathID MothID Sex MZtwin Dead Age Yob BC1 BC2 OC PRO PAN Ashkn BRCA1 ER:PR"
NOBODY = "0 0 0 0 0 0 0:0 0:0"
PEDIGREE = f"""##CanRisk 2.0
##menarche=12
##BIRADS=b
##a remark on Jane Roe without a value
{"##" + COLUMNS.replace(" ", chr(9))}
ROE77 Jane_Roe 1 JANE JIM ANNA F 0 0 52 1974 {NOBODY}
ROE77 Jim_Roe 0 JIM 0 0 M 0 1 71 1940 {NOBODY}

ROE77 Anna_Roe 0 ANNA 0 0 F 0 0 80 1945 45 {NOBODY[2:]}
"""
SECRET = ("Roe", "ROE77", "JANE", "Jane", "ANNA")
RIGHT = {
    "version": "BOADICEA v7",
    "warnings": ["year of birth of L7 is missing"],
    "pedigree_result": [
        {
            "family_id": "FAM",
            "proband_id": "L6",
            "cancer_risks": [
                {"age": age, "breast cancer risk": {"decimal": risk, "percent": 100 * risk}}
                for age, risk in ((53, 0.004), (57, 0.021), (62, 0.05), (80, 0.13))
            ],
        }
    ],
}
OPTIONS = ("--cancer-rates", "UK", "--mut-freq", "UK")


class Service:
    """status, content: the answer. asked: (path, headers, body) of each request. slow_s: before an answer."""

    def __init__(self):
        self.status, self.content, self.asked, self.headers, self.slow_s, self.address = 200, RIGHT, [], {}, 0.0, ""


@pytest.fixture
def service():
    with stub_service() as stub:
        yield stub


@contextmanager
def stub_service():
    stub = Service()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Say nothing."""

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.asked.append((self.path, dict(self.headers), json.loads(body)))
            time.sleep(stub.slow_s)
            content = stub.content if isinstance(stub.content, bytes) else json.dumps(stub.content).encode()
            self.send_response(stub.status)
            for name, value in stub.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = StubServer(Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    stub.address = f"http://127.0.0.1:{server.server_port}"
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture
def command(service, tmp_path, monkeypatch, capsys):
    """Run `clinical-risk --canrisk` on the pedigree; its status, output and errors."""
    path = tmp_path / "family.txt"
    path.write_text(PEDIGREE, encoding="utf-8")
    monkeypatch.setenv("MVMLM_CANRISK_TOKEN", "right-token")
    monkeypatch.setenv("MVMLM_CANRISK_ADDRESS", service.address)

    def run(*options):
        status = main(["clinical-risk", "--canrisk", str(path), *options])
        return status, *capsys.readouterr()

    return run


def asked(service, **changed):
    return ask(read_pedigree(PEDIGREE), "right-token", "UK", "UK", service.address, **changed)


def test_the_right_answer_is_the_risk_of_five_years_from_her_age(service):
    answer = asked(service)
    assert answer.risk == 0.021 and answer.by_age == {53: 0.004, 57: 0.021, 62: 0.05, 80: 0.13}
    assert answer.version == "BOADICEA v7" and answer.told == ("year of birth of L7 is missing",)
    ((path, headers, body),) = service.asked
    assert path == "/boadicea/" and headers["Authorization"] == "Token right-token"
    assert {key: body[key] for key in ("mut_freq", "cancer_rates")} == {"mut_freq": "UK", "cancer_rates": "UK"}
    assert set(body) == {"mut_freq", "cancer_rates", "user_id", "pedigree_data"} and 4 <= len(body["user_id"]) <= 40


def test_names_and_ids_stay_here_and_the_family_keeps_its_shape(service):
    asked(service)
    sent = service.asked[0][2]["pedigree_data"]
    assert not any(secret in sent for secret in SECRET)
    rows = [line.split("\t") for line in sent.splitlines() if not line.startswith("##")]
    assert [row[:6] for row in rows] == [
        ["FAM", "L6", "1", "L6", "L7", "L9"],
        ["FAM", "L7", "0", "L7", "0", "0"],
        ["FAM", "L9", "0", "L9", "0", "0"],
    ]
    assert sent.splitlines()[:3] == ["##CanRisk 2.0", "##menarche=12", "##BIRADS=b"]
    assert rows[2][9:13] == ["80", "1945", "45", "0"]
    assert read_pedigree(sent).text == sent.replace("L6", "L5").replace("L7", "L6").replace("L9", "L7")


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("##CanRisk 2.0", "BOADICEA import pedigree file format 4.0", "Line 1 is not “##CanRisk”"),
        ("##menarche=12", "##name=Jane Roe", "Line 2 is no risk factor"),
        ("##menarche=12", "##menarche=12\n##menarche=13", "given more than once"),
        ("##menarche=12", "##volpara=7", "Breast density is given in more than one way"),
        ("52 1974", "52", "Line 6 has 18 fields; the columns are 19"),
        ("ROE77 Jim", "ROE78 Jim", "more than one family"),
        ("Anna_Roe 0", "Anna_Roe 1", "2 persons have Target 1"),
        ("F 0 0 52", "F 0 1 52", "Line 6: the target is not a living woman"),
        ("F 0 0 52", "F 0 0 0", "Line 6: the target is not a living woman"),
        ("JANE JIM", "JANE JACK", "Line 6, column FathID: this person is not in the file"),
        ("Jim_Roe 0 JIM", "Jim_Roe 0 ANNA", "same ID"),
        ("71 1940", "71 1940?!", "Line 7, column Yob"),
    ],
)
def test_a_pedigree_that_is_not_understood_is_not_sent(old, new, problem):
    assert old in PEDIGREE
    with pytest.raises(PedigreeError, match=problem) as error:
        read_pedigree(PEDIGREE.replace(old, new))
    assert not any(secret in str(error.value) for secret in SECRET)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_told_and_not_repeated(service, status):
    service.status, service.content = status, {"detail": "Invalid token."}
    with pytest.raises(CanRiskError, match=rf"refuses the token \({status}\)") as error:
        asked(service)
    assert "right-token" not in str(error.value)


def test_a_refused_pedigree_comes_with_the_message_of_the_service_and_nothing_is_logged(service, caplog, capfd):
    service.status, service.content = 400, {"Pedigree Error": "L7 has an unexpected\nyear of birth"}
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CanRiskError, match="Pedigree Error: L7 has an unexpected year of birth .L12 is the person"):
        asked(service)
    service.content = b"<html>bad</html>"
    with pytest.raises(CanRiskError, match="it gives no reason"):
        asked(service)
    logged = caplog.text + "".join(capfd.readouterr())
    assert not any(part in logged for part in (*SECRET, "L6", "1974", "right-token"))


@pytest.mark.parametrize("status, problem", [(429, "too often"), (500, "error of its own"), (504, "error of its own")])
def test_other_refusals_get_a_sentence(service, status, problem):
    service.status, service.content = status, b"oops"
    with pytest.raises(CanRiskError, match=problem):
        asked(service)


def test_another_address_gets_neither_pedigree_nor_token(service):
    with stub_service() as other:
        for status in (301, 307, 308):
            service.status, service.headers = status, {"Location": f"{other.address}/boadicea/"}
            with pytest.raises(CanRiskError, match="not followed"):
                asked(service)
        assert other.asked == []


def test_without_a_network_the_answer_comes_within_five_seconds(monkeypatch):
    with pytest.raises(CanRiskError, match="cannot be reached"):
        ask(read_pedigree(PEDIGREE), "token", "UK", "UK", "http://127.0.0.1:9")
    begun, given_up, ended = threading.Event(), threading.Event(), []

    def look_up(*args, **options):
        begun.set()
        ended.append(given_up.wait(60))

    monkeypatch.setattr(canrisk, "REACHED_S", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", look_up)
    with pytest.raises(CanRiskError, match="cannot be reached"):
        ask(read_pedigree(PEDIGREE), "token", "UK", "UK", "https://canrisk.invalid")
    assert begun.wait(10) and not ended, "the name is still looked up"
    given_up.set()


def test_what_was_given_up_is_not_sent_later(service, monkeypatch):
    connecting, given_up = threading.Event(), threading.Event()
    note = canrisk._Attempt.note

    def late(attempt, connection):
        connecting.set()
        given_up.wait(10)
        note(attempt, connection)

    monkeypatch.setattr(canrisk, "REACHED_S", 0.3)
    monkeypatch.setattr(canrisk._Attempt, "note", late)
    with pytest.raises(CanRiskError, match="cannot be reached"):
        asked(service)
    assert connecting.wait(10)
    given_up.set()
    for thread in threading.enumerate():
        if thread.name == "canrisk":
            thread.join(10)
    assert service.asked == []


def test_a_service_that_does_not_answer_is_not_called_unreachable(service, monkeypatch):
    monkeypatch.setattr(canrisk, "ANSWERED_S", 0.2)
    monkeypatch.setattr(canrisk, "REACHED_S", 0.4)
    service.slow_s = 1.5
    with pytest.raises(CanRiskError, match="gave no answer. Whether it got the pedigree is not known"):
        asked(service)


def answer(**changed):
    return RIGHT | {"pedigree_result": [RIGHT["pedigree_result"][0] | changed]}


def risks(*rows):
    return answer(cancer_risks=[{"age": age, "breast cancer risk": {"decimal": risk}} for age, risk in rows])


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"<html>Welcome</html>", "another shape"),
        (b"[" * 100_000, "another shape"),
        ([], "another shape"),
        ({}, "another shape"),
        ({"pedigree_result": []}, "another shape"),
        (RIGHT | {"pedigree_result": RIGHT["pedigree_result"] * 2}, "another shape"),
        (answer(cancer_risks=[{"age": 57}]), "another shape"),
        (risks((57, 2.1)), "another shape"),
        (risks((57, True)), "another shape"),
        (risks((57, 10**400)), "another shape"),
        (risks((math.inf, 0.1)), "another shape"),
        (risks((57, float("nan"))), "another shape"),
        (risks((53, 0.5), (57, 0.1)), "another shape"),
        (risks((47, 0.01), (57, 0.1)), "another shape"),
        (risks((57, 0.1), (57, 0.2)), "another shape"),
        (risks((53, 0.1), (80, 0.2)), "no risk for 5 years from an age of 52"),
        (answer(cancer_risks=None), "gives no risk of breast cancer for this woman. year of birth"),
        (answer(family_id="OTHER"), "another family or woman"),
        (answer(proband_id="L7"), "another family or woman"),
        (b"1" * 2_000_001, "too long"),
    ],
)
def test_an_answer_of_another_shape_gives_no_number(service, content, problem):
    service.content = content
    with pytest.raises(CanRiskError, match=problem):
        asked(service)


@pytest.mark.parametrize(
    "address", ["http://canrisk.org", "ftp://canrisk.org", "https://", "https://ann:pw@canrisk.org", "canrisk.org"]
)
def test_nothing_is_sent_in_the_clear(address):
    with pytest.raises(CanRiskError, match="https://"):
        service_address(address)
    assert service_address(None) == "https://canrisk.org"


def test_the_command_sends_only_when_it_is_told_to_and_says_before_what_goes_where(command, service):
    status, out, err = command(*OPTIONS)
    assert status == 2 and out == "" and service.asked == []
    assert f"Nothing was sent. With --send this goes to {service.address}: a family of 3" in err
    assert "years of birth" in err and "breast density (BIRADS=b)" in err
    status, out, err = command(*OPTIONS, "--send", "--json")
    record = json.loads(out)
    assert status == 0 and len(service.asked) == 1 and f"Sending to {service.address}" in err
    assert record["risk"] == 0.021 and record["years"] == 5 and record["density_sent"] == "BIRADS=b"
    assert record["natural_frequency"] == "about 1 in 48 such women" and record["use"].startswith("research use only")
    assert any("does not change an image risk" in limit for limit in record["limits"])
    assert not any(secret in out + err for secret in SECRET)


def test_the_command_needs_a_token_and_whose_rates(command, service, monkeypatch):
    for options, problem in (
        (("--send",), "--cancer-rates: give one of UK; Australia"),
        (("--send", "--cancer-rates", "UK"), "--mut-freq: give one of"),
        ((*OPTIONS, "--send", "--age", "50"), "takes a pedigree alone"),
    ):
        status, _, err = command(*options)
        assert status == 1 and problem in err
    monkeypatch.setenv("MVMLM_CANRISK_TOKEN", " ")
    status, _, err = command(*OPTIONS, "--send")
    assert status == 1 and "Set MVMLM_CANRISK_TOKEN to its token; nothing was sent" in err
    assert service.asked == []


def test_density_is_sent_only_where_the_file_gives_it(command, service, tmp_path):
    (tmp_path / "family.txt").write_text(PEDIGREE.replace("##BIRADS=b", "##TL=N"), encoding="utf-8")
    _, out, err = command(*OPTIONS, "--send", "--json")
    assert json.loads(out)["density_sent"] is None and "no breast density" in err
    assert "BIRADS" not in service.asked[0][2]["pedigree_data"]
