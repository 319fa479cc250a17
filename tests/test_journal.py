"""The journal finds the record that brings down workers, and blames no other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.journal import Journal


def one_try(path, total, size, poison):
    """Work through the records as a worker does; a crash on `poison`, with the driver watching."""
    journal = Journal.load(path)
    quarantined = []
    for first in range(0, total, size):
        last = min(first + size, total)
        for start, stop in journal.ranges(first, last):
            journal.enter(start, stop)
            if stop - start == 1 and journal.poisoned(start):
                quarantined.append(start)
            elif start <= poison < stop:
                journal.strike()
                return None
    return quarantined


@settings(max_examples=25)
@given(st.data())
def test_the_poisonous_record_is_found_by_halving(tmp_path_factory, data):
    path = str(tmp_path_factory.mktemp("journal") / "j.json")
    total = data.draw(st.integers(1, 200))
    size = data.draw(st.integers(1, 64))
    poison = data.draw(st.integers(0, total - 1))
    for _ in range(40):
        quarantined = one_try(path, total, size, poison)
        if quarantined is not None:
            break
    assert quarantined == [poison]


def test_one_crash_changes_nothing(tmp_path):
    path = str(tmp_path / "j.json")
    journal = Journal(path)
    journal.enter(0, 64)
    journal.strike()
    again = Journal.load(path)
    assert again.ranges(0, 64) == [(0, 64)]
    assert not again.poisoned(3)


def test_a_crash_with_nothing_open_blames_nobody(tmp_path):
    journal = Journal(str(tmp_path / "j.json"))
    journal.strike()
    assert journal.strikes == {}


def test_a_torn_journal_is_an_empty_one(tmp_path):
    path = tmp_path / "j.json"
    path.write_text('{"open": [0,')
    assert Journal.load(str(path)).strikes == {}
