"""The compiled library: what is in it, what it keeps, and what happens where it is missing."""

import importlib.machinery
import logging
import os
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from compiled_engine import KERNELS, each_kernel, needs_kernel

from counterspin.circuits import OutcomeGroups, PauliExpectations, Readout, amplitude_encoding, feature, reuploading
from counterspin.errors import InputError, ResourceError, UsageError
from counterspin.simulation import engine_name, run
from counterspin.simulation.kernels import Kernel, kernel, library, lower

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
CIRCUIT = reuploading(3, 2)
READOUT = Readout(PauliExpectations.of("Z0", "X1"))
X = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
W = torch.rand(CIRCUIT.weights, generator=torch.Generator().manual_seed(1))


def test_a_compiler_on_the_path_means_a_compiled_engine() -> None:
    # Without this, a library that does not build would hide behind skipped tests.
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    assert kernel() is not None
    assert engine_name() == f"compiled ({kernel().variant})"


@needs_kernel
def test_the_variants_are_those_of_the_build() -> None:
    built = runpy.run_path(str(Path(__file__).parents[3] / "setup.py"))
    widths = {name: width for name, width, _ in built["VARIANTS"]["x86_64"]}
    assert library._VECTOR_BYTES == widths
    assert tuple(widths) == library.VARIANTS
    found = library.load_library()
    names = built["VARIANTS"].get(os.uname().machine, built["DEFAULT"])
    for variant, _, _ in names:
        for precision in ("f32", "f64"):
            for name in ("states_size", "forward", "backward"):
                assert hasattr(found, f"counterspin_{name}_{precision}_{variant}")
    assert {k.variant for k in KERNELS} <= {name for name, _, _ in names}


@pytest.mark.one_fast(5)
@each_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_kept_grow_with_the_batch_and_not_with_the_depth(kernel: Kernel, dtype: torch.dtype) -> None:
    x = torch.rand(17, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))
    sizes = {}
    for layers in (3, 96):
        circuit = reuploading(4, layers)
        program = lower(circuit, PauliExpectations.of("Z0"))
        for batch in (0, 1, 17):
            _, states = kernel.forward(program, x[:batch], torch.ones(circuit.weights, dtype=dtype), keep_states=True)
            assert states is not None
            sizes[layers, batch] = states.numel()
    lanes = kernel.lanes(x)
    for batch in (0, 1, 17):
        assert sizes[3, batch] == sizes[96, batch] == -(-batch // lanes) * lanes * 2**4 * 2 * x.element_size()


@each_kernel
def test_memory_for_states_is_foreseen(kernel: Kernel) -> None:
    x = torch.zeros(1000, 3, dtype=torch.float64)
    kept, plain = (kernel.state_bytes(10, x, kept=kept) for kept in (True, False))
    assert kept - plain == 1000 * 16 * 2**10
    assert plain == torch.get_num_threads() * 2 * kernel.lanes(x) * 16 * 2**10


@each_kernel
def test_no_memory_is_one_clear_error(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the kernel answers where malloc fails.
    monkeypatch.setattr(Kernel, "_function", lambda self, name, inputs: lambda *arguments: 1)
    program = lower(CIRCUIT, READOUT.measurement)
    with pytest.raises(ResourceError, match="found no memory for its states; use fewer qubits, smaller batches"):
        kernel.forward(program, X, W, keep_states=False)
    with pytest.raises(ResourceError, match="found no memory"):
        kernel.backward(program, X, W, torch.empty(0), torch.zeros(4, 2), wanted=(True, True))


@each_kernel
@pytest.mark.parametrize("complex_data", [False, True])
def test_the_zero_vector_is_named(kernel: Kernel, complex_data: bool) -> None:
    encoding = amplitude_encoding(3, complex_data=complex_data)
    circuit = encoding.add("RX", 0, feature(encoding.inputs))
    program = lower(circuit, OutcomeGroups.first(qubits=1, classes=2))
    x = torch.zeros(40, circuit.inputs)
    x[:, 2] = 1.0  # the last real part alone is enough
    x[:, -1] = 0.7  # the angle is no amplitude
    x[35, :-1] = 0.0
    with pytest.raises(InputError, match="sample 35 is the zero vector"):
        kernel.forward(program, x, torch.zeros(0), keep_states=False)
    x[35, -2] = 1.0
    values, _ = kernel.forward(program, x, torch.zeros(0), keep_states=False)
    assert torch.allclose(values.sum(1), torch.ones(40))


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The library is looked for again, now and by the tests that follow."""
    kernel.cache_clear()
    yield
    kernel.cache_clear()


def check_torch_serves(caplog: pytest.LogCaptureFixture, reason: str) -> None:
    with caplog.at_level(logging.DEBUG, logger="counterspin"):
        assert kernel() is None
        assert engine_name() == "torch"
        values = run(CIRCUIT, X, W, READOUT, engine="auto")
        with pytest.raises(
            UsageError,
            match=r"^engine is 'compiled', but it is not installed here \(`counterspin doctor` says why\)",
        ):
            run(CIRCUIT, X, W, READOUT, engine="compiled")
    assert torch.equal(values, run(CIRCUIT, X, W, READOUT, engine="torch"))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("counterspin", logging.WARNING)
    assert "the compiled engine is missing" in record.getMessage()
    assert reason in record.getMessage()
    assert record.getMessage().endswith("the torch engine serves, more slowly.")


@pytest.mark.usefixtures("forgotten")
def test_a_missing_library_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    check_torch_serves(caplog, "it was not built; install a C compiler such as gcc")


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("content", [b"", b"no library", b"\x7fELF"])
def test_a_damaged_library_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / f"_native{SUFFIX}").write_bytes(content)
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    check_torch_serves(caplog, f"_native{SUFFIX}")


@pytest.mark.usefixtures("forgotten")
def test_another_library_of_that_name_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = next(Path(torch.__file__).parent.joinpath("lib").glob("libc10.so"), None)
    if other is None:
        pytest.skip("torch has no such library here")
    (tmp_path / f"_native{SUFFIX}").symlink_to(other)
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    check_torch_serves(caplog, f"_native{SUFFIX} was built from other sources; install counterspin again")


@pytest.mark.usefixtures("forgotten")
@needs_kernel
def test_a_library_of_older_sources_is_not_called(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "LAYOUT", library.LAYOUT + 1)
    check_torch_serves(caplog, "was built from other sources")
