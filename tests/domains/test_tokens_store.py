"""Tokens as a user meets them: through an open store with a vault, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import perdure
from perdure.domains.tokens import Found, Token, operations
from perdure.domains.tokens.model import STREAM
from perdure.kernel import Transaction
from perdure.vault import KeyFile, Vault
from tests.ops.damage import raw

Sealed = Callable[[], perdure.Store]

SAID = "Ada wrote to bob@example.com, then called +49 170 1234567."
HIDDEN = "⟦person:1⟧ wrote to ⟦email:1⟧, then called ⟦phone:1⟧."
NAMES = ["Ada", "Bob"]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault beside the store; the first who opens it makes it."""
    master = KeyFile(tmp_path / "master.key")
    return Vault(str(tmp_path / "keys.db"), master=master, create=True)


@pytest.fixture
def sealed(target: str, vault: Vault) -> Iterator[Sealed]:
    """Open the target with the vault, as often as a test wants; all is closed behind it."""
    opened: list[perdure.Store] = []

    def make() -> perdure.Store:
        opened.append(perdure.open(target, subject="default_user", vault=vault))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def asked(target: str, statement: str) -> list[str]:
    """Ask the database without us, and without a key."""
    with raw(target) as execute:
        found = execute(statement)
    assert isinstance(found, list)
    return sorted(map(repr, found))


def test_a_text_is_hidden_and_shown_also_by_the_next_process(sealed: Sealed) -> None:
    first = sealed()
    assert first.tokens.hide(SAID, names=NAMES) == HIDDEN
    first.close()
    again = sealed()
    assert again.tokens.reveal(HIDDEN) == SAID
    assert again.tokens.hide("Bob and ADA: BOB@example.com", names=NAMES) == (
        "⟦person:2⟧ and ⟦person:1⟧: ⟦email:1⟧"
    )
    assert again.tokens.hide(HIDDEN, names=[*NAMES, "person", "email"]) == HIDDEN


def test_a_value_is_shown_as_it_was_first_written(sealed: Sealed) -> None:
    store = sealed()
    store.tokens.hide("Ada@Example.com")
    assert store.tokens.hide("ada@example.COM") == "⟦email:1⟧"
    assert store.tokens.reveal("⟦email:1⟧⟦email:2⟧") == "Ada@Example.com⟦email:2⟧"


def test_two_subjects_never_see_each_others_tokens(sealed: Sealed, target: str) -> None:
    store = sealed()
    ada, bob = store.subject("ada"), store.subject("bob")
    ada.tokens.hide("me@example.com")
    assert bob.tokens.hide("first@example.com, me@example.com") == "⟦email:1⟧, ⟦email:2⟧"
    assert ada.tokens.reveal("⟦email:1⟧ ⟦email:2⟧") == "me@example.com ⟦email:2⟧"
    assert bob.tokens.reveal("⟦email:1⟧ ⟦email:2⟧") == "first@example.com me@example.com"
    assert store.subject("eve").tokens.known() == []
    assert (
        len(set(asked(target, "select blind from pii_tokens"))) == 3
    )  # one value, two subjects: two equality tokens


def test_what_is_known_says_since_when_and_goes_on_behind_a_page(sealed: Sealed) -> None:
    store = sealed()
    store.tokens.hide(SAID, names=NAMES)
    known = store.tokens.known()
    assert [(one.kind, one.number, one.value) for one in known] == [
        ("email", 1, "bob@example.com"),
        ("person", 1, "Ada"),
        ("phone", 1, "+49 170 1234567"),
    ]
    assert known[0].first_seen == next(iter(store.log.read())).at
    assert store.tokens.known(most=2) == known[:2]
    assert store.tokens.known(after=str(known[1])) == known[2:]
    assert "Ada" not in repr(known)


def test_a_forgotten_token_stands_for_nothing_and_its_number_is_used_up(sealed: Sealed) -> None:
    store = sealed()
    store.tokens.hide(SAID, names=NAMES)
    store.tokens.forget("⟦email:1⟧")
    assert store.tokens.reveal(HIDDEN) == "Ada wrote to ⟦email:1⟧, then called +49 170 1234567."
    assert [one.kind for one in store.tokens.known()] == ["person", "phone"]
    assert store.tokens.hide("bob@example.com ⟦email:1⟧") == "⟦email:2⟧ ⟦email:1⟧"
    store.tokens.forget("⟦email:1⟧")
    values = [getattr(one.event, "value", None) for one in store.log.read()]
    assert values.count("bob@example.com") == 1  # the new one: the payload of the old is erased
    with pytest.raises(perdure.NotFound, match="there is no token ⟦email:3⟧"):
        store.tokens.forget("⟦email:3⟧")


