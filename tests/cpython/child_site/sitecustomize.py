"""Runs at the start of every Python that a test starts, and makes asyncio native there.

`test_external_inspection` watches other processes from outside: what it must find are roundelay's
tasks. `substitute.py` puts this folder on PYTHONPATH for that module only.
"""

import roundelay

roundelay.install()
