"""The run-time type checker of the tests: an int is a fine float and a float a fine complex (PEP 484)."""

from beartype import BeartypeConf, beartype

__all__ = ["typechecker"]

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
