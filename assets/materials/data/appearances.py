"""How each kind of material looks, mostly: its colours, patterns, sheen and transparency, and how often paint hides them.

    APPEARANCES["granite"].textures                         # {"crystals": 5, "speckle": 4, "terrazzo": 2, "mottle": 1}

They are set by hand, by the look of common things; `looks` draws from them.
"""

from dataclasses import dataclass

Colour = tuple[float, float, float]

ANY: tuple[Colour, ...] = ()
"""Any hue."""


@dataclass(frozen=True)
class Appearance:
    colours: tuple[Colour, ...]
    """sRGB; none means any hue."""
    textures: dict[str, float]
    """Families of textures and how often they are."""
    contrast: tuple[float, float]
    """Of the second colour's brightness against the first."""
    sheen: tuple[float, float] = (0.0, 0.1)
    """Strength of reflections that are baked into a picture."""
    alpha: tuple[float, float] = (1.0, 1.0)
    paint: float = 0.1
    """How often it is painted, glazed, dyed or printed over in any colour."""


_BROWN = ((0.76, 0.60, 0.42), (0.60, 0.42, 0.26), (0.42, 0.28, 0.17), (0.85, 0.72, 0.52))
_KRAFT = ((0.72, 0.57, 0.40), (0.66, 0.52, 0.36))
_WHITE = ((0.93, 0.93, 0.91),)

