"""What tests of bridges share; where the library of one is not installed, its tests are left out.

`test_installed` says so, and fails where everything must run.
"""

from importlib.util import find_spec

from tests.bridges.libraries import LIBRARIES

collect_ignore_glob = [f"test_{name}*.py" for name in LIBRARIES if find_spec(name) is None]
