"""Units of work: all or nothing, one at a time in a thread, each caller with its own outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from perdure.domains import drift, souls
from perdure.errors import Internal, Invalid, NotFound, Unavailable
from perdure.kernel import Transaction
from perdure.store import Store, Subject

from .faces import Cases, at_once, inside
from .samples import NOTES, Broken, SampleNoted, SampleSpoiled, count, fail, note, notes, queries

CALLERS = 64


def turn(tx: Transaction) -> int:
    """Meet two domains in one unit."""
    drift.observe(tx, "I would rather tell you the truth, gently.")
    return souls.publish(tx, core_identity="Curious.").version


def broken_turn(tx: Transaction) -> None:
    """Do the same, then fail."""
    turn(tx)
    raise Broken


NESTED: dict[str, Callable[[Store, Subject], object]] = {
    "transact": lambda _, ada: ada.transact(notes),
    "another subject": lambda store, _: store.subject("bob").transact(notes),
    "an operation that writes": lambda _, ada: ada.souls.publish(core_identity="X"),
    "an operation that reads": lambda _, ada: ada.souls.history(),
    "reading the log": lambda store, _: list(store.log.read()),
    "closing": lambda store, _: store.close(),
    "migrating": lambda store, _: store.engine.administer(lambda _: None),
}


class Units(Cases):
    """A unit of work is kept as a whole or leaves nothing."""

    def test_an_exception_undoes_the_unit_and_reaches_its_caller(self, ada: Subject) -> None:
        with pytest.raises(Broken):
            ada.transact(fail)
        assert ada.transact(notes) == []
        assert ada.transact(note("first")) == [1]

    def test_two_domains_are_kept_together(self, ada: Subject) -> None:
        assert ada.transact(turn) == 1
        assert (ada.souls.current().version, ada.drift.current().total_interactions) == (1, 1)

    def test_two_domains_are_undone_together(self, ada: Subject) -> None:
        with pytest.raises(Broken):
            ada.transact(broken_turn)
        with pytest.raises(NotFound):
            ada.souls.current()
        assert ada.drift.current().total_interactions == 0

    def test_a_projection_that_fails_undoes_its_event_even_if_swallowed(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> None:
            try:
                tx.append(NOTES, SampleSpoiled())
            except Broken:
                return

        with pytest.raises(Broken):
            ada.transact(unit)
        assert ada.transact(lambda tx: tx.version(NOTES)) == 0

    def test_a_statement_that_fails_undoes_the_unit_even_if_swallowed(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> None:
            tx.append(NOTES, SampleNoted("half"))
            with pytest.raises(Unavailable, match="the schema is missing"):
                tx.value(queries.no_such_table)

        with pytest.raises(Unavailable, match="run 'perdure migrate up'"):
            ada.transact(unit)
        assert ada.transact(notes) == []

    def test_a_with_block_is_a_unit(self, sync_store: Store) -> None:
        ada = sync_store.subject("ada")
        with ada.transaction() as tx:
            note("one")(tx)
            assert notes(tx) == ["one"]
        assert ada.transact(notes) == ["one"]

    @pytest.mark.parametrize("error", [Broken, KeyboardInterrupt, SystemExit])
    def test_a_with_block_that_fails_leaves_nothing(
        self, sync_store: Store, error: type[BaseException]
    ) -> None:
        ada = sync_store.subject("ada")
        with pytest.raises(error), ada.transaction() as tx:
            note("half")(tx)
            raise error
        assert ada.transact(notes) == []

    def test_a_with_block_that_swallows_an_error_leaves_nothing(self, sync_store: Store) -> None:
        ada = sync_store.subject("ada")

        def block() -> None:
            with ada.transaction() as tx:
                note("half")(tx)
                with pytest.raises(Unavailable):
                    tx.value(queries.no_such_table)

        with pytest.raises(Unavailable, match="the schema is missing"):
            block()
        assert ada.transact(notes) == []

    @pytest.mark.parametrize("call", NESTED)
    def test_a_unit_in_a_unit_is_refused(self, sync_store: Store, call: str) -> None:
        ada = sync_store.subject("ada")
        refused = pytest.raises(Invalid, match="already open in this thread: use the tx it was")
        with ada.transaction() as tx:
            note("outer")(tx)
            with refused:
                NESTED[call](sync_store, ada)
        with refused:
            ada.transact(lambda _: NESTED[call](sync_store, ada))
        assert ada.transact(notes) == ["outer"]

    def test_a_with_block_in_a_unit_is_refused(self, sync_store: Store) -> None:
        ada = sync_store.subject("ada")

        def unit(_tx: Transaction) -> None:
            with ada.transaction():
                raise AssertionError

        with pytest.raises(Invalid, match="already open"):
            ada.transact(unit)

    def test_a_failing_unit_does_not_fail_the_others(self, store: Store, ada: Subject) -> None:
        def unit(number: int) -> Callable[[Transaction], int]:
            def numbered(tx: Transaction) -> int:
                note(str(number))(tx)
                if number % 3 == 0:
                    raise Broken
                return number

            return numbered

        def call(number: int) -> Callable[[Store], object]:
            return lambda s: s.subject("ada").transact(unit(number))

        told = at_once(store, [call(number) for number in range(CALLERS)])
        kept = [number for number in range(CALLERS) if number % 3]
        assert [one for one in told if isinstance(one, int)] == kept
        assert sum(isinstance(one, Broken) for one in told) == CALLERS - len(kept)
        assert sorted(map(int, ada.transact(notes))) == kept

    def test_no_update_is_lost_between_callers(self, store: Store) -> None:
        told = at_once(store, [lambda s: s.subject("ada").transact(count)] * CALLERS)
        assert sorted(told) == list(range(1, CALLERS + 1))

    @pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, GeneratorExit])
    def test_what_ends_a_thread_elsewhere_ends_only_its_unit_here(
        self, sync_store: Store, error: type[BaseException]
    ) -> None:
        def unit(_tx: Transaction) -> None:
            raise error

        def call(number: int) -> Callable[[Store], object]:
            return lambda s: s.subject("ada").transact(unit if number == 5 else note(str(number)))

        told = at_once(sync_store, [call(number) for number in range(16)])
        assert [type(one) for one in told] == [error if n == 5 else list for n in range(16)]
        assert len(sync_store.subject("ada").transact(notes)) == 15

    def test_a_stop_iteration_reaches_its_caller(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> object:
            return next(tx.events("nothing-here"))

        with pytest.raises(RuntimeError, match="StopIteration"):
            ada.transact(unit)

    def test_an_operation_that_reads_can_not_write(self, ada: Subject) -> None:
        with pytest.raises(Internal, match=r"declare it with writes\(...\)"):
            inside(ada, note("x"))
        assert inside(ada, notes) == []

    def test_a_read_sees_one_snapshot_while_somebody_commits(self, sync_store: Store) -> None:
        ada = sync_store.subject("ada")
        ada.transact(note("before"))
        writer = threading.Thread(target=ada.transact, args=[note("meanwhile")])

        def unit(tx: Transaction) -> tuple[list[str], list[str]]:
            first = notes(tx)
            writer.start()
            writer.join(0.2)  # a store in memory lets the writer wait for us
            return first, notes(tx)

        assert inside(ada, unit) == (["before"], ["before"])
        writer.join()
        assert inside(ada, notes) == ["before", "meanwhile"]

    def test_everything_is_refused_after_close(self, store: Store, ada: Subject) -> None:
        ada.transact(note("one"))
        store.close()
        for call in (
            lambda: ada.transact(notes),
            ada.souls.current,
            lambda: ada.souls.publish(core_identity="X"),
            lambda: list(store.log.read()),
            store.log.head,
        ):
            with pytest.raises(Unavailable, match="the store is closed: open it again"):
                call()

    def test_a_with_block_is_refused_after_close(self, sync_store: Store) -> None:
        sync_store.close()
        with pytest.raises(Unavailable, match="the store is closed"):
            sync_store.subject("ada").transaction().__enter__()

    def test_closing_twice_is_harmless(self, store: Store) -> None:
        store.close()
        store.close()

    def test_closing_waits_for_whoever_is_writing(self, sync_store: Store) -> None:
        is_inside, may_end = threading.Event(), threading.Event()

        def unit(tx: Transaction) -> str:
            note("slow")(tx)
            is_inside.set()
            may_end.wait(5)
            return "kept"

        told: list[str] = []
        caller = threading.Thread(
            target=lambda: told.append(sync_store.subject("ada").transact(unit))
        )
        caller.start()
        is_inside.wait(5)
        closer = threading.Thread(target=sync_store.close)
        closer.start()
        closer.join(0.05)
        may_end.set()
        closer.join()
        caller.join()
        assert told == ["kept"]
