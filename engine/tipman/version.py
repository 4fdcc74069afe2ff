"""The version of Tipman, of which every part has the same."""

VERSION = "0.1.0"
