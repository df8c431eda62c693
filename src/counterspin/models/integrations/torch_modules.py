"""Any `torch.nn.Module` as a model, whatever is inside."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Candidate, Options
from counterspin.models.integrations.value_kinds import guessed_values
from counterspin.models.integrations.wrapped import raw_values
from counterspin.models.modes import in_evaluation

__all__ = ["ModuleHome", "claims", "read"]

# Agreement of a float64 copy with the module itself, relative to the largest value: in float32, and in a narrower type
# in units of its rounding, which every layer repeats.
_SAME, _ROUNDINGS = 1e-4, 16


class ModuleHome(nn.Module):
    """A torch module in evaluation mode, called in its own precision and on its own device.

    Args:
        module: the module, or a copy of it that nobody else holds.
        owned: a copy of our own; only such a one becomes a submodule, so that nothing outside a call ever changes the
            user's module.
        dtype: in which it computes.
    """

    def __init__(self, module: nn.Module, *, owned: bool, dtype: torch.dtype) -> None:
        super().__init__()
        if owned:
            self.owned = module
        self._held = (module,)  # a tuple is no submodule
        self.is_owned = owned
        self.dtype = dtype
        # Some simulators return wrong input gradients with frozen weights: then they stay trainable in a call.
        self.trainable = False

    @property
    def module(self) -> nn.Module:
        """The module that is called."""
        return self._held[0]

    def weights(self) -> dict[str, Tensor]:
        """Its parameters by name."""
        return dict(self.module.named_parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Raw values of `x` `(batch, features)`, in its dtype and on its device.

        Raises:
            ModelError: the module returns no tensor.
        """
        module = self.module
        device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), x.device)
        # A module of the user's that counts its calls, say, gets its buffers back.
        before = [] if self.is_owned else [(buffer, buffer.clone()) for buffer in module.buffers()]
        with in_evaluation(module, trainable=self.trainable):
            values = module(x.to(device, self.dtype))
        for buffer, value in before:
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)
        if not isinstance(values, Tensor) or values.is_complex():
            found = values.dtype if isinstance(values, Tensor) else type(values).__name__
            raise ModelError(f"model returned {found}; return a tensor of real scores, one row per sample.")
        return values.to(x)


def claims(model: Any) -> bool:
    """Whether it is a torch module."""
    return isinstance(model, nn.Module)


def read(model: nn.Module, options: Options) -> Candidate:
    """The module as a candidate: a copy of it, in float64 where that computes the same.

    Raises:
        ModelError: a module that raises, or returns something else than a tensor.
    """
    if options.weights or options.inputs:
        raise ModelError("weights and inputs are for functions with other arguments; a torch module holds its own.")
    repairs = ["it was in training mode, and is run in evaluation mode"] if model.training else []
    home, remark = _home(model, options.x)
    repairs += [remark] if remark else []
    attached = options.gradient != "none" and _is_attached(home, options.x)
    reason = "a torch module holds no circuit that could be read as a whole; it is called as it is"

    def mend() -> str:
        home.trainable = True
        return (
            "its input gradient was wrong while its weights were frozen, as attacks freeze them; they stay trainable "
            "in its calls"
        )

    return Candidate(
        kind="torch.Module",
        home=home,
        values=guessed_values(home, options.x),
        home_differentiable=attached,
        stochastic=False,
        imported=None,
        reason=reason,
        repairs=tuple(repairs),
        features=None,
        state=home.weights,
        mend=mend if attached and any(True for _ in model.parameters()) else None,
    )


def _home(model: nn.Module, x: Tensor) -> tuple[ModuleHome, str | None]:
    """The module to call and what was changed: a float64 copy, a copy, or the module itself."""
    dtype = next((p.dtype for p in (*model.parameters(), *model.buffers()) if p.is_floating_point()), torch.float64)
    itself = ModuleHome(model, owned=False, dtype=dtype)
    with torch.no_grad():
        expected = raw_values(itself, x[:2])
        for wanted in dict.fromkeys((torch.float64, dtype)):
            try:
                # Not every module can be copied, and a copy of a simulator may not work: it is tried.
                owned = copy.deepcopy(model).to(wanted)
                home = ModuleHome(owned, owned=True, dtype=wanted).requires_grad_(False).eval()
                found = raw_values(home, x[:2])
            except Exception:  # noqa: S112
                continue
            same = max(_SAME, _ROUNDINGS * torch.finfo(dtype).eps) if dtype.itemsize < 4 else _SAME
            if float((found - expected).abs().max()) <= same * max(1.0, float(expected.abs().max())):
                return (
                    home,
                    None if wanted == dtype else f"it computes in {_name(dtype)}, and is run in {_name(wanted)}",
                )
    return itself, None if dtype == torch.float64 else f"it computes in {_name(dtype)}, where features are rounded"


def _is_attached(home: ModuleHome, x: Tensor) -> bool:
    """Whether autograd reaches the input.

    Raises:
        ModelError: it does not.
    """
    with torch.enable_grad():
        values = home(x[:2].clone().requires_grad_().clone())
    if not values.requires_grad:
        raise ModelError(
            "model is a torch module whose values carry no gradient to its input: a detach(), a conversion to NumPy or "
            "a switch such as input_gradients=False cuts it off. Mend it, or pass gradient='none' to treat it as a "
            "black box."
        )
    return True


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
