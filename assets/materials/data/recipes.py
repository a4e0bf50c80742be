"""Objects of one to five parts that make sense together: a mug, a hammer, a plant in its pot.

    pieces = RECIPES["hammer"](Workshop(rng))

Each recipe draws its sizes (m), shapes and materials anew. What a thing is made of goes with what it is, but not always: there
are steel mugs, and hammers of rubber.
"""

from collections.abc import Callable

import numpy as np

from assets.materials.classes import Kind
from assets.materials.data.looks import drawn_look
from assets.materials.data.pieces import Piece
from assets.materials.data.shapes import OPEN, Half, Lathe, Shape, Superquadric, Torus, body
from assets.materials.kinds import KINDS

Kinds = dict[str, float]
"""Names of kinds and how often they are."""

_METALS: Kinds = {"steel": 5, "aluminium": 3, "brass": 1, "copper": 1, "cast iron": 1}
_WOODS: Kinds = {"softwood": 2, "hardwood": 3, "plywood": 1}
_PLASTICS: Kinds = {"polyolefin": 3, "styrenic": 3, "clear plastic": 1}
_HARD: Kinds = _METALS | _WOODS | _PLASTICS | {"granite": 2, "marble": 2, "sandstone": 2, "porcelain": 1, "terracotta": 1}
_ANYTHING: Kinds = {name: 1.0 for name in KINDS if KINDS[name].material.rigid}
_SOFT: Kinds = {"sponge": 3, "dense foam": 3, "expanded polystyrene": 4, "woven cloth": 2, "plush": 3, "soft rubber": 2}

_UPRIGHT = np.eye(3)
_LYING = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # z along x
_ASIDE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z along y


class Workshop:
    """What recipes draw from."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng

    def size(self, low: float, high: float) -> float:
        """Log-uniform (m)."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def share(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def kind(self, kinds: Kinds) -> Kind:
        weights = np.array(list(kinds.values()), float)
        return KINDS[str(self.rng.choice(list(kinds), p=weights / weights.sum()))]

    def family(self, *families: str) -> str:
        return str(self.rng.choice(families))

    def piece(
        self,
        family: str,
        half: Half,
        kind: Kind,
        place: Half = (0.0, 0.0, 0.0),
        axes: np.ndarray = _UPRIGHT,
        shape: Shape | None = None,
        full: float = 0.0,
        contents: tuple[float, float] = (0.0, 0.0),
    ) -> Piece:
        """A closed part, hollow as is the custom with its kind; `full` is how often such a hollow has contents (kg/m³)."""
        shape = body(family, half, self.rng) if shape is None else shape
        wall = self.size(*kind.wall) if self.rng.random() < kind.hollow else None
        inside = self.share(*contents) if wall is not None and self.rng.random() < full else 0.0
        return Piece(shape, family, kind, drawn_look(kind, self.rng), np.array(place), axes, None, wall, inside)

    def vessel(self, family: str, half: Half, kind: Kind, place: Half = (0.0, 0.0, 0.0)) -> Piece:
        """A part open at the top."""
        shape = body(family, half, self.rng)
        wall = min(self.size(*kind.wall), 0.4 * min(half))
        return Piece(
            shape,
            family,
            kind,
            drawn_look(kind, self.rng),
            np.array(place),
            _UPRIGHT,
            shape.cavity(wall),  # pyright: ignore[reportAttributeAccessIssue]
        )


Recipe = Callable[[Workshop], list[Piece]]


def lump(shop: Workshop) -> list[Piece]:
    """One thing of one material, of any shape."""
    size = shop.size(0.015, 0.15)
    half = (size, size * shop.share(0.35, 1.0), size * shop.share(0.35, 1.0))
    family = shop.family("box", "ball", "cylinder", "lathe", "extrusion", "superquadric", "torus", "union")
    return [shop.piece(family, half, shop.kind(_ANYTHING))]


def stack(shop: Workshop) -> list[Piece]:
    """Two or three lumps of other materials on one another."""
    pieces, top = [], 0.0
    width = shop.size(0.03, 0.12)
    for _ in range(int(shop.rng.integers(2, 4))):
        half = (width * shop.share(0.5, 1), width * shop.share(0.5, 1), width * shop.share(0.2, 0.6))
        family = shop.family("box", "cylinder", "extrusion", "superquadric", "lathe")
        pieces.append(shop.piece(family, half, shop.kind(_HARD | _SOFT), (0, 0, top + half[2])))
        top += 2 * half[2]
    return pieces


def ball(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.02, 0.12)
    kind = shop.kind(
        {"soft rubber": 3, "hard rubber": 1, "leather": 3, "dense foam": 2, "hardwood": 1, "steel": 1, "styrenic": 2}
    )
    family = shop.family("ball", "superquadric", "ball")
    return [shop.piece(family, (radius, radius, radius), kind)]


