"""The one converter between values and the JSON text of the journal."""

from cattrs.preconf.json import make_converter

converter = make_converter(detailed_validation=False)
