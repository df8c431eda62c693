"""Parts other distributions bring, found by their entry points and imported only when asked for.

A distribution registers, in its pyproject.toml,

    [project.entry-points."counterspin.attacks"]
    my-attack = "my_package.attacks:MyAttack"

and `counterspin list attacks` shows it as soon as the distribution is installed.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from counterspin.errors import UsageError

__all__ = ["Plugin", "plugins"]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """An entry point that has not been imported yet.

    Args:
        name: what users type.
        group: for example `counterspin.attacks`.
        target: `module:object`.
        distribution: name and version of what registered it.
    """

    name: str
    group: str
    target: str
    distribution: str

    def load(self) -> Any:
        """Import the object.

        Raises:
            UsageError: importing it failed, for whatever reason.
        """
        try:
            return EntryPoint(name=self.name, group=self.group, value=self.target).load()
        except Exception as error:
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, reason: str) -> UsageError:
        """The one sentence a broken plugin is worth."""
        return UsageError(
            f"{self.distribution} registers {self.name!r} in {self.group} as {self.target}, which cannot be used "
            f"({' '.join(reason.split())}); repair, upgrade or uninstall {self.distribution.split()[0]}."
        )


def plugins(group: str) -> dict[str, Plugin]:
    """Every plugin of `group` by name, in the order of the names. Nothing is imported.

    Raises:
        UsageError: two distributions register one name.

    Example:
        >>> plugins("counterspin.nothing")
        {}
    """
    found: dict[str, Plugin] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        origin = point.dist
        name = "an unknown distribution" if origin is None else f"{origin.name} {origin.version}"
        plugin = Plugin(name=point.name, group=group, target=point.value, distribution=name)
        other = found.get(plugin.name)
        # A distribution that is on the path twice registers the same thing twice.
        if other is not None and (other.distribution, other.target) != (plugin.distribution, plugin.target):
            raise UsageError(
                f"{other.distribution} and {plugin.distribution} both register {plugin.name!r} in {group}; uninstall "
                "one of them."
            )
        found[plugin.name] = plugin
    return found