def mug(shop: Workshop) -> list[Piece]:
    radius, tall = shop.size(0.032, 0.05), shop.share(0.9, 1.3)
    kind = shop.kind({"porcelain": 7, "steel": 1, "soda-lime glass": 1, "terracotta": 1, "polyolefin": 1})
    cup = shop.vessel(shop.family("cylinder", "lathe"), (radius, radius, radius * tall), kind)
    ring = Torus(0.55 * radius, 0.12 * radius, 0.16 * radius)
    handle = Piece(ring, "torus", kind, cup.look, np.array([1.25 * radius, 0, 0]), _ASIDE)
    return [handle, cup] if shop.rng.random() < 0.8 else [cup]


def bowl(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.04, 0.16)
    tall = radius * shop.share(0.25, 0.7)
    kinds: Kinds = {
        "porcelain": 5,
        "steel": 2,
        "hardwood": 2,
        "soda-lime glass": 2,
        "polyolefin": 2,
        "terracotta": 1,
        "styrenic": 1,
    }
    heights = np.linspace(-tall, tall, 6)
    radii = radius * (0.45 + 0.55 * np.sqrt(np.linspace(0, 1, 6)))
    kind = shop.kind(kinds)
    shape = Lathe(heights, radii)
    wall = min(shop.size(*kind.wall), 0.3 * tall)
    return [Piece(shape, "lathe", kind, drawn_look(kind, shop.rng), np.zeros(3), _UPRIGHT, shape.cavity(wall))]


def bottle(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.02, 0.05)
    tall = radius * shop.share(1.8, 3.2)
    kind = shop.kind({"clear plastic": 4, "polyolefin": 4, "soda-lime glass": 4, "aluminium": 1, "steel": 1})
    family = shop.family("lathe", "cylinder", "box", "superquadric", "extrusion")
    flask = shop.piece(family, (radius, radius * shop.share(0.6, 1), tall), kind, full=0.8, contents=(800, 1150))
    cap = shop.kind({"polyolefin": 6, "aluminium": 2, "steel": 1})
    high = radius * shop.share(0.25, 0.5)
    return [flask, shop.piece("cylinder", (0.45 * radius, 0.45 * radius, high), cap, (0, 0, tall + 0.8 * high))]


def can(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.025, 0.06)
    half = (radius, radius, radius * shop.share(0.4, 1.4))
    kind = shop.kind({"steel": 4, "aluminium": 4, "paperboard": 2})
    tin = shop.piece("cylinder", half, kind, full=0.8, contents=(350, 1150))
    return [tin]


def carton(shop: Workshop) -> list[Piece]:
    size = shop.size(0.04, 0.3)
    half = (size * shop.share(0.15, 0.8), size * shop.share(0.4, 1.0), size)
    kind = shop.kind({"paperboard": 3 if size < 0.14 else 1, "corrugated board": 1 if size < 0.1 else 4})
    return [shop.piece("box", half, kind, full=0.6, contents=(80, 700))]


def crate(shop: Workshop) -> list[Piece]:
    """Open boxes, pots and bins, sometimes with something in them."""
    size = shop.size(0.04, 0.25)
    half = (size, size * shop.share(0.5, 1), size * shop.share(0.4, 1))
    kind = shop.kind(_WOODS | _PLASTICS | {"steel": 2, "corrugated board": 3, "sandstone": 1, "terracotta": 1})
    vessel = shop.vessel(shop.family(*OPEN), half, kind)
    if shop.rng.random() < 0.5:
        return [vessel]
    within = shop.kind({"sand": 3, "snow": 1, "leaves": 1, "fruit": 2, "bread": 1, "liquid": 3, "gelatine": 2, "plasticine": 1})
    level = shop.share(0.3, 0.8)
    inner = (0.75 * half[0], 0.75 * half[1], level * half[2])
    low = -half[2] + inner[2] + 0.1 * half[2]
    return [shop.piece(shop.family("cylinder", "superquadric"), inner, within, (0, 0, low)), vessel]


