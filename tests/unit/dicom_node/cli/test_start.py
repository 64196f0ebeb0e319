"""A call that only asks for help loads nothing that takes long."""

import json
import subprocess
import sys

SLOW = {"alembic", "fastapi", "highdicom", "numpy", "pydantic", "pydicom", "sqlalchemy"}
LOADED = "import json, sys, dicom_node.cli; print(json.dumps(sorted(sys.modules)))"


def test_the_list_of_commands_loads_no_large_library():
    told = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True
    )
    assert SLOW.isdisjoint(json.loads(told.stdout))
