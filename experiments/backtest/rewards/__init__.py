"""Published rewards that read texts, written out for the ledger; each cites its paper."""
