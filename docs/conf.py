"""Sphinx configuration; `make docs` builds a site that works offline."""

project = "counterspin"
author = "the counterspin authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
