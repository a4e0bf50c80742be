"""The kinds of materials: KINDS by name, with ranges of their properties and where those come from.

    KINDS["steel"].density                                  # (7700.0, 8000.0)

Density, stiffness and strength are the handbooks'. Friction is the kinetic one of the dry pair that is named in the source, on
steel unless it says else. Restitution is that on steel, stone or hard wood; published figures are of balls, whose upper end is
kept, and the lower end leaves room for things that ring, turn or dent. What no table gives for a pair is set between its
neighbours, and the range is wide. Sand, snow and fluids have no Young's modulus of their own: theirs is that of a bulk under
small loads, or what particle methods put in its place.

Sources: [A] M. F. Ashby, Materials Selection in Mechanical Design, appendix of material properties. [W] USDA Forest Products
Laboratory, Wood Handbook, FPL-GTR-282, chapter 5. [GA] Gibson and Ashby, Cellular Solids. [F] friction of dry pairs as in the
tables of Physics Fundamentals (eCampusOntario), appendix A: steel on steel 0.42 to 0.57, aluminium on steel 0.47, brass on
steel 0.44, copper on steel 0.36, cast iron on steel 0.23, glass on metal 0.5 to 0.7 static; wood on steel 0.3 to 0.6, wood on
wood 0.3 to 0.5, plastic on steel 0.18 to 0.35 (Lust, Engineering Guide, table 7.21); static friction of plastics 0.35 to 0.75
(PP 0.35 to 0.45, ABS 0.60 to 0.75, PMMA 0.60 to 0.70). [R] restitution: R. Cross, The bounce of a ball, Am. J. Phys. 67
(1999), from the superball to plasticine, which does not bounce at all; balls on a steel mirror (UCLA demonstration 10): steel
and glass highly elastic, wood and lead not; on a hard floor a wooden ball 0.60, a steel one 0.60, a glass marble 0.66, a hollow
plastic ball 0.69 (The Physics Factbook). [P] Gorji Chakespari et al., Strength behavior of apples, Modern Applied Science 4
(2010): tangent modulus 0.8 to 2.3 MPa, failure at 0.32 to 0.37 MPa. [N] T. Nordstrand, Basic testing and strength design of
corrugated board and containers, Lund University 2003. [M] M. Mellor, Engineering properties of snow, J. Glaciology 19 (1977).
[X] Pixie (arXiv 2508.17437) and PhysGaussian, whose particle method uses such values. What [A] and [W] give was compared
with W. D. Callister, Materials Science and Engineering, appendix B: steels 193 to 207 GPa; polypropylene 905 kg/m^3 and 1.14 to
1.55 GPa, polystyrene 1050 and 2.28 to 3.28, PMMA 1190 and 2.24 to 3.24; Douglas fir 460 to 500 and 10.8 to 13.6, red oak 610 to
670 and 11.0 to 14.1. The other figures that [A], [GA], [N] and [M] are cited for are from memory of them.
"""

from assets.materials.classes import (
    CARDBOARD,
    CERAMIC,
    CLAY,
    FABRIC,
    FLUID,
    FOAM,
    FOOD,
    GLASS,
    JELLY,
    METAL,
    PLASTIC,
    RUBBER,
    SAND,
    SNOW,
    STONE,
    WOOD,
    Kind,
)

_MM = 1e-3
_THICK = (5e-3, 2e-2)  # walls of what is seldom hollow (m)

