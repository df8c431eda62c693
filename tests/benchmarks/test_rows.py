import json

from benchmarks.timing import Samples

KEYS = {
    "workload", "n", "batch", "depth", "engine", "peer", "milliseconds", "peer_milliseconds", "ratio", "floor_ratio",
    "peak_mib",
}  # fmt: skip


def test_ratios(row):
    found = row()
    assert found.milliseconds == 2.0
    assert found.ratio == 50.0
    assert found.slowdown == 0.02
    assert found.floor_ratio == 2.0
    assert found.growth_mib == -19.5


def test_json_has_the_agreed_keys_and_plain_values(row):
    data = row().to_json()
    assert set(data) >= KEYS
    assert json.loads(json.dumps(data)) == data
    assert (data["n"], data["batch"], data["depth"], data["samples"]) == (4, 256, 6, 3)
    assert (data["peer_milliseconds"], data["peer_range"]) == (100.0, [50.0, 200.0])
    assert data["dtype"] == "float32"


def test_without_peer_and_floor_there_are_no_ratios(row):
    data = row(peer=None, against=None, floor=None, found=Samples((0.5, 0.25, 1.0)), peer_peak_mib=None).to_json()
    assert data["milliseconds"] == 500.0
    assert data["range"] == [250.0, 1000.0]
    for key in ("peer_milliseconds", "ratio", "floor_ratio", "peer_range", "floor_milliseconds", "peer_peak_mib"):
        assert data[key] is None
