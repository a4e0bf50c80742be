import numpy as np
import pytest
from trimesh import creation

from assets.objects.errors import ObjectError
from assets.objects.simple import of_pieces


def test_pieces_are_its_convex_parts():
    head, handle = creation.box((0.1, 0.04, 0.04)), creation.box((0.02, 0.02, 0.2))
    handle.apply_translation([0, 0, -0.12])
    mallet = of_pieces("mallet", head, handle)
    assert len(mallet.hulls) == 2
    assert mallet.inertial.mass == pytest.approx(1000 * (0.1 * 0.04**2 + 0.02**2 * 0.2), rel=5e-3)
    assert mallet.spec().compile().body("mallet").mass == pytest.approx(mallet.inertial.mass)
    np.testing.assert_allclose(mallet.inertial.com[:2], 0, atol=1e-6)


def test_what_has_no_volume_is_refused():
    flat = creation.box((0.1, 0.1, 0.1))
    flat.vertices[:, 2] = 0
    with pytest.raises(ObjectError, match=r"'flat': expected one or more pieces with a volume, found 0 of 1"):
        of_pieces("flat", flat)
    with pytest.raises(ObjectError, match="found 0 of 0"):
        of_pieces("nothing")


@pytest.mark.parametrize("radius", [0.02, 0.045])
def test_what_lies_within_another_piece_is_full(radius: float):
    thing = of_pieces("ball", creation.icosphere(3, radius), creation.icosphere(3, 0.05))
    assert thing.inertial.mass == pytest.approx(1000 * 4 / 3 * np.pi * 0.05**3, rel=0.02)
    assert len(thing.hulls) == 2
    assert thing.notes == ()
