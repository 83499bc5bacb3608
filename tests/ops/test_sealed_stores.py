"""What an operator sees of a sealed store: whole, tampered with, rebuilt, copied, its keys gone."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

import perdure
from perdure.domains.drift.stored import QivState
from perdure.errors import Tampered
from perdure.kernel import chain
from perdure.kernel.log import header
from perdure.kernel.transaction import slice_of
from perdure.ops import copy, rebuild, verify, witness
from perdure.vault import KeyFile, Vault
from tests.ops.damage import DAMAGES, OTHER, SUBJECT, blob, damage, fill, last_read, raw
from tests.ops.opened import opened_rows

EVENT = "position, stream, version, id, type, schema, at, payload, payload_hash, hash, subject"
SAID = "I would rather tell you the truth, gently."
LATER = "No. Never again, whatever they say."


@dataclass(frozen=True, slots=True)
class Filled:
    """A sealed store with a history, closed; words in brackets stand for what its rows say."""

    target: str
    vault: Vault
    words: dict[str, str]

    def opened(self) -> perdure.Store:
        return perdure.open(self.target, subject="x", vault=self.vault)

    def said(self, text: str) -> str:
        for name, word in self.words.items():
            text = text.replace(f"[{name}]", word)
        return text

    def damage(self, *statements: str) -> None:
        damage(self.target, [self.said(one) for one in statements])

    def told(self, *, deep: bool = False) -> list[tuple[str, str]]:
        with self.opened() as store:
            found = verify(store, deep=deep).findings
        return [(one.kind, one.sentence) for one in found]


def ask(target: str, text: str) -> list[tuple[object, ...]]:
    """Run a statement that returns rows, without us."""
    with raw(target) as execute:
        found = execute(text)
    assert isinstance(found, list)
    return found


@pytest.fixture
def filled(target: str, vault: Vault) -> Filled:
    """Two people on each engine; the table spare keeps what the row of a voice was before."""
    one = filling(target, vault)
    with one.opened() as store:
        store.subject(SUBJECT).drift.observe(SAID)
    with raw(target) as execute:
        execute("create table spare as select * from vera_qiv_states")
    with one.opened() as store:
        store.subject(SUBJECT).drift.observe(LATER)
    return one


def filling(target: str, vault: Vault) -> Filled:
    """Write about two people and learn what their rows say."""
    with perdure.open(target, subject="x", vault=vault) as store:
        fill(store)
        assert store.keys is not None
        handles = {store.keys.owner(name, create=False).subject: name for name in (SUBJECT, OTHER)}
    words = {name: handle for handle, name in handles.items()}
    words |= {f"slice {name}": str(slice_of(handle)) for handle, name in handles.items()}
    for subject, version, id in ask(target, "select subject, version, id from soul_versions"):
        words[f"{handles[str(subject)]} {version}"] = str(id)
    return Filled(target, vault, words)


def test_a_sealed_store_is_sound_and_says_no_name(filled: Filled) -> None:
    with filled.opened() as store:
        for deep in (False, True):
            report = verify(store, deep=deep, head=witness(store))
            assert (report.findings, report.notes) == ((), ())
            assert (report.subjects, report.events, report.rows) == (2, 19, 8)


# -- sealed values in the wrong place


@dataclass(frozen=True, slots=True)
class Misplaced:
    """What is done, what a reader is told, and what verify says of it."""

    statement: str
    read: Callable[[perdure.Store], object]
    on_read: str
    kind: str
    sentence: str


def first(store: perdure.Store) -> object:
    return store.subject(SUBJECT).souls.at(1)


def second(store: perdure.Store) -> object:
    return store.subject(SUBJECT).souls.at(2)


def of_bob(store: perdure.Store) -> object:
    return store.subject(OTHER).souls.current()


def voice(store: perdure.Store) -> object:
    return store.subject(SUBJECT).drift.current()


def of(name: str, column: str = "core_identity") -> str:
    return f"(select {column} from soul_versions where id = '[{name}]')"


SOUL = "update soul_versions set"
ROW = "the row id=[ada 2] of soul_versions of subject '[ada]' was changed: core_identity"
ELSEWHERE = "core_identity, was changed, or was sealed for another place"
MISPLACED = {
    "of A over B's": Misplaced(
        f"{SOUL} core_identity = {of('ada 1')} where id = '[bob 1]'",
        of_bob,
        "core_identity, was sealed for another subject",
        "row_sealed_elsewhere",
        "the row id=[bob 1] of soul_versions of subject '[bob]' was changed: core_identity holds"
        " what was sealed for core_identity of the row id=[ada 1] of soul_versions of subject"
        " '[ada]'",
    ),
    "row 1 over row 2": Misplaced(
        f"{SOUL} core_identity = {of('ada 1')} where id = '[ada 2]'",
        second,
        ELSEWHERE,
        "row_sealed_elsewhere",
        f"{ROW} holds what was sealed for core_identity of the row id=[ada 1] of soul_versions",
    ),
    "field over field": Misplaced(
        f"{SOUL} core_identity = active_values where id = '[ada 2]'",
        second,
        ELSEWHERE,
        "row_sealed_elsewhere",
        f"{ROW} holds what was sealed for active_values",
    ),
    "of another table": Misplaced(
        f"{SOUL} core_identity = (select lesson_learned from soul_milestones) where id = '[ada 2]'",
        second,
        ELSEWHERE,
        "row_sealed_elsewhere",
        f"{ROW} holds what was sealed for lesson_learned of the row id=",
    ),
    "an older value of a column": Misplaced(
        "update vera_qiv_states set voice = (select voice from spare)",
        voice,
        "a row of QivState is not what was written: each sealed value in it was sealed for it, so"
        " an older one was put back",
        "row_mixed",
        "was changed: each sealed value in it was sealed for it, so an older one was put back, or",
    ),
    "clear text": Misplaced(
        f"{SOUL} core_identity = 'I am Eve.' where id = '[ada 2]'",
        second,
        "clear text where sealed data is expected, Soul",
        "row_does_not_open",
        "of subject '[ada]' was changed: clear text where sealed data is expected, Soul [ada 2],"
        " core_identity",
    ),
    "foreign ciphertext": Misplaced(
        f"{SOUL} core_identity = '[foreign]' where id = '[ada 2]'",
        second,
        "core_identity, was sealed by a key that this vault does not have",
        "row_does_not_open",
        "was changed: Soul [ada 2], core_identity, was sealed by a key that this vault does not",
    ),
    "a byte of it": Misplaced(
        f"{SOUL} core_identity = substr(core_identity, 1, 61) || case when"
        " substr(core_identity, 62, 1) = 'A' then 'B' else 'A' end || substr(core_identity, 63)"
        " where id = '[ada 2]'",
        second,
        ELSEWHERE,
        "row_does_not_open",
        f"was changed: Soul [ada 2], {ELSEWHERE}",
    ),
    "a clear column": Misplaced(
        f"{SOUL} token_count = 7 where id = '[ada 2]'",
        second,
        "a row of Soul is not what was written",
        "row_mixed",
        "or a clear column was changed",
    ),
    "another id": Misplaced(
        f"{SOUL} id = '00000000-0000-0000-0000-0000000000cc' where id = '[ada 1]'",
        first,
        ELSEWHERE,
        "row_does_not_open",
        ELSEWHERE,
    ),
    "the whole row to B": Misplaced(
        f"{SOUL} subject = '[bob]', slice = [slice bob] where id = '[ada 2]'",
        of_bob,
        "was sealed for another subject",
        "row_moved",
        "id=[ada 2] of soul_versions of subject '[bob]' was moved here from subject '[ada]'",
    ),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_a_sealed_value_opens_nowhere_else(filled: Filled, tmp_path: Path, name: str) -> None:
    case = MISPLACED[name]
    if "[foreign]" in case.statement:
        filled.words["foreign"] = foreign(tmp_path)
    filled.damage(case.statement)
    with filled.opened() as store, pytest.raises(Tampered) as told:
        case.read(store)
    assert case.on_read in str(told.value)
    ((kind, sentence),) = filled.told()
    assert kind == case.kind
    assert filled.said(case.sentence) in sentence


def foreign(folder: Path) -> str:
    """Give what another vault has sealed."""
    master = KeyFile(folder / "other.key")
    vault = Vault(folder / "other.db", master=master, create=True)
    place = str(folder / "elsewhere.db")
    with perdure.open(place, subject=SUBJECT, vault=vault) as store:
        store.souls.publish(core_identity="Ada 2")
    ((sealed,),) = ask(place, "select core_identity from soul_versions")
    return str(sealed)


# -- what only a replay knows


def test_an_older_value_is_named_by_a_replay(filled: Filled) -> None:
    filled.damage("update vera_qiv_states set voice = (select voice from spare)")
    ((kind, sentence),) = filled.told(deep=True)
    assert kind == "row_outdated"
    assert sentence.endswith("was changed: an older value of voice was put back")


def test_an_older_value_that_no_digest_covers_is_named_by_a_replay(filled: Filled) -> None:
    filled.damage("update vera_qiv_states set bloom_filter = (select bloom_filter from spare)")
    assert filled.told() == []
    with filled.opened() as store, pytest.raises(Tampered, match="the Bloom filter is not what"):
        store.subject(SUBJECT).drift.observe("A third thing.")
    ((kind, sentence),) = filled.told(deep=True)
    assert kind == "row_outdated"
    assert sentence.endswith("an older value of bloom_filter was put back")


def test_a_whole_older_row_is_noticed_by_a_replay_alone(filled: Filled) -> None:
    names = [field.name for field in fields(QivState)]
    sets = ", ".join(f"{name} = (select {name} from spare)" for name in (*names, "digest"))
    filled.damage(f"update vera_qiv_states set {sets}")
    with filled.opened() as store:
        assert store.subject(SUBJECT).drift.current().total_interactions == 1
    assert filled.told() == []
    ((kind, sentence),) = filled.told(deep=True)
    assert kind == "row_put_back"
    assert sentence.endswith("is an older state of itself: the whole row was put back")


def test_a_clear_column_that_no_digest_covers_is_noticed_by_a_replay_alone(filled: Filled) -> None:
    filled.damage("update soul_milestones set source_thread_id = null")
    assert filled.told() == []
    ((kind, sentence),) = filled.told(deep=True)
    assert kind == "row_differs"
    assert sentence.endswith("is not what a replay of the log gives: source_thread_id")


# -- the log


@pytest.fixture
def in_a_file(tmp_path: Path, vault: Vault) -> Filled:
    """Two people in a file, in slices of their own."""
    while True:
        with perdure.open("memory:", vault=vault) as store:
            assert store.keys is not None
            names = [store.keys.owner(name, create=True).subject for name in (SUBJECT, OTHER)]
        if len({*map(slice_of, names)}) > 1:
            return filling(str(tmp_path / "store.db"), vault)
        for path in tmp_path.iterdir():
            path.unlink()


def translated(filled: Filled, text: str) -> str:
    """Write a statement or a sentence about names as one about handles."""
    words = {f"'{name}'": f"'{filled.words[name]}'" for name in (SUBJECT, OTHER)}
    words |= {
        f"{lead}{slice_of(name)}": f"{lead}{slice_of(filled.words[name])}"
        for name in (SUBJECT, OTHER)
        for lead in ("slice = ", "slice ")
    }
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


@pytest.mark.parametrize("name", DAMAGES)
def test_tampering_with_the_log_is_called_the_same(in_a_file: Filled, name: str) -> None:
    done = DAMAGES[name]
    in_a_file.damage(*(translated(in_a_file, one) for one in done.statements))
    ((kind, sentence),) = in_a_file.told()
    assert kind == done.kind
    assert sentence.startswith(translated(in_a_file, done.sentence))
    if done.on_events is not None:
        said = translated(in_a_file, done.on_events or done.sentence)
        with in_a_file.opened() as store, pytest.raises(Tampered) as told:
            last_read(store)
        assert said in str(told.value)


def test_a_chain_that_was_written_anew_opens_nothing(filled: Filled) -> None:
    place = f"subject = '[{SUBJECT}]' and stream = 'note-a'"
    rows = ask(filled.target, filled.said(f"select {EVENT} from perdure_events where {place}"))
    events = sorted(map(header, rows), key=lambda one: one.version)
    events[2] = replace(events[2], payload=events[1].payload, payload_hash=events[1].payload_hash)
    previous, statements = chain.GENESIS, []
    for one in events:
        previous = one.linked(previous, slice_of(one.subject))
        assert one.payload is not None
        statements.append(
            f"update perdure_events set payload = {blob(one.payload)}, hash = {blob(previous)},"
            f" payload_hash = {blob(one.payload_hash)} where {place} and version = {one.version}"
        )
    filled.damage(*statements, f"update perdure_streams set hash = {blob(previous)} where {place}")
    refusal = f"event {events[2].id}, payload, was changed, or was sealed for another place"
    with filled.opened() as store:
        with pytest.raises(Tampered, match=refusal):
            last_read(store)
        with pytest.raises(Tampered, match=refusal):
            list(store.log.read())
    ((kind, sentence),) = filled.told(deep=True)
    assert kind == "payload_does_not_open"
    said = "the payload of event 3 of stream 'note-a' was not sealed for it: "
    assert sentence == said + refusal


# -- rebuilt, copied, gone


@pytest.mark.parametrize("name", ["store.db", "store/"])
def test_a_rebuilt_table_holds_the_same_sealed_anew(
    tmp_path: Path, vault: Vault, name: str
) -> None:
    with perdure.open(f"{tmp_path}/{name}", vault=vault) as store:
        fill(store)
        store.subject(SUBJECT).drift.observe(SAID)
        before = opened_rows(store)
        assert len(before) == 7
        done = rebuild(store)
        assert (done.subjects, done.subjects_before) == (2, 0)
        assert opened_rows(store) == before
        assert verify(store, deep=True).findings == ()


def test_one_subject_is_rebuilt_by_its_handle(filled: Filled) -> None:
    filled.damage("update soul_versions set core_identity = 'I am Eve.'")
    with filled.opened() as store:
        assert rebuild(store, ["souls"], subject=filled.words[SUBJECT]).subjects == 1
        assert store.subject(SUBJECT).souls.current().core_identity == "Ada 3"
        with pytest.raises(Tampered):
            store.subject(OTHER).souls.current()
        assert rebuild(store).subjects == 2
        assert verify(store, deep=True).findings == ()


@pytest.mark.parametrize("name", ["store.db", "store/"])
def test_a_copy_is_sealed_by_the_same_vault(tmp_path: Path, vault: Vault, name: str) -> None:
    with perdure.open(f"{tmp_path}/{name}", vault=vault) as store:
        fill(store)
        copy(store, tmp_path / "copy")
    with pytest.raises(perdure.LockedOut, match="the store is sealed by the vault"):
        perdure.open(tmp_path / "copy")
    with perdure.open(tmp_path / "copy", vault=vault) as twin:
        assert last_read(twin)[0] == "one"
        assert verify(twin, deep=True).findings == ()


LOST = {
    "the key": ["delete from perdure_vault_keys where handle = '[ada]'"],
    "the subject": [
        "delete from perdure_vault_keys where handle = '[ada]'",
        "delete from perdure_vault_subjects where handle = '[ada]'",
    ],
    "the key's text": [
        "update perdure_vault_keys set wrapped = zeroblob(60) where handle = '[ada]'"
    ],
}


@pytest.mark.parametrize("what", LOST)
def test_a_subject_without_a_key_is_one_finding(filled: Filled, what: str) -> None:
    damage(str(filled.vault.target), [filled.said(one) for one in LOST[what]])
    for deep in (False, True):
        ((kind, sentence),) = filled.told(deep=deep)
        assert kind == "key_missing"
        assert filled.said("no key for subject '[ada]': the log holds 15 payloads") in sentence
        assert "soul_versions holds rows" in sentence
    before = ask(filled.target, "select count(*) from soul_versions")
    with filled.opened() as store:
        assert rebuild(store).subjects == 1
        assert store.subject(OTHER).souls.current().core_identity == "Bob"
    assert ask(filled.target, "select count(*) from soul_versions") == before


def test_whoever_was_forgotten_must_be_gone(filled: Filled) -> None:
    with raw(filled.target) as execute:
        execute("drop table spare")
        execute("create table kept as select * from soul_versions")
        execute("alter table kept rename column slice to part")  # or it would be erased, too
        execute("create table old as select id, payload from perdure_events")
    with filled.opened() as store:
        store.forget(SUBJECT)
        assert verify(store, deep=True).findings == ()
        assert rebuild(store).subjects == 1
    place = "subject = '[ada]'"
    filled.damage(f"insert into soul_versions select * from kept where {place}")
    filled.damage(
        "update perdure_events set payload = (select payload from old where old.id ="
        f" perdure_events.id) where {place} and stream = 'note-a'"
    )
    with raw(filled.target) as execute:
        execute("drop table kept")
        execute("drop table old")
    assert filled.told(deep=True) == [
        ("forgotten_is_back", filled.said(f"subject '[ada]' was forgotten, but {what}"))
        for what in ("the log holds 6 payloads", "soul_versions holds rows")
    ]
