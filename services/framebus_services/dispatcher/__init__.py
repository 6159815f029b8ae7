"""The dispatcher: carries the messages, keeps retained state, and owns the ledger of jobs."""
