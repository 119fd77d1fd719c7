"""The report of one verification, in the five formats that people and machines read."""

from scoria_conformance.report.document import Document
from scoria_conformance.report.writing import FILES, document, write

__all__ = ["FILES", "Document", "document", "write"]
