"""The patterns of made objects, one function each: how far each point is towards a material's second colour.

    PATTERNS["rings"].wave                                  # lengths over which it repeats (m)
    PATTERNS["rings"].shade(p, draw)                        # (n,) in about [0, 1], points (n, 3) in units of that length

z is along the part, mostly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assets.materials.data.basis import Draw, band, grains, hashed, line, wave

Shade = Callable[[np.ndarray, Draw], np.ndarray]

_TURN = 2 * np.pi


@dataclass(frozen=True)
class Pattern:
    wave: tuple[float, float]
    shade: Shade


def _plain(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.zeros(len(p))


# Woods


def _rings(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(np.hypot(p[:, 0], p[:, 1]) + 0.35 * draw.noise(p * [0.3, 0.3, 0.08]))


def _straight_grain(p: np.ndarray, draw: Draw) -> np.ndarray:
    return hashed(np.stack([p[:, 0] * 2 + 0.3 * draw.noise(p * 0.1), 0 * p[:, 1], 0 * p[:, 2]], 1)) * wave(p[:, 0])


def _cathedral(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(np.sqrt(p[:, 0] ** 2 + 1.0) + 0.15 * np.abs(p[:, 2]) + 0.3 * draw.noise(p * [0.2, 0.2, 0.05]))


def _curl(p: np.ndarray, draw: Draw) -> np.ndarray:
    return 0.5 * wave(p[:, 2] + 0.4 * draw.noise(p * 0.4)) + 0.5 * wave(1.7 * p[:, 0] + 0.3 * draw.noise(p * 0.2))


def _burl(p: np.ndarray, draw: Draw) -> np.ndarray:
    nearest, _, _ = grains(p * 0.35)
    return wave(3 * nearest + 0.5 * draw.noise(p))


def _knots(p: np.ndarray, draw: Draw) -> np.ndarray:
    nearest, _, number = grains(p * [0.25, 0.25, 0.1])
    knot = np.where(number < 0.5, line(nearest, 0.22), 0)
    return np.maximum(0.6 * wave(p[:, 0] + 2 * np.exp(-9 * nearest**2)), knot)


def _flecks(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (hashed(p * [1, 1, 0.15]) < 0.5 * draw.share).astype(float)


def _end_grain(p: np.ndarray, draw: Draw) -> np.ndarray:
    rays = hashed(np.stack([np.arctan2(p[:, 1], p[:, 0]) * 20, 0 * p[:, 0], p[:, 2] * 0], 1))
    return 0.7 * wave(np.hypot(p[:, 0], p[:, 1])) + 0.3 * rays


def _plies(p: np.ndarray, draw: Draw) -> np.ndarray:
    layer = np.floor(p[:, 0])
    along = np.where(np.mod(layer, 2) == 0, p[:, 1], p[:, 2])
    return np.clip(0.75 * np.mod(layer, 2) + 0.25 * wave(3 * along + draw.noise(p * 0.3)), 0, 1)


# Metals


def _brushed(p: np.ndarray, draw: Draw) -> np.ndarray:
    return hashed(p * [1, 1, 0.03])


def _turned(p: np.ndarray, draw: Draw) -> np.ndarray:
    return hashed(np.stack([np.hypot(p[:, 0], p[:, 1]), 0.03 * p[:, 2], 0 * p[:, 0]], 1))


def _satin(p: np.ndarray, draw: Draw) -> np.ndarray:
    return hashed(p)


def _hammered(p: np.ndarray, draw: Draw) -> np.ndarray:
    nearest, _, _ = grains(p)
    return np.clip(1.4 * nearest, 0, 1)


def _scratched(p: np.ndarray, draw: Draw) -> np.ndarray:
    many = [line(p @ np.cross(w, np.roll(w, 1)) % 4 - 2, 0.12) * band(p @ w * 0.2, 0.5) for w in draw.waves[:4]]
    return np.max(many, axis=0)


def _cast(p: np.ndarray, draw: Draw) -> np.ndarray:
    _, edge, number = grains(p)
    return np.clip(0.5 * number + 0.5 - edge, 0, 1)


def _spangle(p: np.ndarray, draw: Draw) -> np.ndarray:
    return grains(p)[2]


def _patches(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (draw.noise(p * 0.7) + 0.3 * draw.noise(p * 3) > 0.3).astype(float)


# Stones


def _speckle(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (hashed(p) < draw.share).astype(float)


def _crystals(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (grains(p)[2] < draw.share).astype(float)


def _veins(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(1 - 5 * np.abs(np.sin(np.pi * p[:, 0] + 2.5 * draw.noise(p))), 0, 1)


def _breccia(p: np.ndarray, draw: Draw) -> np.ndarray:
    _, edge, number = grains(p + 0.3 * draw.noise(p)[:, None])
    return np.where(edge < 0.1, 1.0, 0.5 * number)


def _strata(p: np.ndarray, draw: Draw) -> np.ndarray:
    height = p[:, 2] + 0.4 * draw.noise(p * 0.3)
    return hashed(np.stack([height, 0 * height, 0 * height], 1))


def _pits(p: np.ndarray, draw: Draw) -> np.ndarray:
    nearest, _, number = grains(p)
    return np.where(number < draw.share, line(nearest, 0.45), 0)


def _terrazzo(p: np.ndarray, draw: Draw) -> np.ndarray:
    _, edge, number = grains(p)
    return np.where((edge > 0.15) & (number < 1.5 * draw.share), 0.4 + 0.6 * np.mod(7 * number, 1), 0)


def _mottle(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(0.5 + 0.6 * draw.noise(p), 0, 1)


# Cloths and hides


def _weave(p: np.ndarray, draw: Draw) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(_TURN * p[:, 0]) * np.sin(_TURN * p[:, 1]) * np.sign(np.sin(_TURN * p[:, 2]))


def _twill(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(p[:, 2] + p[:, 0] + p[:, 1])


def _herringbone(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(p[:, 2] + 4 * np.abs(np.mod((p[:, 0] + p[:, 1]) / 4, 1) - 0.5))


def _knit(p: np.ndarray, draw: Draw) -> np.ndarray:
    around = p[:, 0] + p[:, 1]
    return wave(2 * around) * wave(p[:, 2] + 0.6 * np.abs(np.mod(2 * around, 1) - 0.5))


def _ribs(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.abs(np.sin(np.pi * (p[:, 0] + p[:, 1])))


def _gingham(p: np.ndarray, draw: Draw) -> np.ndarray:
    return 0.5 * (band(p[:, 2], 0.5) + band(p[:, 0] + p[:, 1], 0.5))


def _tartan(p: np.ndarray, draw: Draw) -> np.ndarray:
    sets = [0.5 * band(x, 0.35) + 0.3 * band(x + 0.45, 0.06) for x in (p[:, 2], p[:, 0] + p[:, 1])]
    return np.clip(sets[0] + sets[1], 0, 1)


def _dots(p: np.ndarray, draw: Draw) -> np.ndarray:
    within = np.mod(p, 1) - 0.5
    return (np.linalg.norm(within, axis=1) < 0.25 + 0.4 * draw.share).astype(float)


def _pile(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(0.5 * hashed(p * 3) + 0.5 * wave(0.5 * draw.noise(p)), 0, 1)


def _pebbled(p: np.ndarray, draw: Draw) -> np.ndarray:
    return line(grains(p)[1], 0.25)


def _creases(p: np.ndarray, draw: Draw) -> np.ndarray:
    return line(draw.noise(p * 1.5), 0.25)


# Foams


def _bubbles(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (grains(p)[0] < 0.3 + 0.3 * draw.share).astype(float)


def _beads(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(1 - 2 * grains(p)[1], 0, 1) ** 2


def _pores(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (draw.noise(p * 4) + draw.noise(p[:, [1, 2, 0]] * 9) > 0.9 - draw.share).astype(float)


# Papers and plastics


def _flutes(p: np.ndarray, draw: Draw) -> np.ndarray:
    return 0.6 * wave(p[:, 2]) + 0.1 * hashed(p * 5)


def _lettering(p: np.ndarray, draw: Draw) -> np.ndarray:
    words = hashed(np.floor(p * [0.4, 0.4, 1])) < 0.7
    return band(p[:, 2], 0.5) * words * (hashed(p * [4, 4, 1]) < 0.6)


def _blocks(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (hashed(p * [1, 1, 0.5] + draw.phases[:3]) < draw.share).astype(float)


def _stripes(p: np.ndarray, draw: Draw) -> np.ndarray:
    return band(p[:, 2] + draw.phases[0], draw.share)


def _fibres(p: np.ndarray, draw: Draw) -> np.ndarray:
    many = [line(np.mod(p @ w + draw.noise(p * 0.5), 3) - 1.5, 0.15) for w in draw.waves]
    return np.clip(np.sum(many, axis=0), 0, 1)


def _flow(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(p[:, 2] * 0.5 + 1.2 * draw.noise(p * 0.6))


def _knurl(p: np.ndarray, draw: Draw) -> np.ndarray:
    around = p[:, 0] + p[:, 1]
    return np.maximum(np.abs(np.sin(np.pi * (p[:, 2] + around))), np.abs(np.sin(np.pi * (p[:, 2] - around)))) ** 4


def _tread(p: np.ndarray, draw: Draw) -> np.ndarray:
    return band(p[:, 2] + np.abs(np.mod(p[:, 0] + p[:, 1], 2) - 1), 0.35)


def _stipple(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(wave(p[:, 0]) * wave(p[:, 1]) * wave(p[:, 2]) * 4, 0, 1)


# Glazes


def _craquelure(p: np.ndarray, draw: Draw) -> np.ndarray:
    return line(grains(p)[1], 0.06)


def _drips(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (p[:, 2] > 0.8 * draw.noise(p * [2, 2, 0])).astype(float)


def _rims(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.maximum(line(np.mod(p[:, 2], 1) - 0.5, 0.06), 0.8 * line(np.mod(p[:, 2], 1) - 0.65, 0.03))


# What grows, flows and lies about


def _freckles(p: np.ndarray, draw: Draw) -> np.ndarray:
    nearest, _, number = grains(p)
    return np.where(number < 0.6, np.clip(1 - (nearest / 0.35) ** 2, 0, 1), 0)


def _streaks(p: np.ndarray, draw: Draw) -> np.ndarray:
    turn = np.arctan2(p[:, 1], p[:, 0])
    return np.clip(0.5 + 0.5 * np.sin(9 * turn + 2 * draw.noise(p)) * wave(5.3 * turn / _TURN), 0, 1)


def _crumb(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(1 - grains(p)[0] - 0.5 * grains(p * 2.7)[0], 0, 1)


def _blush(p: np.ndarray, draw: Draw) -> np.ndarray:
    return np.clip(0.5 + 0.7 * np.sin(p @ draw.waves[0] * 0.5 + draw.phases[0]), 0, 1)


def _leaflets(p: np.ndarray, draw: Draw) -> np.ndarray:
    _, edge, number = grains(p)
    return np.clip(0.7 * number + 0.3 * line(edge, 0.2), 0, 1)


def _leaf_veins(p: np.ndarray, draw: Draw) -> np.ndarray:
    side = np.abs(np.mod(p[:, 0], 2) - 1)
    return np.maximum(line(side, 0.12), line(np.mod(2 * (p[:, 2] - side), 1) - 0.5, 0.15))


def _ripples(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(p[:, 0] + 0.5 * draw.noise(p * [0.4, 0.8, 0.4]))


def _sparkle(p: np.ndarray, draw: Draw) -> np.ndarray:
    return (hashed(p) < 0.08).astype(float)


def _swirls(p: np.ndarray, draw: Draw) -> np.ndarray:
    return wave(draw.noise(p + draw.noise(p[:, [2, 0, 1]])[:, None]))


def _caustics(p: np.ndarray, draw: Draw) -> np.ndarray:
    return line(draw.noise(p) - draw.noise(p[:, [1, 2, 0]]), 0.3) ** 2


PATTERNS: dict[str, Pattern] = {
    "plain": Pattern((0.01, 0.02), _plain),
    "rings": Pattern((0.002, 0.012), _rings),
    "straight grain": Pattern((0.002, 0.008), _straight_grain),
    "cathedral": Pattern((0.003, 0.012), _cathedral),
    "curl": Pattern((0.004, 0.015), _curl),
    "burl": Pattern((0.003, 0.012), _burl),
    "knots": Pattern((0.004, 0.012), _knots),
    "flecks": Pattern((0.0008, 0.003), _flecks),
    "end grain": Pattern((0.002, 0.006), _end_grain),
    "plies": Pattern((0.0012, 0.004), _plies),
    "brushed": Pattern((0.0004, 0.002), _brushed),
    "turned": Pattern((0.0004, 0.002), _turned),
    "satin": Pattern((0.0002, 0.0008), _satin),
    "hammered": Pattern((0.005, 0.02), _hammered),
    "scratched": Pattern((0.002, 0.01), _scratched),
    "cast": Pattern((0.0008, 0.003), _cast),
    "spangle": Pattern((0.005, 0.025), _spangle),
    "patches": Pattern((0.01, 0.05), _patches),
    "speckle": Pattern((0.0008, 0.005), _speckle),
    "crystals": Pattern((0.0015, 0.008), _crystals),
    "veins": Pattern((0.01, 0.05), _veins),
    "breccia": Pattern((0.008, 0.04), _breccia),
    "strata": Pattern((0.003, 0.02), _strata),
    "pits": Pattern((0.002, 0.008), _pits),
    "terrazzo": Pattern((0.004, 0.015), _terrazzo),
    "mottle": Pattern((0.01, 0.05), _mottle),
    "weave": Pattern((0.0012, 0.008), _weave),
    "twill": Pattern((0.001, 0.005), _twill),
    "herringbone": Pattern((0.003, 0.012), _herringbone),
    "knit": Pattern((0.003, 0.01), _knit),
    "ribs": Pattern((0.002, 0.008), _ribs),
    "gingham": Pattern((0.006, 0.03), _gingham),
    "tartan": Pattern((0.02, 0.07), _tartan),
    "dots": Pattern((0.008, 0.04), _dots),
    "pile": Pattern((0.002, 0.008), _pile),
    "pebbled": Pattern((0.0012, 0.004), _pebbled),
    "creases": Pattern((0.005, 0.02), _creases),
    "bubbles": Pattern((0.002, 0.008), _bubbles),
    "beads": Pattern((0.003, 0.007), _beads),
    "pores": Pattern((0.004, 0.015), _pores),
    "flutes": Pattern((0.003, 0.009), _flutes),
    "lettering": Pattern((0.003, 0.012), _lettering),
    "blocks": Pattern((0.01, 0.05), _blocks),
    "stripes": Pattern((0.01, 0.06), _stripes),
    "fibres": Pattern((0.0015, 0.006), _fibres),
    "flow": Pattern((0.01, 0.04), _flow),
    "knurl": Pattern((0.0015, 0.005), _knurl),
    "tread": Pattern((0.006, 0.02), _tread),
    "stipple": Pattern((0.0015, 0.004), _stipple),
    "craquelure": Pattern((0.003, 0.012), _craquelure),
    "drips": Pattern((0.015, 0.05), _drips),
    "rims": Pattern((0.03, 0.09), _rims),
    "freckles": Pattern((0.003, 0.01), _freckles),
    "streaks": Pattern((0.01, 0.04), _streaks),
    "crumb": Pattern((0.002, 0.008), _crumb),
    "blush": Pattern((0.02, 0.06), _blush),
    "leaflets": Pattern((0.005, 0.025), _leaflets),
    "leaf veins": Pattern((0.006, 0.025), _leaf_veins),
    "ripples": Pattern((0.008, 0.04), _ripples),
    "sparkle": Pattern((0.0006, 0.002), _sparkle),
    "swirls": Pattern((0.01, 0.04), _swirls),
    "caustics": Pattern((0.01, 0.05), _caustics),
}
