"""Shared test set-up: run-time shape and type checks (jaxtyping + beartype) on the package under test."""

import torch
from jaxtyping import install_import_hook

torch.set_num_threads(1)

# Before anything of the package is imported; a test-only hook, the package itself does not depend on either library.
install_import_hook("counterspin", "strict_types.typechecker")
