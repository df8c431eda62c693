"""The published JSON Schema of an audit: `python -m counterspin.evaluation.schema > schemas/audit-1.json`."""

import json
from typing import Any

from counterspin.evaluation.records import AuditRecord

__all__ = ["audit_schema"]


def audit_schema() -> dict[str, Any]:
    """JSON Schema of what `counterspin audit --json` prints, version 1."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **AuditRecord.model_json_schema(mode="serialization", by_alias=True),
    }


if __name__ == "__main__":
    print(json.dumps(audit_schema(), indent=1, ensure_ascii=False))
