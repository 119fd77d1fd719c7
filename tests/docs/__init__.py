"""What is written for readers, held to the code: `docs/`, `spec/` and CONTRIBUTING.md."""