_ALL = (
    Kind(
        "steel", METAL, (7700, 8000), (190e9, 215e9), (0.27, 0.30), (0.30, 0.57), (0.50, 0.80), (2e8, 9e8),
        0.45, (0.3 * _MM, 2 * _MM), "[A] carbon and stainless steels; [F] on steel; [R]",
    ),
    Kind(
        "aluminium", METAL, (2640, 2810), (68e9, 73e9), (0.32, 0.34), (0.30, 0.47), (0.40, 0.65), (5e7, 5e8),
        0.55, (0.2 * _MM, 3 * _MM), "[A] wrought aluminium alloys; [F] on steel",
    ),
    Kind(
        "brass", METAL, (8400, 8730), (97e9, 110e9), (0.33, 0.36), (0.30, 0.44), (0.40, 0.65), (1e8, 5e8),
        0.25, (0.5 * _MM, 3 * _MM), "[A]; [F] on steel",
    ),
    Kind(
        "copper", METAL, (8900, 8960), (117e9, 130e9), (0.34, 0.35), (0.30, 0.53), (0.35, 0.60), (5e7, 3.5e8),
        0.40, (0.5 * _MM, 2 * _MM), "[A]; [F] on steel",
    ),
    Kind(
        "cast iron", METAL, (7050, 7300), (90e9, 130e9), (0.25, 0.28), (0.23, 0.45), (0.40, 0.65), (1.4e8, 4e8),
        0.05, (3 * _MM, 8 * _MM), "[A] grey cast iron; [F] on steel",
    ),
    Kind(
        "softwood", WOOD, (350, 550), (7e9, 12e9), (0.30, 0.42), (0.30, 0.50), (0.30, 0.55), (3e7, 6e7),
        0.05, (6 * _MM, 15 * _MM), "[W] pine, spruce, fir, cedar; [F] wood on wood; [R]",
    ),
    Kind(
        "hardwood", WOOD, (580, 850), (9e9, 15e9), (0.30, 0.42), (0.30, 0.50), (0.40, 0.60), (4.5e7, 9e7),
        0.05, (6 * _MM, 15 * _MM), "[W] oak, beech, maple, birch; [F] wood on wood; [R]",
    ),
    Kind(
        "plywood", WOOD, (480, 700), (5e9, 10e9), (0.22, 0.35), (0.30, 0.50), (0.30, 0.50), (2e7, 5e7),
        0.15, (4 * _MM, 18 * _MM), "[W] chapter 12, wood-based panels",
    ),
    Kind(
        "polyolefin", PLASTIC, (890, 970), (0.6e9, 1.8e9), (0.40, 0.46), (0.20, 0.40), (0.45, 0.70), (1.5e7, 3.5e7),
        0.75, (0.5 * _MM, 3 * _MM), "[A] PE and PP; [F] plastic on steel",
    ),
    Kind(
        "styrenic", PLASTIC, (1020, 1120), (1.8e9, 3.2e9), (0.35, 0.40), (0.30, 0.50), (0.50, 0.75), (3e7, 6e7),
        0.65, (0.8 * _MM, 4 * _MM), "[A] ABS and PS; [F] steel on plastic",
    ),
    Kind(
        "clear plastic", PLASTIC, (1170, 1400), (2.2e9, 3.3e9), (0.37, 0.41), (0.25, 0.50), (0.50, 0.75), (5e7, 8e7),
        0.60, (0.3 * _MM, 3 * _MM), "[A] PMMA, PET, PC",
    ),
    Kind(
        "hard rubber", RUBBER, (1050, 1250), (3e6, 1e7), (0.48, 0.4975), (0.60, 1.00), (0.45, 0.75), (5e6, 2.5e7),
        0.30, (2 * _MM, 8 * _MM), "[A] SBR, tyre compounds; [F] car tyre on asphalt 0.72",
    ),
    Kind(
        "soft rubber", RUBBER, (920, 1150), (0.8e6, 3e6), (0.48, 0.4990), (0.75, 1.15), (0.60, 0.88), (3e6, 2e7),
        0.40, (1 * _MM, 4 * _MM), "[A] natural and silicone rubber; [R] superball",
    ),
    Kind(
        "expanded polystyrene", FOAM, (15, 40), (2e6, 1.2e7), (0.05, 0.15), (0.35, 0.55), (0.30, 0.55), (6e4, 3e5),
        0.02, _THICK, "[GA] rigid polymer foams of low density",
    ),
    Kind(
        "sponge", FOAM, (18, 70), (2e4, 2e5), (0.15, 0.33), (0.50, 0.90), (0.20, 0.45), (2e3, 1.2e4),
        0.01, _THICK, "[GA] flexible open-cell polyurethane",
    ),
    Kind(
        "dense foam", FOAM, (60, 200), (1e6, 8e6), (0.20, 0.33), (0.50, 0.80), (0.35, 0.60), (1e5, 8e5),
        0.02, _THICK, "[GA] closed-cell polyethylene and EVA",
    ),
    Kind(
        "soda-lime glass", GLASS, (2440, 2530), (68e9, 73e9), (0.21, 0.24), (0.30, 0.55), (0.55, 0.80), (3e7, 9e7),
        0.75, (1.5 * _MM, 5 * _MM), "[A]; [F] glass on metal; [R]",
    ),
    Kind(
        "porcelain", CERAMIC, (2200, 2550), (55e9, 95e9), (0.19, 0.25), (0.30, 0.50), (0.45, 0.70), (3.5e7, 9e7),
        0.70, (2.5 * _MM, 6 * _MM), "[A] porcelain and stoneware",
    ),
    Kind(
        "terracotta", CERAMIC, (1800, 2150), (1e10, 3e10), (0.15, 0.22), (0.45, 0.65), (0.30, 0.55), (5e6, 2e7),
        0.60, (4 * _MM, 10 * _MM), "[A] brick and earthenware; [F] brick on wood 0.6",
    ),
    Kind(
        "granite", STONE, (2600, 2750), (4e10, 7e10), (0.18, 0.26), (0.45, 0.70), (0.40, 0.65), (8e6, 2e7),
        0.01, _THICK, "[A] granite and basalt",
    ),
    Kind(
        "marble", STONE, (2520, 2720), (3.5e10, 6.5e10), (0.20, 0.28), (0.40, 0.60), (0.40, 0.60), (6e6, 1.6e7),
        0.02, _THICK, "[A] marble and limestone",
    ),
    Kind(
        "sandstone", STONE, (1950, 2400), (1.2e10, 3.5e10), (0.12, 0.22), (0.50, 0.75), (0.25, 0.50), (2e6, 6e6),
        0.01, _THICK, "[A] sandstone and concrete",
    ),
    Kind(
        "corrugated board", CARDBOARD, (90, 180), (3e7, 3e8), (0.10, 0.30), (0.30, 0.50), (0.15, 0.35), (1e5, 6e5),
        0.85, (3 * _MM, 7 * _MM), "[N] board as a homogenised plate",
    ),
    Kind(
        "paperboard", CARDBOARD, (650, 850), (1.5e9, 5e9), (0.15, 0.35), (0.25, 0.50), (0.15, 0.40), (1e7, 4e7),
        0.60, (0.3 * _MM, 1.2 * _MM), "[A] paper and board; solid where it is a book or a stack",
    ),
    Kind(
        "woven cloth", FABRIC, (280, 600), (2e6, 6e7), (0.10, 0.35), (0.35, 0.65), (0.03, 0.20), (1e6, 3e7),
        0.05, _THICK, "textile handbooks, cotton and denim in bulk; [F] cotton on cotton 0.3",
    ),
    Kind(
        "plush", FABRIC, (60, 220), (2e4, 5e5), (0.05, 0.30), (0.40, 0.75), (0.05, 0.25), (1e4, 5e5),
        0.02, _THICK, "felt, wool and stuffed toys in bulk",
    ),
    Kind(
        "leather", FABRIC, (820, 1000), (5e7, 3e8), (0.30, 0.45), (0.40, 0.65), (0.20, 0.45), (1e7, 2.5e7),
        0.35, (1 * _MM, 3 * _MM), "[A]; [F] leather on wood 0.4 to 0.6",
    ),
    Kind(
        "fruit", FOOD, (780, 1060), (8e5, 6e6), (0.25, 0.40), (0.35, 0.60), (0.25, 0.50), (2e5, 6e5),
        0.0, _THICK, "[P] apples; potatoes and pears like them",
    ),
    Kind(
        "bread", FOOD, (150, 350), (5e3, 6e4), (0.10, 0.30), (0.40, 0.70), (0.05, 0.25), (1e3, 1e4),
        0.0, _THICK, "[GA] bread as an open-cell foam",
    ),
    Kind(
        "leaves", FOOD, (500, 950), (1e7, 3e8), (0.20, 0.40), (0.30, 0.60), (0.05, 0.25), (1e6, 1e7),
        0.0, _THICK, "green plants and stems",
    ),
    Kind(
        "gelatine", JELLY, (1000, 1080), (3e3, 1e5), (0.45, 0.4975), (0.30, 0.70), (0.10, 0.40), (2e3, 4e4),
        0.0, _THICK, "gelatine and hydrogels of 5 to 20 %; [X]",
    ),
    Kind(
        "sand", SAND, (1400, 1700), (5e6, 5e7), (0.20, 0.35), (0.50, 0.75), (0.01, 0.10), (1e3, 2e4),
        0.0, _THICK, "dry sand in bulk, angle of repose 30 to 35°; [X]",
    ),
    Kind(
        "snow", SNOW, (100, 500), (2e5, 2e7), (0.15, 0.30), (0.05, 0.30), (0.01, 0.10), (1e3, 5e4),
        0.0, _THICK, "[M] settled snow; [X]",
    ),
    Kind(
        "plasticine", CLAY, (1250, 1900), (1e5, 5e6), (0.35, 0.48), (0.50, 0.90), (0.0, 0.06), (1e4, 1.2e5),
        0.0, _THICK, "modelling clay and dough; [R] plasticine",
    ),
    Kind(
        "liquid", FLUID, (800, 1300), (1e3, 1e5), (0.45, 0.4975), (0.02, 0.10), (0.0, 0.05), (1e2, 1e3),
        0.0, _THICK, "water, oil, syrup; the modulus is a particle method's, [X]",
    ),
)  # fmt: skip

KINDS = {kind.name: kind for kind in _ALL}
