"""Schedules: what submits work when its time has come, and a row for every instant it was due."""
