"""The one converter between values and the JSON text of the journal."""

from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter

from scoria_core.outcomes import StepSpec

converter = make_converter(detailed_validation=False)

# A start that is repeated under a later kit has the arguments, and the digest, that it had.
converter.register_unstructure_hook(
    StepSpec,
    make_dict_unstructure_fn(StepSpec, converter, retry=override(omit_if_default=True)),
)
