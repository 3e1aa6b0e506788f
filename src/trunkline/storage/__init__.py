"""All SQL: database, migrations, ledger, event log, learned state, usage."""