APPEARANCES: dict[str, Appearance] = {
    "steel": Appearance(
        ((0.55, 0.56, 0.58), (0.38, 0.39, 0.41)),
        {"brushed": 5, "plain": 4, "satin": 3, "scratched": 2, "turned": 2, "hammered": 1, "patches": 1, "knurl": 1},
        (0.05, 0.3),
        (0.3, 0.8),
        paint=0.15,
    ),
    "aluminium": Appearance(
        ((0.77, 0.78, 0.79), (0.68, 0.69, 0.70)),
        {"brushed": 4, "satin": 4, "plain": 3, "turned": 2, "scratched": 1, "spangle": 1},
        (0.03, 0.2),
        (0.3, 0.8),
        paint=0.2,
    ),
    "brass": Appearance(
        ((0.78, 0.62, 0.28), (0.66, 0.50, 0.22)),
        {"plain": 4, "brushed": 2, "turned": 2, "hammered": 2, "satin": 1, "scratched": 1, "patches": 1},
        (0.05, 0.2),
        (0.3, 0.8),
        paint=0.02,
    ),
    "copper": Appearance(
        ((0.74, 0.45, 0.30), (0.60, 0.34, 0.22)),
        {"plain": 3, "hammered": 3, "brushed": 2, "patches": 2, "satin": 1, "scratched": 1},
        (0.05, 0.3),
        (0.3, 0.8),
        paint=0.0,
    ),
    "cast iron": Appearance(
        ((0.16, 0.16, 0.17), (0.24, 0.23, 0.23)),
        {"cast": 4, "speckle": 2, "pits": 2, "patches": 2, "plain": 2, "satin": 1},
        (0.1, 0.4),
        (0.05, 0.3),
        paint=0.12,
    ),
    "softwood": Appearance(
        _BROWN[:1] + _BROWN[3:],
        {"straight grain": 4, "cathedral": 4, "knots": 4, "rings": 3, "end grain": 1, "plain": 1},
        (0.12, 0.4),
        (0.0, 0.12),
        paint=0.1,
    ),
    "hardwood": Appearance(
        _BROWN[1:3],
        {"rings": 3, "straight grain": 3, "cathedral": 3, "flecks": 3, "curl": 2, "burl": 2, "end grain": 1, "plain": 1},
        (0.12, 0.45),
        (0.0, 0.18),
        paint=0.1,
    ),
    "plywood": Appearance(
        _BROWN[:1] + _BROWN[3:],
        {"plies": 4, "cathedral": 3, "straight grain": 2, "flecks": 1, "knots": 1},
        (0.08, 0.3),
        (0.0, 0.08),
        paint=0.1,
    ),
    "polyolefin": Appearance(
        ANY,
        {"plain": 6, "flow": 2, "mottle": 1, "ribs": 1, "lettering": 1, "blocks": 1, "knurl": 1, "stipple": 1, "satin": 1},
        (0.05, 0.5),
        (0.02, 0.2),
        (0.75, 1.0),
        paint=0.05,
    ),
    "styrenic": Appearance(
        ANY,
        {"plain": 7, "stipple": 2, "flow": 1, "lettering": 1, "blocks": 1, "stripes": 1, "ribs": 1, "dots": 1},
        (0.05, 0.5),
        (0.1, 0.35),
        paint=0.05,
    ),
    "clear plastic": Appearance(
        ((0.85, 0.88, 0.9), (0.7, 0.85, 0.9), (0.8, 0.9, 0.75)),
        {"plain": 7, "lettering": 2, "blocks": 1, "flow": 1, "ribs": 1, "rims": 1},
        (0.05, 0.4),
        (0.1, 0.3),
        (0.35, 0.7),
        paint=0.1,
    ),
    "hard rubber": Appearance(
        ((0.07, 0.07, 0.07), (0.13, 0.13, 0.13)),
        {"plain": 4, "tread": 3, "stipple": 2, "ribs": 1, "speckle": 1, "weave": 1, "knurl": 1, "pebbled": 1},
        (0.05, 0.3),
        (0.0, 0.06),
        paint=0.02,
    ),
    "soft rubber": Appearance(
        ((0.80, 0.35, 0.25), (0.35, 0.55, 0.35), (0.25, 0.35, 0.6), (0.85, 0.75, 0.3)),
        {"plain": 4, "mottle": 1, "stipple": 1, "ribs": 1, "dots": 1, "flow": 1, "tread": 1, "swirls": 1},
        (0.03, 0.2),
        (0.0, 0.08),
        (0.9, 1.0),
        paint=0.04,
    ),
    "expanded polystyrene": Appearance(
        _WHITE, {"beads": 6, "speckle": 2, "bubbles": 1, "plain": 1}, (0.04, 0.14), (0.0, 0.03), paint=0.04
    ),
    "sponge": Appearance(
        ((0.90, 0.82, 0.35), (0.85, 0.75, 0.45), (0.45, 0.65, 0.75)),
        {"pores": 4, "bubbles": 4, "speckle": 2, "pits": 2, "mottle": 1},
        (0.15, 0.5),
        (0.0, 0.02),
        paint=0.03,
    ),
    "dense foam": Appearance(
        ((0.20, 0.22, 0.26), (0.75, 0.30, 0.35), (0.30, 0.45, 0.70)),
        {"plain": 3, "speckle": 2, "pores": 1, "bubbles": 1, "satin": 1, "stipple": 1},
        (0.05, 0.2),
        (0.0, 0.02),
        paint=0.05,
    ),
    "soda-lime glass": Appearance(
        ((0.82, 0.90, 0.88), (0.45, 0.62, 0.42), (0.55, 0.36, 0.16)),
        {"plain": 7, "lettering": 1, "rims": 1, "hammered": 1, "caustics": 1, "ribs": 1},
        (0.03, 0.3),
        (0.2, 0.6),
        (0.15, 0.5),
        paint=0.03,
    ),
    "porcelain": Appearance(
        (*_WHITE, (0.90, 0.88, 0.82)),
        {
            "plain": 5,
            "rims": 3,
            "craquelure": 2,
            "drips": 2,
            "stripes": 1,
            "blocks": 1,
            "dots": 1,
            "freckles": 1,
            "leaflets": 1,
        },
        (0.1, 0.6),
        (0.2, 0.5),
        paint=0.3,
    ),
    "terracotta": Appearance(
        ((0.74, 0.42, 0.29), (0.66, 0.36, 0.24)),
        {"mottle": 3, "plain": 2, "speckle": 1, "rims": 1, "strata": 1, "patches": 1, "craquelure": 1, "pits": 1},
        (0.05, 0.25),
        (0.0, 0.03),
        paint=0.08,
    ),
    "granite": Appearance(
        ((0.55, 0.53, 0.52), (0.36, 0.35, 0.36), (0.62, 0.52, 0.48)),
        {"crystals": 5, "speckle": 4, "terrazzo": 2, "mottle": 1},
        (0.25, 0.6),
        (0.0, 0.15),
        paint=0.0,
    ),
    "marble": Appearance(
        ((0.88, 0.87, 0.85), (0.35, 0.42, 0.38), (0.25, 0.25, 0.27)),
        {"veins": 5, "breccia": 2, "plain": 1, "mottle": 1, "craquelure": 1, "crystals": 1, "caustics": 1, "swirls": 1},
        (0.2, 0.55),
        (0.05, 0.3),
        paint=0.0,
    ),
    "sandstone": Appearance(
        ((0.72, 0.65, 0.54), (0.60, 0.58, 0.55)),
        {"strata": 4, "speckle": 3, "pits": 2, "mottle": 1, "sparkle": 1},
        (0.08, 0.3),
        (0.0, 0.02),
        paint=0.04,
    ),
    "corrugated board": Appearance(
        _KRAFT, {"flutes": 5, "plain": 3, "lettering": 2, "fibres": 2, "blocks": 1}, (0.05, 0.3), (0.0, 0.03), paint=0.15
    ),
    "paperboard": Appearance(
        (*_WHITE, *_KRAFT),
        {"blocks": 5, "lettering": 4, "plain": 2, "stripes": 2, "dots": 1, "fibres": 1, "blush": 1},
        (0.2, 0.8),
        (0.0, 0.08),
        paint=0.45,
    ),
    "woven cloth": Appearance(
        ANY,
        {"weave": 4, "twill": 3, "herringbone": 2, "gingham": 2, "tartan": 2, "knit": 2, "stripes": 1, "dots": 1, "ribs": 1},
        (0.15, 0.5),
        (0.0, 0.02),
        paint=0.0,
    ),
    "plush": Appearance(
        ((0.62, 0.44, 0.28), (0.85, 0.80, 0.72), (0.55, 0.55, 0.57), (0.80, 0.50, 0.55)),
        {"pile": 5, "mottle": 1, "knit": 1, "speckle": 1, "ribs": 1, "fibres": 1},
        (0.15, 0.4),
        (0.0, 0.02),
        paint=0.2,
    ),
    "leather": Appearance(
        ((0.36, 0.22, 0.14), (0.10, 0.09, 0.09), (0.55, 0.34, 0.20)),
        {"pebbled": 4, "creases": 3, "mottle": 1, "plain": 1, "pits": 1},
        (0.1, 0.35),
        (0.05, 0.2),
        paint=0.1,
    ),
    "fruit": Appearance(
        ((0.78, 0.18, 0.14), (0.55, 0.68, 0.22), (0.90, 0.75, 0.20), (0.90, 0.50, 0.12), (0.45, 0.30, 0.18)),
        {"freckles": 3, "streaks": 3, "blush": 3, "plain": 2, "mottle": 1, "speckle": 1, "pits": 1},
        (0.15, 0.45),
        (0.03, 0.2),
        paint=0.0,
    ),
    "bread": Appearance(
        ((0.74, 0.52, 0.28), (0.85, 0.70, 0.48)),
        {"crumb": 4, "mottle": 2, "blush": 1, "pores": 1, "speckle": 1, "patches": 1, "freckles": 1},
        (0.2, 0.45),
        (0.0, 0.03),
        paint=0.0,
    ),
    "leaves": Appearance(
        ((0.22, 0.42, 0.15), (0.34, 0.52, 0.22), (0.16, 0.30, 0.14)),
        {"leaflets": 4, "leaf veins": 4, "mottle": 1, "stripes": 1},
        (0.2, 0.5),
        (0.0, 0.1),
        paint=0.0,
    ),
    "gelatine": Appearance(
        ((0.80, 0.20, 0.22), (0.35, 0.70, 0.30), (0.90, 0.60, 0.15)),
        {"plain": 4, "mottle": 1, "bubbles": 1, "swirls": 1, "blush": 1, "caustics": 1},
        (0.02, 0.15),
        (0.2, 0.5),
        (0.45, 0.8),
        paint=0.0,
    ),
    "sand": Appearance(
        ((0.80, 0.70, 0.50), (0.70, 0.60, 0.44)),
        {"speckle": 3, "ripples": 3, "sparkle": 2, "mottle": 1, "plain": 1, "satin": 1},
        (0.1, 0.35),
        (0.0, 0.0),
        paint=0.0,
    ),
    "snow": Appearance(
        ((0.95, 0.96, 0.98),),
        {"sparkle": 3, "ripples": 2, "plain": 2, "speckle": 1, "mottle": 1, "satin": 1},
        (0.02, 0.1),
        (0.0, 0.08),
        paint=0.0,
    ),
    "plasticine": Appearance(
        ANY, {"swirls": 3, "plain": 3, "creases": 2, "mottle": 1, "patches": 1, "flow": 1}, (0.05, 0.25), (0.0, 0.05), paint=0.0
    ),
    "liquid": Appearance(
        ((0.70, 0.82, 0.90), (0.55, 0.75, 0.85), (0.85, 0.70, 0.25)),
        {"plain": 5, "caustics": 3, "ripples": 2, "bubbles": 1, "mottle": 1, "flow": 1},
        (0.02, 0.1),
        (0.4, 0.8),
        (0.1, 0.35),
        paint=0.0,
    ),
}
