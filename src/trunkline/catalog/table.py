"""The dated table of models that ships with the package: names, prices, limits, capabilities.

Decides which entry a name means and which of its prices is in force on a day. Does not decide which
provider is asked (``resolve``). ``models.json`` is made by ``tools/prices.py``; an entry becomes a
``Model`` when it is asked for.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from .models import Model, Prices, Rates

ANY: Final = "*"
"""The id of an entry that stands for every model of its section, as with local ones."""

# How a provider extends an id without meaning another model: a date, "latest", a version, a
# preview. An entry's ``forms`` lists the letters whose price is known to be its own.
_FORM = re.compile(
    r"(?P<stem>.+?)(?:(?P<d>-20\d{6})|(?P<i>-20\d\d-\d\d-\d\d)|(?P<a>@20\d{6})|(?P<l>-latest)"
    r"|(?P<v>-\d{3})|(?P<p>-preview(?:-\d\d-\d{2}|-\d\d-\d{4})?))"
)
_FREE_CHOICE = frozenset({"fastest", "cheapest", "preferred"})  # Hugging Face picks the route
_KEPT = 1_024


class _Found(NamedTuple):
    entry_id: str
    sent_as: str
    route: str | None = None


class Catalog:
    """Models by section (a section is a provider's kind, e.g. ``"openai"``).

    Args:
        table: JSON as ``tools/prices.py`` writes it.
    """

    def __init__(self, table: bytes) -> None:
        from pydantic_core import from_json  # a Router that is only built needs no table

        parsed = from_json(table)
        self.date: str = parsed["date"]
        self.source: str = parsed["source"]
        self._entries: dict[str, dict[str, dict[str, Any]]] = parsed["models"]
        self._names: dict[str, dict[str, tuple[str, bool]]] = {}
        self._built: dict[tuple[str, str, int], Model] = {}

    @staticmethod
    @cache
    def bundled() -> Catalog:
        """Return the package's own table, parsed at the first call."""
        return Catalog(Path(__file__).with_name("models.json").read_bytes())

    @property
    def sections(self) -> tuple[str, ...]:
        """Names of the sections, sorted."""
        return tuple(self._entries)

    def get(self, section: str, model_id: str, *, on: str | None = None) -> Model | None:
        """Find a model by its id, a dated id or an alias.

        Args:
            section: Of the provider.
            model_id: As the caller wrote it; kept as the model's id, except for a short alias that
                no provider takes.
            on: ISO day of the call: announced prices in force by then apply. Default: the table's
                own day.

        Returns:
            ``None`` where the table has no entry that is known to mean this model.
        """
        found = self._find(section, model_id)
        if found is None:
            return None
        entry = self._entries[section][found.entry_id]
        changes = _changes_by(entry, on)
        key = (section, f"{found.sent_as}|{found.entry_id}", changes)
        model = self._built.get(key)
        if model is None:
            model = _model(found, entry, self.date, changes)
            if len(self._built) >= _KEPT:  # dated ids are endless
                self._built.clear()
            self._built[key] = model
        return model

    def local(self, section: str, model_id: str) -> Model | None:
        """Describe a model the table does not list, where its section prices every model alike.

        That is so for models on one's own computer, which cost nothing. What runs on a company's
        ("cloud" in its name) is billed by it, so its price is unknown.
        """
        entry = self._entries.get(section, {}).get(ANY)
        if entry is None or "cloud" in model_id.lower():
            return None
        return _model(_Found(ANY, model_id), entry, self.date, 0)

    def models(self, section: str, *, on: str | None = None) -> tuple[Model, ...]:
        """List a section's models under their own ids, sorted; empty for an unknown section."""
        names = (name for name in self._entries.get(section, ()) if name != ANY)
        found = (self.get(section, name, on=on) for name in names)
        return tuple(model for model in found if model is not None)

    def names(self, section: str) -> tuple[str, ...]:
        """List every name of a section's models, aliases too, in lower case."""
        return tuple(self._index(section))

    def _find(self, section: str, model_id: str) -> _Found | None:
        index = self._index(section)
        name = model_id.lower()
        if name in index:
            entry_id, is_alias = index[name]
            return _Found(entry_id, entry_id if is_alias else model_id)
        form = _FORM.fullmatch(name)
        if form is not None and form["stem"] in index:
            entry_id, _ = index[form["stem"]]
            if (form.lastgroup or "") in self._entries[section][entry_id].get("forms", ""):
                return _Found(entry_id, model_id)
        stem, _, route = name.rpartition(":")
        if stem in index and "routes" in self._entries[section][index[stem][0]]:
            return _Found(index[stem][0], model_id, None if route in _FREE_CHOICE else route)
        return None

    def _index(self, section: str) -> dict[str, tuple[str, bool]]:
        """Map each lower-case name to its entry and whether it is only an alias of ours."""
        index = self._names.get(section)
        if index is None:
            index = dict[str, tuple[str, bool]]()
            for entry_id, entry in self._entries.get(section, {}).items():
                if entry_id == ANY:
                    continue
                index[entry_id.lower()] = (entry_id, False)
                for name in entry.get("names", ()):
                    index.setdefault(name.lower(), (entry_id, False))
                for name in entry.get("aliases", ()):
                    index.setdefault(name.lower(), (entry_id, True))
            self._names[section] = index
        return index


def _changes_by(entry: dict[str, Any], on: str | None) -> int:
    """Count the announced price changes in force on a day."""
    return sum(on is not None and start <= on for start, _ in entry.get("then", ()))


def _model(found: _Found, entry: dict[str, Any], dated: str, changes: int) -> Model:
    priced, version = entry, dated
    if changes:
        start, priced = entry["then"][changes - 1]
        version = f"{dated}+{start}"
    if found.route is not None:
        rates = entry["routes"].get(found.route)
        priced = {} if rates is None else {"rates": rates}
    return Model(
        found.sent_as,
        prices=_prices(priced, version),
        context=entry.get("context"),
        max_output=entry.get("max_output"),
        supports=entry.get("supports"),
        quality=entry.get("quality"),
        auto=entry.get("auto", False),
        entry=None if found.entry_id == ANY else found.entry_id,
    )


def _prices(priced: dict[str, Any], version: str) -> Prices | None:
    if "rates" not in priced:
        return None
    return Prices(
        base=Rates(**priced["rates"]),
        tiers=tuple((above, Rates(**rates)) for above, rates in priced.get("tiers", ())),
        version=version,
    )
