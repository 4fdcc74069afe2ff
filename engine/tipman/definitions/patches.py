"""Patches: what a schedule is asked to be once some of its fields are given anew."""

from collections.abc import Mapping
from typing import Any

from tipman.definitions.schedules import TARGETS, TRIGGERS, CatchUp, Schedule
from tipman.definitions.tasks import refusal
from tipman.errors import Fault

_FIXED = ("key", "name", "namespace")
_LIMITS = {"overlap": ("queue_max", "queue_all"), "policy": ("max", "all")}
"""By policy, the limit that means something with one value of it alone."""
_BESIDE_TARGETS = ("arguments", "input")


def patched(spec: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return *spec* with the fields of *patch*; null puts one back to its default.

    A time takes the place of another, as does what is submitted; a limit goes with the policy
    that it belongs to. Of `catch_up` what is not named stays.

    Raises:
        InvalidError: a field of *patch* can not be changed.
    """
    detail = "can not be changed; make another schedule"
    fixed = [Fault(f"/{name}", detail) for name in _FIXED if name in patch]
    if fixed:
        raise refusal(fixed)
    given = dict(spec)
    for group in (TRIGGERS, TARGETS):
        if any(patch.get(name) is not None for name in group):
            gone = group if group is TRIGGERS else (*group, *_BESIDE_TARGETS)
            given = {name: value for name, value in given.items() if name not in gone}
    catch_up = patch.get("catch_up")
    if isinstance(catch_up, Mapping):
        patch = {**patch, "catch_up": _merged(given.get("catch_up", {}), catch_up)}
    return _merged(given, patch)


def _merged(given: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**given, **patch}
    for policy, (limit, value) in _LIMITS.items():
        if policy in patch and patch[policy] != value and limit not in patch:
            merged.pop(limit, None)
    # What nobody knows is refused, also where it is null.
    return {n: v for n, v in merged.items() if v is not None or not _is_known(n)}


def _is_known(name: str) -> bool:
    return name in Schedule.model_fields or name in CatchUp.model_fields
