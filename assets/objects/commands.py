"""The verb of the command line that concerns objects: `zerogap import-mesh`.

Heavy imports stay inside the functions, as `zerogap --help` reads this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Json = Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")]


def import_(
    mesh: tyro.conf.Positional[Path],
    /,
    out: Path,
    name: str | None = None,
    units: Literal["m", "cm", "mm", "inch", "foot"] | None = None,
    scale: float = 1.0,
    up: Literal["y", "z"] | None = None,
    mass: float | None = None,
    density: float | None = None,
    wall: float | None = None,
    friction: float = 0.8,
    hulls: int = 24,
    concavity: float = 0.08,
    seed: int = 0,
    json_file: Json = None,
) -> dict[str, Any]:
    """Make an object for simulation of a mesh: OBJ, PLY, STL or GLB, with its textures or colours.

    Example: zerogap import-mesh mug/textured.obj --mass 0.118 --wall 0.004 --out objects/mug

    The folder has an MJCF file of a free body with its mass, inertia, looks and convex parts that collide. Two lines bring it
    into a scene, which lies beside the folder:

        <asset><model name="mug" file="mug/mug.xml"/></asset>
        <worldbody><frame pos="0 0 0.5"><attach model="mug" body="mug" prefix=""/></frame></worldbody>

    Args:
        mesh: the file; textures are looked for in its folder.
        out: the folder to write, which must be new.
        name: of the body; by default that of the file, or of its folder where the file's says nothing.
        units: of the file's coordinates; without them it is taken to be in metres, which is refused where that is unlikely.
        scale: by which they are multiplied, besides.
        up: which of the file's axes is up; by default y of GLB files, as their standard has it, which are turned; z of others.
        mass: kg; with it the density follows.
        density: of the material (kg/m³); that of water, 1000, where neither it nor the mass is given.
        wall: thickness of the walls of a hollow object (m).
        friction: sliding friction, which counts whatever the object touches.
        hulls: convex parts at most.
        concavity: what a convex part may deviate from the surface, in sizes of the object.
        seed: of the search for convex parts.
        json_file: write the figures to this file.
    """
    from rich.console import Console

    from assets.objects.hulls import Decomposition, total_volume
    from assets.objects.mjcf import Place, write_mjcf
    from assets.objects.object import Contact, load_object

    if not 0 <= friction < 10:
        from assets.objects.errors import ObjectError

        raise ObjectError(f"friction must be within 0 and 10, found {friction:g}")
    Place.of(out, name or "")  # before anything that takes its time
    with Console(stderr=True).status("reading") as status:
        made = load_object(
            mesh,
            name=name,
            units=units,
            scale=scale,
            up=up,
            mass=mass,
            density=density,
            wall=wall,
            contact=Contact(friction=(friction, 0.005, 0.0001)),
            decomposition=Decomposition(concavity=concavity, max_hulls=hulls, seed=seed),
            tell=status.update,
        )
        status.update("writing")
        path = write_mjcf(made, out)
    size = (made.solid.bounds[1] - made.solid.bounds[0]).tolist()
    print(f"object     {path}")
    print(f"size       {' x '.join(f'{1e3 * edge:.1f}' for edge in size)} mm, {1e6 * made.solid.volume:.1f} cm³")
    print(f"mass       {made.inertial.mass:.4g} kg, centre {', '.join(f'{1e3 * x:.1f}' for x in made.inertial.com)} mm")
    print(f"collision  {len(made.hulls)} convex parts, {1e6 * total_volume(made.hulls):.1f} cm³")
    for note in made.notes:
        print(f"note       {note}")
    told: dict[str, Any] = {"file": str(path), "name": made.name, "size": size, "volume": made.solid.volume}
    told |= {"mass": made.inertial.mass, "com": list(made.inertial.com), "inertia": list(made.inertial.inertia)}
    return told | {"hulls": len(made.hulls), "hull_volume": total_volume(made.hulls), "notes": list(made.notes)}


COMMANDS: dict[str, Callable[..., Any]] = {"import-mesh": import_}
