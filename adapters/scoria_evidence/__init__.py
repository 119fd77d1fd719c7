"""The evidence of a store as a file: journals written out, and read back without the store.

found = Selection(store, tenant_id="tenant-1")
write_file(found, Path("evidence.jsonl"), "jsonl")
for run in exported_runs(Path("evidence.jsonl")):
print(run.run_id, run.head_digest)
"""

from scoria_evidence.errors import ExportRefused
from scoria_evidence.parquet import check_duckdb
from scoria_evidence.place import checked_place
from scoria_evidence.reading import exported_runs
from scoria_evidence.writing import Selection, write_file, write_lines

__all__ = [
    "ExportRefused",
    "Selection",
    "check_duckdb",
    "checked_place",
    "exported_runs",
    "write_file",
    "write_lines",
]
