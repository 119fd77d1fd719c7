"""The report of one verification, in the five formats that people and machines read."""

from scoria_conformance.report.document import Document
from scoria_conformance.report.writing import FILES, Folder, FolderInUse, document, taken, write

__all__ = ["FILES", "Document", "Folder", "FolderInUse", "document", "taken", "write"]
