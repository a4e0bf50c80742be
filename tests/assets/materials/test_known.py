import numpy as np
import pytest

from assets.materials.embody import embody
from assets.materials.errors import MaterialError
from assets.materials.kinds import KINDS
from assets.materials.known import of_kind, uniform_field
from assets.materials.properties import DENSITY, FILL, FRICTION, INDEX
from tests.assets.objects.made import brick

BRICK = brick()


def test_a_kind_known_by_name_has_the_middle_of_its_ranges_and_their_width():
    steel = KINDS["steel"]
    field = of_kind(BRICK, steel)
    assert field.unit(DENSITY)[0, 0, 0] == pytest.approx(np.sqrt(7700 * 8000), rel=1e-6)
    low, high = np.log10(steel.friction)
    assert field.std[0, 0, 0, INDEX[FRICTION]] == pytest.approx((high - low) / 4)
    assert embody(BRICK, field).inertial.mass == pytest.approx(0.2 * 0.1 * 0.06 * np.sqrt(7700 * 8000), rel=5e-3)


def test_what_is_of_sheet_weighs_its_share():
    field = of_kind(BRICK, KINDS["steel"], fill=0.1)
    assert field.unit(FILL).max() == pytest.approx(0.1)
    np.testing.assert_allclose(field.mass_density, 0.1 * field.unit(DENSITY))


def test_what_does_not_fit_is_told():
    with pytest.raises(MaterialError, match=r"expected a fill from 0\.001 to 1, found 2"):
        of_kind(BRICK, KINDS["steel"], fill=2.0)
    with pytest.raises(MaterialError, match="expected 6 means and standard deviations"):
        uniform_field(BRICK, KINDS["steel"], [0.0], [0.0])