def test_without_a_vault_only_what_needs_none_works(store: perdure.Store) -> None:
    needing: list[Callable[[], object]] = [
        lambda: store.tokens.hide("no value in it"),
        lambda: store.tokens.reveal("no token in it"),
        lambda: store.tokens.forget("⟦email:1⟧"),
        store.tokens.known,
    ]
    for call in needing:
        with pytest.raises(perdure.LockedOut, match="open the store with vault="):
            call()
    assert store.tokens.hide(SAID, how="none") == SAID
    assert store.tokens.hide(SAID, names=NAMES, how="dropped") == (
        "⟦person⟧ wrote to ⟦email⟧, then called ⟦phone⟧."
    )
    assert list(store.log.read()) == []


def test_what_is_dropped_can_not_be_shown_again(sealed: Sealed) -> None:
    store = sealed()
    hidden = store.tokens.hide(SAID, names=NAMES)
    bare = store.tokens.hide(f"{hidden} ⟦thing:9⟧ Bob", names=[*NAMES, "person"], how="dropped")
    assert bare == "⟦person⟧ wrote to ⟦email⟧, then called ⟦phone⟧. ⟦thing⟧ ⟦person⟧"
    assert store.tokens.hide(bare, names=["person"], how="dropped") == bare
    assert store.tokens.reveal(bare) == bare


def test_nobody_reads_a_value_without_the_vault(sealed: Sealed, target: str) -> None:
    sealed().tokens.hide(SAID, names=NAMES)
    rows = asked(target, "select * from pii_tokens")
    payloads = asked(target, "select payload from perdure_events")
    assert len(rows) == len(payloads) == 3
    assert any("email" in row for row in rows)  # so one would see the rest
    clear = ("bob", "Ada", "1234567")
    assert not [row for row in rows + payloads if any(one in row for one in clear)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tokens: tokens.hide(7), "text is int, not text"),
        (lambda tokens: tokens.hide("a\x00b"), "a NUL at character 1"),
        (lambda tokens: tokens.hide("\ud800"), "a lone surrogate"),
        (lambda tokens: tokens.hide("x" * 1_048_577), "1048577 characters"),
        (lambda tokens: tokens.hide("x", how="half"), "'half' is no way to hide: use none, tokens"),
        (lambda tokens: tokens.hide("x", names="Ada"), "names is one text, not a list"),
        (lambda tokens: tokens.reveal(None), "text is NoneType"),
        (lambda tokens: tokens.known(most=0), "most is 0"),
        (lambda tokens: tokens.known(after="person:1"), "this is no token"),
        (lambda tokens: tokens.forget("⟦person:0⟧"), "this is no token: write it as in a text"),
        (lambda tokens: tokens.forget("⟦person:1⟧⟦person:2⟧"), "this is no token"),
    ],
)
def test_bad_input_is_named(sealed: Sealed, call: Callable[[object], object], message: str) -> None:
    store = sealed()
    with pytest.raises(perdure.Invalid, match=message):
        call(store.tokens)
    assert list(store.log.read()) == []


def test_a_callers_own_detector_is_used(sealed: Sealed) -> None:
    def of_plates(text: str) -> Iterable[Found]:
        at = text.find("B-AX 1")
        return [Found(at, at + 6, "plate")] if at >= 0 else []

    store = sealed()
    assert store.tokens.hide("My B-AX 1, a@example.com", detector=of_plates) == (
        "My ⟦plate:1⟧, a@example.com"
    )
    assert store.tokens.reveal("⟦plate:1⟧") == "B-AX 1"


def test_the_tokens_of_a_text_are_one_unit_of_work(sealed: Sealed) -> None:
    store = sealed()

    def turn(tx: Transaction) -> None:
        assert operations.hide(tx, SAID, names=NAMES) == HIDDEN
        assert operations.reveal(tx, HIDDEN) == SAID
        raise RuntimeError("the app failed")

    with pytest.raises(RuntimeError, match="the app failed"):
        store.transact(turn)
    assert store.tokens.known() == []
    assert store.tokens.hide("Bob", names=NAMES) == "⟦person:1⟧"


