"""Ground to walk on."""

from assets.terrains import tiles
from assets.terrains.rough import rough_terrain
from assets.terrains.terrain import Box, Terrain, TerrainError, Tile

__all__ = ["Box", "Terrain", "TerrainError", "Tile", "rough_terrain", "tiles"]
