"""What a model says of itself, and what it must agree with to be used."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from assets.materials.classes import CLASSES
from assets.materials.errors import MaterialError
from assets.materials.properties import PROPERTIES

FORMAT = 3

COLOUR = "colour"
"""The provider that adds nothing to what `seen` tells."""


@dataclass(frozen=True)
class Card:
    provider: str = COLOUR
    """Whose features it was trained on, besides geometry and colour."""
    extra: int = 0
    """How many of them a voxel has."""
    resolution: int = 32
    base: int = 24
    """The network's channels: twice as many at its finest level, four times as many below."""
    members: int = 3
    seed: int = 0
    samples: int = 0
    """That each member has passed."""
    held_out: dict[str, list[str]] = field(default_factory=dict)
    """Families of the data that it has not seen."""
    classes: tuple[str, ...] = tuple(material.name for material in CLASSES)
    properties: tuple[str, ...] = tuple(prop.name for prop in PROPERTIES)
    format: int = FORMAT

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parsed(cls, text: str, where: str) -> "Card":
        """Raises MaterialError where it is not this program's, or of other classes or properties."""
        try:
            told: dict[str, Any] = json.loads(text)
            told["classes"], told["properties"] = tuple(told["classes"]), tuple(told["properties"])
            card = cls(**told)
            whole = {"extra": card.extra, "resolution": card.resolution, "base": card.base, "members": card.members}
            if not all(isinstance(value, int) for value in whole.values()) or not isinstance(card.provider, str):
                raise ValueError(f"found {whole} where whole numbers were expected")
        except (ValueError, TypeError, KeyError) as error:
            raise MaterialError(f"{where} is no predictor's file, or is damaged ({error})") from error
        if card.format != FORMAT:
            raise MaterialError(f"{where} has format {card.format}, this version of zerogap reads {FORMAT}; train it anew")
        if card.classes != cls.classes or card.properties != cls.properties:
            raise MaterialError(f"{where} was trained for other classes or properties of materials; train it anew")
        if not (0 <= card.extra <= 4096 and card.resolution in (32, 64) and 4 <= card.base <= 128 and 1 <= card.members <= 16):
            raise MaterialError(f"{where} tells of sizes that no predictor has: {whole}")
        return card

    def expect_provider(self, provider: str, extra: int) -> None:
        """Raise MaterialError where features come from another provider than the model was trained with."""
        if (provider, extra) != (self.provider, self.extra):
            raise MaterialError(
                f"this model was trained with the features of {self.provider!r} ({self.extra} a voxel), but {provider!r} gives"
                f" {extra}: give it that provider, or train a model with this one"
            )