def test_many_who_hide_one_value_at_once_get_one_token(sealed: Sealed) -> None:
    stores = [sealed(), sealed()]
    with ThreadPoolExecutor(8) as pool:
        texts = [f"Ada {n % 3}@example.com" for n in range(40)]
        hidden = list(
            pool.map(lambda n: stores[n % 2].tokens.hide(texts[n], names=NAMES), range(40))
        )
    assert len(stores[0].tokens.known()) == 4
    assert len(set(hidden)) == 3
    assert [stores[0].tokens.reveal(one) for one in hidden] == texts


def test_the_async_face_has_the_same_names(target: str, vault: Vault) -> None:
    async def main() -> None:
        async with perdure.connect(target, vault=vault) as store:
            ada = store.subject("ada")
            hidden = await asyncio.gather(*(ada.tokens.hide(SAID, names=NAMES) for _ in range(9)))
            assert set(hidden) == {HIDDEN}
            assert await ada.tokens.reveal(HIDDEN) == SAID
            await ada.tokens.forget("⟦phone:1⟧")
            assert [str(one) for one in await ada.tokens.known()] == ["⟦email:1⟧", "⟦person:1⟧"]

    asyncio.run(main())


PIECES = st.lists(
    st.sampled_from(
        "Ada Bob ada@example.com @ada_l |+49 170 1234567| ⟦person:1⟧ ⟦person:2⟧ ⟦email:7⟧ ⟦mark:1⟧ "
        "⟦person⟧ ⟦ ⟧ person:1 : 's . x é 漢 @ 10.1.2.3".replace("|", " | ").split(" ")
    ),
    max_size=12,
)


@pytest.fixture
def fresh(sealed: Sealed) -> Callable[[], perdure.store.Subject]:
    """Give a subject of its own to each example."""
    store, count = sealed(), iter(range(1_000_000))
    return lambda: store.subject(f"subject {next(count)}")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=PIECES, after=PIECES, later=PIECES)
def test_hiding_loses_nothing_and_hides_only_once(
    fresh: Callable[[], perdure.store.Subject],
    before: list[str],
    after: list[str],
    later: list[str],
) -> None:
    tokens = fresh().tokens
    text = " ".join(before) + "".join(after)
    hidden = tokens.hide(text, names=NAMES)
    assert alike(tokens.reveal(hidden), text)  # also what only looked like a token
    assert tokens.hide(hidden, names=NAMES) == hidden
    other = "".join(later)
    shown = tokens.reveal(other)
    assert alike(tokens.reveal(tokens.hide(other, names=NAMES)), shown)
    assert alike(tokens.reveal(hidden), text)  # whatever got a token since


def alike(one: str, other: str) -> bool:
    """Compare without case: a value is shown as it was first written."""
    return one.casefold() == other.casefold()


STORY = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob"]),
        st.one_of(
            PIECES.map(lambda pieces: ("hide", "".join(pieces))),
            st.sampled_from(
                [("forget", f"⟦{kind}:{n}⟧") for kind in ("person", "email") for n in (1, 2)]
            ),
        ),
    ),
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=STORY)
def test_rows_projected_again_are_those_that_were(
    fresh: Callable[[], perdure.store.Subject],
    target: str,
    story: list[tuple[str, tuple[str, str]]],
) -> None:
    emptied(target)
    people = {"ada": fresh(), "bob": fresh()}
    for name, (act, text) in story:
        if act == "hide":
            people[name].tokens.hide(text, names=NAMES)
        elif text in map(str, people[name].tokens.known()):
            people[name].tokens.forget(text)
    clear, rows = [known(person) for person in people.values()], asked(target, ROWS)
    emptied(target)
    for person in people.values():
        person.transact(project_again)
    assert [known(person) for person in people.values()] == clear
    assert asked(target, ROWS) == rows


# All but the sealed value, which never looks the same twice; the digest is of the clear row.
ROWS = "select slice, subject, kind, number, at, version, blind, digest from pii_tokens"


def emptied(target: str) -> None:
    with raw(target) as execute:
        execute("delete from pii_tokens")


def project_again(tx: Transaction) -> None:
    for recorded in tx.events(STREAM):
        tx.project(recorded)


def known(person: perdure.store.Subject) -> list[tuple[Token, str]]:
    """Give every token with its value, which the repr leaves out."""
    return [(one, one.value) for one in person.tokens.known()]
