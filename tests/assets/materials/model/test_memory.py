import os
import subprocess
import sys

import pytest

_FAULTS = """
import resource
import numpy as np
from assets.materials.model.memory import keep_freed
if {keep}:
    assert keep_freed()
for _ in range(3):
    np.ones(6_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(6_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator only")
def test_memory_that_is_freed_is_not_asked_for_again():
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    asked = [[sys.executable, "-c", _FAULTS.format(keep=keep)] for keep in (False, True)]
    plain, kept = (int(subprocess.run(a, check=True, capture_output=True, env=environment).stdout) for a in asked)
    assert plain > 2000, "20 arrays of 48 MB, in pages of 4 kB"
    assert kept < plain / 20
