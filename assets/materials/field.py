"""What is believed of an object's material, voxel by voxel: `MaterialField`.

    field = predict(mug)                                    # or that of known materials, without doubt
    field.unit(FRICTION)                                    # (nx, ny, nz), the likeliest values
    field.mass_density                                      # kg/m³ of each voxel, hollows included
    embody(mug, field)                                      # the mug made of it, its mass where its walls are
    field.drawn(rng)                                        # another mug that it might as well be

Draws differ from the mean by one number per property, in standard deviations, for the whole object: what one does not know of a
material is wrong in the same way wherever the object is made of it.
"""

from dataclasses import dataclass, replace

import numpy as np

from assets.materials.errors import MaterialError
from assets.materials.properties import DENSITY, FILL, INDEX, PROPERTIES, Property


@dataclass(frozen=True, eq=False)
class MaterialField:
    """Arrays are indexed by x, y, z as those of `assets.objects.voxels.Voxels`; outside the object they mean nothing."""

    classes: np.ndarray
    """Probability of each of `assets.materials.classes.CLASSES`, (nx, ny, nz, classes)."""
    mean: np.ndarray
    """Of PROPERTIES, on their scales, (nx, ny, nz, properties)."""
    std: np.ndarray
    """Likewise; zero where there is no doubt."""

    def __post_init__(self) -> None:
        shape = (*self.classes.shape[:3], len(PROPERTIES))
        if self.mean.shape != shape or self.std.shape != shape:
            raise MaterialError(
                f"means and standard deviations must have shape {shape}, found {self.mean.shape} and {self.std.shape}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std >= 0).all()):
            raise MaterialError("means must be finite and standard deviations finite and not negative")

    def unit(self, prop: Property) -> np.ndarray:
        """The mean belief in the property's unit, (nx, ny, nz)."""
        return prop.to_unit(self.mean[..., INDEX[prop]])

    @property
    def mass_density(self) -> np.ndarray:
        """kg/m³ of the voxels, of which only a share is material."""
        return self.unit(DENSITY) * self.unit(FILL)

    def drawn(self, rng: np.random.Generator) -> "MaterialField":
        """One that it might be, without doubt."""
        away = rng.standard_normal(len(PROPERTIES))
        return replace(self, mean=self.mean + away * self.std, std=np.zeros_like(self.std))

    def masses(self, volumes: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Of so many that it might be, drawn as by `drawn`; of voxels with those volumes (m³) of the object, (count,) kg."""
        away = np.random.default_rng(seed).standard_normal((count, len(PROPERTIES)))
        some = volumes > 0
        mean, std, volume = self.mean[some], self.std[some], volumes[some]

        def unit(prop: Property, away: np.ndarray) -> np.ndarray:
            return prop.to_unit(mean[:, INDEX[prop]] + away[INDEX[prop]] * std[:, INDEX[prop]])

        return np.array([float((volume * unit(DENSITY, a) * unit(FILL, a)).sum()) for a in away])