def tool(shop: Workshop) -> list[Piece]:
    """A grip with something hard at its end: hammers, screwdrivers, brushes, knives."""
    length, thick = shop.size(0.06, 0.18), shop.size(0.008, 0.02)
    grip = shop.kind({**_WOODS, "styrenic": 3, "polyolefin": 2, "hard rubber": 2, "steel": 1, "aluminium": 1})
    handle = shop.piece(
        shop.family("cylinder", "lathe", "superquadric", "box", "extrusion"), (thick, thick, length), grip, axes=_LYING
    )
    head = shop.kind({**_METALS, "hard rubber": 1, "hardwood": 1, "styrenic": 1})
    form = shop.rng.integers(3)
    if form == 0:  # a head across
        half = (shop.share(0.8, 1.4) * thick, shop.share(2, 4.5) * thick, shop.share(0.9, 1.6) * thick)
        return [handle, shop.piece(shop.family("box", "superquadric", "extrusion", "union"), half, head, (length, 0, 0))]
    if form == 1:  # a shaft or blade along
        reach = length * shop.share(0.5, 1.2)
        half = (thick * shop.share(0.15, 0.5), thick * shop.share(0.3, 1.2), reach)
        family = shop.family("box", "cylinder", "extrusion", "superquadric")
        return [handle, shop.piece(family, half, head, (length + reach, 0, 0), axes=_LYING)]
    bristle = shop.kind({"plush": 3, "sponge": 3, "polyolefin": 2, "woven cloth": 1, "dense foam": 1})
    half = (length * 0.25, shop.share(1.2, 2.5) * thick, shop.share(0.8, 1.8) * thick)
    return [handle, shop.piece(shop.family("box", "superquadric"), half, bristle, (1.1 * length, 0, -0.5 * half[2]))]


def pan(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.06, 0.15)
    vessel = shop.vessel(
        "cylinder",
        (radius, radius, radius * shop.share(0.15, 0.6)),
        shop.kind({"steel": 3, "cast iron": 2, "aluminium": 3, "copper": 1}),
    )
    grip = shop.kind({"styrenic": 3, "hardwood": 2, "steel": 3, "hard rubber": 1})
    long = radius * shop.share(0.5, 0.9)
    family = shop.family("box", "superquadric", "cylinder")
    return [vessel, shop.piece(family, (0.1 * radius, 0.12 * radius, long), grip, (radius + long, 0, 0), axes=_LYING)]


