"""The outside of Tipman: command line and REST; no rule lives here."""
