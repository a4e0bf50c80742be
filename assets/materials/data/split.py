"""Which samples are held out: by families of shapes and textures and by combinations of materials, never by chance alone.

    split = Split.drawn(data.tags, seed=0)
    train, calibration, test = split.parts(data)            # indices; nothing held out is in the first two
    split.held_out                                          # {"shapes": ("torus",), ...}

A made sample is for testing where any of its parts has a held-out family, or its materials are a held-out combination: the
predictor has then never seen that shape, that pattern, or those materials together. No family is held out that most samples of
a class have: without grain there would be no wood to learn from.

Scans, as PixieVerse's, are of no such family, and many are of one material alone: of those a fifth of the objects of each
combination is held out, which are drawn. The predictor has then seen others like them.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.materials.data import shapes, textures
from assets.materials.data.shards import Data, Tags
from assets.materials.errors import MaterialError

_CALIBRATION = 0.08  # of what is not held out
_MOST = 0.5  # of a class's samples that a held-out family may take
_FEW = 30  # samples of a class that tell nothing yet
_HELD = 5  # one of so many scans is held out
_TEXTURES = 10  # likewise of families of textures


@dataclass(frozen=True)
class Split:
    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    combinations: tuple[tuple[str, ...], ...]
    seed: int = 0
    """Which of the others are for calibration."""
    objects: tuple[int, ...] = ()
    """Numbers of the samples that are held out themselves, as they are of no family."""

    @classmethod
    def drawn(cls, tags: tuple[Tags, ...], seed: int) -> "Split":
        """One family of shapes, a tenth of those of textures and a fifth of the combinations of materials, drawn; of scans a
        fifth of the objects of each combination.

        Plain colours are never held out, being no pattern; nor single materials, as a class never seen can't be told. Raises
        MaterialError where the data leave nothing to hold out.
        """
        if seed < 0:
            raise MaterialError(f"the seed of a split must be 0 or more, found {seed}")
        rng = np.random.default_rng([seed, 7])
        if not any(set(tag.shapes) & set(shapes.FAMILIES) for tag in tags):
            return cls((), (), (), seed, _scans(tags, rng))
        several = sorted({tag.combination for tag in tags if len(tag.combination) > 1})
        if not several:
            raise MaterialError("the data have no object of several materials: make more")
        chosen = rng.choice(len(several), max(1, len(several) // 5), replace=False)
        patterned = [name for name in textures.FAMILIES if name != "plain"]
        solids = _drawn([tag.shapes for tag in tags], tags, shapes.FAMILIES, 1, rng)
        patterns = _drawn([tag.textures for tag in tags], tags, patterned, max(1, len(patterned) // _TEXTURES), rng)
        return cls(solids, patterns, tuple(several[i] for i in sorted(chosen)), seed)

    @property
    def held_out(self) -> dict[str, list[str]]:
        if self.objects:
            return {"objects": [str(number) for number in self.objects]}
        return {
            "shapes": list(self.shapes),
            "textures": list(self.textures),
            "combinations": ["+".join(names) for names in self.combinations],
        }

    @property
    def text(self) -> str:
        """What is held out, in words."""
        if self.objects:
            return (
                f"{len(self.objects)} objects, a fifth of those of each combination of materials, drawn with seed {self.seed}"
            )
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in self.held_out.items())

    def why(self, tag: Tags) -> tuple[str, ...]:
        """What of a made sample is held out: "shape", "texture", "combination"; nothing where it is for training."""
        reasons = []
        if set(tag.shapes) & set(self.shapes):
            reasons.append("shape")
        if set(tag.textures) & set(self.textures):
            reasons.append("texture")
        if tag.combination in self.combinations:
            reasons.append("combination")
        return tuple(reasons)

    def parts(self, data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices of the samples for training, for calibration and for testing."""
        held = np.array([bool(self.why(tag)) for tag in data.tags])
        held[list(self.objects)] = True
        rest = np.flatnonzero(~held)
        rest = np.random.default_rng([self.seed, 8]).permutation(rest)
        count = max(1, round(_CALIBRATION * len(rest)))
        if len(rest) < 2 or not held.any():
            counts = Counter("held out" if h else "others" for h in held)
            raise MaterialError(f"too few samples to split: {dict(counts)}; make more data")
        return np.sort(rest[count:]), np.sort(rest[:count]), np.flatnonzero(held)


def _scans(tags: tuple[Tags, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """Numbers of the scans that are held out."""
    numbers = defaultdict[tuple[str, ...], list[int]](list)
    for number, tag in enumerate(tags):
        numbers[tag.combination].append(number)
    held = [int(i) for _, own in sorted(numbers.items()) for i in rng.permutation(own)[: len(own) // _HELD]]
    if not held:
        most = max((len(own) for own in numbers.values()), default=0)
        raise MaterialError(
            f"one of {_HELD} scans of each combination of materials is held out, but of {len(tags)} objects at most {most} are"
            f" of the same: give {_HELD} or more of one"
        )
    return tuple(sorted(held))


def _drawn(
    found: Sequence[tuple[str, ...]], tags: tuple[Tags, ...], families: Sequence[str], most: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """So many of the families that there are, or fewer, without which every class keeps samples enough, as far as there are
    enough to tell."""
    total = Counter(name for tag in tags for name in tag.combination)
    there = {family for own in found for family in own} & set(families)
    drawn = set[str]()
    for family in rng.permutation(sorted(there)):
        without = drawn | {str(family)}
        taken = Counter(name for own, tag in zip(found, tags, strict=True) if without & set(own) for name in tag.combination)
        if all(taken[name] <= _MOST * max(count, _FEW) for name, count in total.items()):
            drawn = without
        if len(drawn) == most:
            break
    if not drawn:
        some = ", ".join(sorted(there)) or "none"
        raise MaterialError(f"no family can be held out: of those that there are ({some}) each has most samples of a class")
    return tuple(sorted(drawn))
