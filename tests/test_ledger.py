"""The ledger: atomic commits, sums that are checked, and nothing vouched for that is not there."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs import storage
from catalogs.errors import DamageError, UserError
from catalogs.ledger import Ledger, Row

counts = st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 1000), max_size=5)


def shard(folder, name="x", rows=3):
    path = str(folder / f"{name}.parquet")
    pq.write_table(pa.table({"id": list(range(rows))}), path)
    return path


def row(**changes):
    fields = {"step": "ingest", "shard": "source=a/x", "address": "A", "files": {}}
    return Row(**{**fields, "read": 3, "kept": 3, **changes})


@given(kept=st.integers(0, 1000), rejected=counts, quarantined=counts, lost=st.integers(-5, 5))
def test_a_row_sums_up_exactly_when_nothing_is_lost(kept, rejected, quarantined, lost):
    read = kept + sum(rejected.values()) + sum(quarantined.values()) + lost
    account = row(read=read, kept=kept, rejected=rejected, quarantined=quarantined)
    if lost:
        with pytest.raises(DamageError, match="source=a/x"):
            account.check_sum()
    else:
        account.check_sum()


def test_a_commit_publishes_files_and_then_vouches_for_them(tmp_path):
    ledger = Ledger(str(tmp_path / "run"))
    committed = ledger.commit(row(), {"documents": (shard(tmp_path), "documents/x.parquet")})
    file = committed.files["documents"]
    assert (file.rows, file.bytes) == (3, os.path.getsize(ledger.file(file)))
    assert storage.checksum(ledger.file(file)) == file.checksum
    assert ledger.rows() == [committed]
    assert ledger.committed("ingest", "source=a/x", "A") == committed


def test_an_account_that_does_not_sum_up_publishes_nothing(tmp_path):
    ledger = Ledger(str(tmp_path / "run"))
    with pytest.raises(DamageError):
        ledger.commit(row(kept=2), {"documents": (shard(tmp_path), "documents/x.parquet")})
    assert ledger.rows() == []
    assert storage.listing(ledger.root) == []


@pytest.mark.parametrize("harm", ["address", "missing", "size"])
def test_a_shard_is_committed_only_at_its_address_with_all_its_files(tmp_path, harm):
    ledger = Ledger(str(tmp_path / "run"))
    committed = ledger.commit(row(), {"documents": (shard(tmp_path), "documents/x.parquet")})
    path = ledger.file(committed.files["documents"])
    if harm == "missing":
        os.unlink(path)
    elif harm == "size":
        with open(path, "ab") as file:
            file.write(b"more")
    address = "B" if harm == "address" else "A"
    assert ledger.committed("ingest", "source=a/x", address) is None


def test_retiring_a_row_drops_its_files_but_not_those_of_another(tmp_path):
    ledger = Ledger(str(tmp_path / "run"))
    shared = ledger.commit(row(), {"documents": (shard(tmp_path), "documents/x.parquet")})
    other = row(shard="source=a/y")
    kept = ledger.commit(other, {"documents": (shard(tmp_path, "y"), "documents/y.parquet")})
    assert ledger.retire([shared]) == 1
    assert ledger.rows() == [kept]
    assert storage.exists(ledger.file("documents/y.parquet"))
    assert not storage.exists(ledger.file("documents/x.parquet"))


@pytest.mark.parametrize("text", ['{"step": "ingest"}', "", "[]", '{"files": []}', '{"files": 3}'])
def test_a_damaged_row_is_named(tmp_path, text):
    ledger = Ledger(str(tmp_path))
    path = tmp_path / "ledger" / "ingest" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(DamageError, match=r"x\.json"):
        ledger.rows()


def test_the_same_door_opens_object_stores(tmp_path):
    ledger = Ledger("memory://ledger-test/run")
    committed = ledger.commit(row(), {"documents": (shard(tmp_path), "documents/x.parquet")})
    assert ledger.rows() == [committed]
    assert storage.checksum(ledger.file("documents/x.parquet")) == (
        committed.files["documents"].checksum
    )
    assert storage.expand("memory://ledger-test/run/documents/*.parquet")
    ledger.retire([committed])
    assert ledger.rows() == []


def test_an_output_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be written.*'out:'"):
        storage.make_folder(str(blocker / "run"))
