"""Data sources: what fields are made from. One module a source; :mod:`rhodiff.sources.registry` builds them."""
