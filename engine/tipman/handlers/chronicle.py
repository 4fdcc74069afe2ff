"""The chronicle: what happened to the registry, as logs of instances of the kind `registry`.

Each namespace has one, made when there is something to say, which ends with the namespace; what is
in no namespace, as tokens are, stands in one of its own, seen by whoever is bound to none.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tipman.charts import Move, move_registry
from tipman.instances import Instance, bare_instance
from tipman.jsontext import dumps
from tipman.tipman import TIPMan

NOWHERE = ""
"""The namespace of what is in none."""
KIND = "registry"
_ENDING = "namespace.deleted"


class Chronicle:
    """Writes down who did what to the registry, in the transaction that does it."""

    def __init__(self, new_id: Callable[[], bytes]) -> None:
        self.new_id = new_id

    def note(
        self, name: str, namespace: str, actor: str, data: Mapping[str, Any], directory: TIPMan
    ) -> None:
        """Stage a line of the log of a namespace's registry; no secret may be in *data*."""
        instance = _open_one(namespace, directory)
        if instance is None:
            # Its key is the same in every namespace, so that it is found by one look.
            instance = bare_instance(KIND, self.new_id(), namespace, KIND, KIND, directory.now)
            directory.add_row(instance)
        write_down(instance, move_registry(instance.snapshot, name), name, dumps(data),
                   directory, actor)  # fmt: skip
        if name == _ENDING:
            instance.settled_at = directory.now
            directory.free_key(instance)


def _open_one(namespace: str, directory: TIPMan) -> Instance | None:
    place = (namespace, KIND)
    identifier = directory.find_keys([place], KIND).get(place)
    found = None if identifier is None else directory.find(identifier)
    # One whose namespace has ended in this drain still has its key on disk.
    return None if found is None or found.is_settled else found


def write_down(
    instance: Instance,
    step: Move | None,
    name: str,
    data: str,
    directory: TIPMan,
    actor: str = "engine",
) -> None:
    """Stage a line of an instance that only keeps a log; *data* is JSON text.

    Raises:
        ValueError: its chart has no step for such an event.
    """
    if step is None:
        raise ValueError(f"{name} is no event of a {instance.kind}")
    before = instance.configuration if instance.sequence else ""
    instance.take(step)
    directory.touch(instance)
    directory.log(instance, name, before, data, actor)
