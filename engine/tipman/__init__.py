"""Durable statecharts, tasks and workflows in one process on one file."""
