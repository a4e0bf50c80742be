import math
from dataclasses import fields, replace

import pytest

from assets.robots import GO2, SO101, SafetyLimits
from assets.robots.safety import SafetyError


@pytest.mark.parametrize("field", [field.name for field in fields(SafetyLimits)])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_what_is_no_limit_is_refused_by_name(field, value):
    with pytest.raises(SafetyError, match=field):
        replace(SafetyLimits(), **{field: value})


def test_only_what_may_be_unlimited_is():
    assert replace(SafetyLimits(), torque=math.inf).torque == math.inf
    with pytest.raises(SafetyError, match="stale_seconds"):
        replace(SafetyLimits(), stale_seconds=math.inf)


def test_built_in_robots_have_limits_of_their_own():
    assert GO2.safety != SafetyLimits()
    assert SO101.safety.torque == math.inf  # a servo of positions bounds its torque itself
