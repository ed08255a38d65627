"""Griffe extension for the API reference: docstrings are set as `text.to_markdown` says."""

from __future__ import annotations

from griffe import Extension, Object

from docs.generate.inserts import linked
from docs.generate.text import to_markdown


class PlainDocstrings(Extension):
    """Rewrites each docstring once, when its object has been read."""

    def on_instance(self, *, obj: Object, **_: object) -> None:
        """Called by Griffe for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = linked(to_markdown(obj.docstring.value), 1)
