"""The promises of the guide as Gherkin; `conformance/` binds each step to code."""
