"""The only writers of this app's rows, but for the ledger of units."""