def furniture(shop: Workshop) -> list[Piece]:
    """A board on three or four legs, and a cushion sometimes."""
    width = shop.size(0.12, 0.45)
    deep, thick, tall = width * shop.share(0.5, 1), width * shop.share(0.04, 0.1), width * shop.share(0.5, 1.2)
    top = shop.kind({**_WOODS, "styrenic": 2, "marble": 1, "soda-lime glass": 1, "steel": 1})
    board = shop.piece(shop.family("box", "cylinder", "extrusion", "superquadric"), (width, deep, thick), top, (0, 0, tall))
    legs = shop.kind({**_WOODS, "steel": 3, "aluminium": 2})
    slim, look = width * shop.share(0.05, 0.09), drawn_look(legs, shop.rng)
    family = shop.family("box", "cylinder", "extrusion")
    wall = shop.size(*legs.wall) if shop.rng.random() < legs.hollow else None
    leg = body(family, (slim, slim, tall / 2), shop.rng)
    corners = [(1, 1), (1, -1), (-1, 0)] if shop.rng.random() < 0.4 else [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    places = [np.array([0.62 * width * i, 0.62 * deep * j, tall / 2]) for i, j in corners]
    pieces = [Piece(leg, family, legs, look, place, _UPRIGHT, None, wall) for place in places]
    if shop.rng.random() < 0.3 and len(pieces) < 4:
        soft = (0.85 * width, 0.85 * deep, 2 * thick)
        pieces.append(shop.piece(shop.family("superquadric", "box"), soft, shop.kind(_SOFT), (0, 0, tall + 2.6 * thick)))
    return [*pieces, board]


def plant(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.03, 0.14)
    pot = shop.vessel(
        shop.family(*OPEN),
        (radius, radius, radius),
        shop.kind({"terracotta": 4, "polyolefin": 2, "porcelain": 2, "sandstone": 1, "steel": 1}),
    )
    soil = shop.piece("cylinder", (0.8 * radius, 0.8 * radius, 0.6 * radius), KINDS["sand"], (0, 0, 0.05 * radius))
    tall = radius * shop.share(1.2, 2.5)
    trunk = shop.piece(
        "cylinder", (0.13 * radius, 0.13 * radius, tall / 2), KINDS["softwood"], (0, 0, radius + tall / 2 - 0.3 * radius)
    )
    crown = (radius * shop.share(0.7, 1.3), radius * shop.share(0.7, 1.3), radius * shop.share(0.5, 1.1))
    leaves = shop.piece(shop.family("ball", "union", "superquadric"), crown, KINDS["leaves"], (0, 0, radius + tall))
    return [soil, trunk, leaves, pot]


def fruit(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.012, 0.1)
    half = (radius, radius * shop.share(0.8, 1), radius * shop.share(0.7, 1.6))
    flesh = shop.piece(shop.family("ball", "superquadric", "lathe"), half, shop.kind({"fruit": 5, "bread": 2, "leaves": 1}))
    if shop.rng.random() < 0.5:
        return [flesh]
    stem = (0.07 * radius, 0.07 * radius, 0.25 * radius)
    return [flesh, shop.piece("cylinder", stem, KINDS["softwood"], (0, 0, half[2] + 0.2 * radius))]


def cushion(shop: Workshop) -> list[Piece]:
    size = shop.size(0.03, 0.25)
    half = (size, size * shop.share(0.5, 1), size * shop.share(0.2, 0.7))
    return [shop.piece(shop.family("superquadric", "box", "ball", "union"), half, shop.kind(_SOFT))]


def toy(shop: Workshop) -> list[Piece]:
    """A body on wheels, or a stuffed animal's body with a head."""
    size = shop.size(0.02, 0.1)
    if shop.rng.random() < 0.4:
        kind = shop.kind({"plush": 5, "soft rubber": 2, "woven cloth": 1, "styrenic": 1})
        trunk = shop.piece(shop.family("ball", "superquadric", "union"), (size, 0.8 * size, 1.1 * size), kind)
        head = shop.share(0.45, 0.7) * size
        top = Superquadric(np.array([head, head, head]))
        return [
            trunk,
            Piece(top, "ball", kind, trunk.look, np.array([0, 0, 1.1 * size + 0.7 * head]), _UPRIGHT, None, trunk.wall),
        ]
    kind = shop.kind({**_WOODS, **_PLASTICS, "steel": 2, "aluminium": 1})
    half = (size, 0.5 * size, 0.35 * size)
    car = shop.piece(shop.family("box", "superquadric", "extrusion", "union"), half, kind, (0, 0, 0.45 * size))
    wheels = shop.kind({"hard rubber": 5, "styrenic": 3, "hardwood": 2})
    radius = size * shop.share(0.2, 0.35)
    wheel = body("cylinder", (radius, radius, 0.12 * size), shop.rng)
    look = drawn_look(wheels, shop.rng)
    places = [np.array([0.6 * size * i, 0.5 * size * j, 0.1 * size]) for i in (1, -1) for j in (1, -1)]
    return [car, *(Piece(wheel, "cylinder", wheels, look, place, _ASIDE) for place in places)]


def wheel(shop: Workshop) -> list[Piece]:
    radius = shop.size(0.02, 0.3)
    tyre = shop.kind({"hard rubber": 6, "soft rubber": 1, "dense foam": 1})
    minor = radius * shop.share(0.15, 0.3)
    rim = shop.kind({"aluminium": 3, "steel": 3, "styrenic": 3, "hardwood": 1})
    ring = Torus(radius - minor, minor, minor * shop.share(0.8, 1.3))
    hub = (radius - 1.4 * minor, radius - 1.4 * minor, 0.7 * minor)
    return [shop.piece("torus", hub, tyre, shape=ring), shop.piece("cylinder", hub, rim)]


def dumbbell(shop: Workshop) -> list[Piece]:
    length, radius = shop.size(0.05, 0.12), shop.size(0.02, 0.05)
    weight = shop.kind({"cast iron": 4, "steel": 3, "hard rubber": 2, "sandstone": 1})
    family = shop.family("cylinder", "ball", "extrusion", "superquadric", "box")
    end, look = body(family, (radius, radius, 0.5 * radius), shop.rng), drawn_look(weight, shop.rng)
    bar = shop.piece("cylinder", (0.3 * radius, 0.3 * radius, length), shop.kind({"steel": 4, "hardwood": 1}), axes=_LYING)
    return [bar, *(Piece(end, family, weight, look, np.array([side * length, 0, 0]), _LYING) for side in (1, -1))]


def heap(shop: Workshop) -> list[Piece]:
    """What lies on the ground: sand, snow, dough, jelly; a drop of something."""
    size = shop.size(0.02, 0.2)
    half = (size, size * shop.share(0.7, 1), size * shop.share(0.3, 0.9))
    kind = shop.kind({"sand": 3, "snow": 3, "plasticine": 3, "gelatine": 3, "liquid": 2})
    return [shop.piece(shop.family("ball", "superquadric", "union", "lathe"), half, kind)]


RECIPES: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        lump, stack, ball, mug, bowl, bottle, can, carton, crate, tool, pan, furniture, plant, fruit, cushion, toy, wheel,
        dumbbell, heap,
    )
}  # fmt: skip
WEIGHTS: dict[str, float] = dict.fromkeys(RECIPES, 1.0) | {
    "lump": 3.5,
    "stack": 2.0,
    "tool": 2.0,
    "heap": 2.0,
    "crate": 1.5,
}
