"""The published JSON Schemas: `python -m counterspin.evaluation.schema audit > schemas/audit-1.json`."""

import json
import sys
from typing import Any, Literal

from pydantic import BaseModel

from counterspin.evaluation.certification_records import CertifyRecord
from counterspin.evaluation.hardening.record import HardenRecord
from counterspin.evaluation.parts.record import AttackRunRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.noise.devices.calibration_file import DeviceFile

__all__ = ["SCHEMAS", "attack_schema", "audit_schema", "certify_schema", "device_schema", "harden_schema"]


def audit_schema() -> dict[str, Any]:
    """JSON Schema of what `counterspin audit --json` prints, version 1."""
    return _schema(AuditRecord)


def attack_schema() -> dict[str, Any]:
    """JSON Schema of what `counterspin attack --json` prints, version 1."""
    return _schema(AttackRunRecord)


def certify_schema() -> dict[str, Any]:
    """JSON Schema of what `counterspin certify --json` prints, version 1."""
    return _schema(CertifyRecord)


def harden_schema() -> dict[str, Any]:
    """JSON Schema of what `counterspin harden --json` prints, version 1."""
    return _schema(HardenRecord)


def device_schema() -> dict[str, Any]:
    """JSON Schema of a user's own calibration file, which `--device` takes, version 1."""
    return _schema(DeviceFile, "validation")


SCHEMAS = {
    "attack": attack_schema,
    "audit": audit_schema,
    "certify": certify_schema,
    "device": device_schema,
    "harden": harden_schema,
}


def _schema(record: type[BaseModel], mode: Literal["serialization", "validation"] = "serialization") -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **record.model_json_schema(mode=mode, by_alias=True),
    }


if __name__ == "__main__":
    print(json.dumps(SCHEMAS[sys.argv[1]](), indent=1, ensure_ascii=False))
