"""Runs: workflows that were started, each an instance with the tasks that belong to it."""
