"""Where the libraries of the hosts are not installed, their tests are left out.

`test_installed` says so, and fails where everything must run.
"""

from tests.hosts.libraries import lacking

collect_ignore_glob = ["test_forms.py", "test_served.py", "test_settings.py"] if lacking() else []
