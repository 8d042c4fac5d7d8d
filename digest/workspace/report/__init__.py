"""Report of an issue and of all issues: numbers from the ledger, who did not get it, and pages of them. Read-only."""
