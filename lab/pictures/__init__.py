"""Pictures of the demo, the console and the report, to look at and for `docs/pictures/`."""
