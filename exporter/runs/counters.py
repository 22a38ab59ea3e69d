"""A job's record with other counters: as counted, and as shown."""

from exporter.model.frozen import replace
from exporter.model.record import Record
from exporter.model.run import Ledger


def recounted(record: Record, ledger: Ledger) -> Record:
    """Return the record with what was counted; with a journal its counters are shown when they are on disk."""
    if ledger is record.ledger or ledger == record.ledger:
        return record
    # Times are shown at once: the first poll after a crash tells them again, and on a full disk they must not age.
    record = replace(
        record,
        ledger=ledger,
        last_success=ledger.last_success,
        last_failure=ledger.last_failure,
        last_run_duration=ledger.last_run_duration,
    )
    return record if record.journaled else with_ledger(record, ledger)


def with_ledger(record: Record, ledger: Ledger) -> Record:
    """Return the record with the counters of *ledger*: what is on disk, if there is a journal."""
    return replace(record, runs=ledger.runs, totals=ledger.totals, took=ledger.took)
