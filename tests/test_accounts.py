"""Accounts: who may log in, in which role, and that a password is nowhere stored."""

import io

import pytest

from mvmlm.__main__ import main
from mvmlm.store.accounts import Role
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store

PASSWORD = "correct horse battery"


def test_an_account_is_checked_by_its_password_in_any_spelling_of_its_name(store):
    made = store.accounts.add(" Ann  Lee ", Role.READER, PASSWORD, "tests")
    assert (made.name, made.role, made.closed) == ("Ann Lee", Role.READER, False)
    assert store.accounts.check("ann lee", PASSWORD) == made
    for name, password in (("Ann Lee", "correct horse"), ("Ann Lee", ""), ("Bob", PASSWORD), ("", "")):
        assert store.accounts.check(name, password) is None
    store.accounts.close("ANN LEE", "tests")
    assert store.accounts.check("Ann Lee", PASSWORD) is None
    store.accounts.set_password("Ann Lee", "another battery", "tests")
    assert store.accounts.check("Ann Lee", "another battery") and not store.accounts.check("Ann Lee", PASSWORD)


def test_a_password_is_stored_as_a_hash_only_and_each_has_its_own_salt(store):
    for name in ("Ann", "Bob"):
        store.accounts.add(name, Role.READER, PASSWORD, "tests")
    stored = [row["password"] for row in store.file.all("SELECT password FROM accounts")]
    assert all(text.startswith("$argon2id$") for text in stored) and len(set(stored)) == 2
    store.close()
    for file in store.folder.rglob("*"):
        assert file.is_dir() or PASSWORD.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaa", "Ann Lee Smith", "x" * 1001])
def test_a_password_that_is_easy_to_guess_is_refused(store, password):
    with pytest.raises(StoreError, match="[Cc]hoose"):
        store.accounts.add("Ann Lee Smith", Role.READER, password, "tests")
    assert store.accounts.all() == []


def test_there_is_one_account_of_a_name_and_always_an_admin(store):
    store.accounts.add("Ann", Role.ADMIN, PASSWORD, "tests")
    with pytest.raises(StoreError, match="already"):
        store.accounts.add("ANN", Role.READER, PASSWORD, "tests")
    for change in (
        lambda: store.accounts.set_role("Ann", Role.READER, "tests"),
        lambda: store.accounts.close("Ann", "tests"),
    ):
        with pytest.raises(StoreError, match="only admin"):
            change()
    store.accounts.add("Bob", Role.ADMIN, PASSWORD, "tests")
    store.accounts.set_role("Ann", Role.VIEWER, "tests")
    assert store.accounts.get("Ann").role is Role.VIEWER and store.accounts.has_admin()
    assert [line["what"] for line in store.file.history("account Ann")] == ["account", "role"]
    assert PASSWORD not in str(store.file.all("SELECT * FROM history"))


def test_a_role_may_do_what_those_before_it_may():
    roles = list(Role)
    assert [[role.may(least) for least in roles] for role in roles] == [[n >= m for m in range(4)] for n in range(4)]


def test_the_command_adds_changes_closes_and_lists_accounts(tmp_path, monkeypatch, capsys):
    data = ["--data", str(tmp_path)]
    monkeypatch.delenv("MVMLM_NEW_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["account", "add", "Ann", "--role", "admin", *data]) == 1
    assert "MVMLM_NEW_PASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("MVMLM_NEW_PASSWORD", PASSWORD)
    assert main(["account", "add", "Ann", "--role", "admin", *data]) == 0
    assert main(["account", "add", "Bob", "--role", "viewer", *data]) == 0
    assert main(["account", "role", "bob", "--role", "trainer", *data]) == 0
    assert main(["account", "close", "Bob", *data]) == 0
    capsys.readouterr()
    assert main(["account", "list", *data]) == 0
    said = capsys.readouterr().out
    assert "Ann: admin" in said and "Bob: trainer, closed" in said and PASSWORD not in said
    assert main(["account", "close", "Carl", *data]) == 1 and "no account" in capsys.readouterr().err
    assert main(["account", "password", "Bob", *data]) == 0
    store = Store(tmp_path)
    assert store.accounts.check("Bob", PASSWORD)
    store.close()
