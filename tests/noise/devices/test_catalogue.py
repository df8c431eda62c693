"""How devices are asked for, and the list of them."""

import importlib.util
import statistics

import pytest

from counterspin.errors import InputError, MissingExtraError, UsageError
from counterspin.noise.devices import google, ibm, list_devices, load, missing_packages

FEW = ("armonk", "cusco", "kyoto", "manila", "toronto")
shipped = pytest.mark.skipif(bool(missing_packages()), reason="the devices extra is not installed")


@shipped
@pytest.mark.parametrize("date", ["", "@2024-05-27", "@2024", "@2024-05-27T15:27:23-03:00"])
def test_a_date_may_stand_behind_the_name(date):
    manila = load(f"ibm:manila{date}")
    assert (manila.name, manila.date) == ("ibm:manila", "2024-05-27T15:27:23-03:00")
    assert manila is load("ibm:manila")


@shipped
@pytest.mark.parametrize("date", ["2023-01-01", "05-27", ""])
def test_a_date_that_does_not_ship(date):
    with pytest.raises(
        UsageError, match=r"no calibration of ibm:manila from .* ships; there is ibm:manila@2024-05-27\."
    ):
        load(f"ibm:manila@{date}")


@shipped
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ibm:manilla", r"no calibration of ibm:manilla; devices: .*manila.*Did you mean ibm:manila\?"),
        ("ibm:zzzzzzzz", r"no calibration of ibm:zzzzzzzz; devices: aachen, .*yorktown\.$"),
        ("google:willow", r"Did you mean google:willow_pink\?"),
        ("manila", r"device is 'manila'; give ibm:<name>.*Did you mean ibm:manila"),
        ("imb:manila", r"device is 'imb:manila'; .*Did you mean ibm:manila\?"),
        ("ibm:", r"device is 'ibm:'; give ibm:<name>"),
        ("", "device is ''; give ibm:<name>"),
    ],
)
def test_unknown_devices(name, message):
    with pytest.raises(UsageError, match=message):
        load(name)


def test_a_calibration_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"device is .*chip\.json, and there is no such file"):
        load(str(tmp_path / "chip.json"))


@pytest.mark.parametrize(("name", "package"), [("ibm:manila", "qiskit-ibm-runtime"), ("google:rainbow", "cirq-google")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=rf"come with {package}, .*pip install counterspin\[devices\]"):
        load(name)
    assert list_devices() == ()
    assert missing_packages() == ("qiskit-ibm-runtime", "cirq-google")


@shipped
def test_rows(monkeypatch):
    files = ibm.devices() or {}
    monkeypatch.setattr(ibm, "devices", lambda: {name: files[name] for name in FEW})
    rows = {row.name: row for row in list_devices()}
    assert list(rows) == [f"ibm:{name}" for name in FEW] + [f"google:{name}" for name in google.devices() or {}]
    manila = rows["ibm:manila"]
    qubits = load("ibm:manila").qubits
    assert (manila.vendor, manila.qubits, manila.date, manila.usable, manila.note) == ("ibm", 5, "2024-05-27", True, "")
    assert manila.t1_median == statistics.median(qubit.t1 for qubit in qubits)
    assert manila.readout_error_median == statistics.median(sum(qubit.readout) / 2 for qubit in qubits)
    assert manila.two_qubit_error_median == pytest.approx(0.010091, rel=1e-3)
    kyoto = rows["ibm:kyoto"]
    assert (kyoto.usable, kyoto.two_qubit_error_median) == (False, None)
    assert kyoto.note.startswith("No pair of qubits works: only circuits of one qubit.")
    assert rows["ibm:armonk"].usable
    assert "27 of 127 qubits cannot be used." in rows["ibm:cusco"].note
    assert "On 27 of 28 pairs relaxation" in rows["ibm:toronto"].note


@shipped
@pytest.mark.slow
def test_every_device_that_ships_has_a_row():
    rows = list_devices()
    assert len(rows) >= 62
    assert [row.name for row in rows if not row.usable] == ["ibm:kyoto"]
    assert all(1e-6 < row.t2_median < 2 * row.t1_median < 2e-3 for row in rows)
    assert all(1e-3 < row.two_qubit_error_median < 0.06 for row in rows if row.qubits > 1 and row.usable)


@shipped
def test_a_damaged_calibration_is_a_row_that_is_not_usable(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    damaged = tmp_path / "gone" / "props_gone.json"
    damaged.write_text("{")
    monkeypatch.setattr(ibm, "devices", lambda: {"gone": damaged})
    row = list_devices()[0]
    assert (row.name, row.usable, row.qubits) == ("ibm:gone", False, 0)
    assert "cannot be read" in row.note
    with pytest.raises(InputError, match="the calibration of ibm:gone cannot be read"):
        load("ibm:gone")
