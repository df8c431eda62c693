"""The published schemas of calibration files and of attacks; other records are tested with the records."""

import json
from pathlib import Path

import jsonschema
import pytest
from calibrations import calibrated

from counterspin.evaluation.schema import attack_schema, device_schema
from counterspin.noise.devices.calibration_file import write

SCHEMA = Path(__file__).parents[2] / "schemas" / "device-1.json"


def test_the_published_schema_of_devices_is_current_and_describes_what_is_written(tmp_path):
    assert json.loads(SCHEMA.read_text()) == device_schema(), (
        "python -m counterspin.evaluation.schema device > schemas/device-1.json"
    )
    write(calibrated([(0, 1)]), tmp_path / "toy.json")
    document = json.loads((tmp_path / "toy.json").read_text())
    jsonschema.validate(document, device_schema())
    document["gates"][0]["kind"] = "sx"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, device_schema())


def test_the_published_schema_of_attacks_is_current():
    published = json.loads((SCHEMA.parent / "attack-1.json").read_text())
    assert published == attack_schema(), "python -m counterspin.evaluation.schema attack > schemas/attack-1.json"
