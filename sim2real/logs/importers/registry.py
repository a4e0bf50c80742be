"""The formats that can be imported, by name: `import_logs(path, format, wanted)`, with the format guessed where it is plain."""

import importlib
from pathlib import Path
from typing import cast

from sim2real.logs.importers.importer import Importer, Wanted
from sim2real.logs.robot_log import RobotLog, RobotLogError

FORMATS = {
    "mcap": "sim2real.logs.importers.mcap_file",
    "ros2": "sim2real.logs.importers.ros2_bag",
    "lerobot": "sim2real.logs.importers.lerobot",
    "go2-csv": "sim2real.logs.importers.go2_csv",
    "so101-csv": "sim2real.logs.importers.so101_csv",
    "csv": "sim2real.logs.importers.csv_file",
}
"""Where each is; imported only when asked for, as some have packages of their own. One earlier in the list is guessed first."""


def importer(name: str) -> Importer:
    """The importer of that format."""
    return cast(Importer, importlib.import_module(FORMATS[name]))


def guess_format(path: Path, wanted: Wanted) -> str:
    """The format of a file or folder. Raises RobotLogError where it is not plain."""
    if not path.exists():
        raise RobotLogError(f"{path} does not exist: expected a recording, a file or a folder")
    if wanted.map is not None:
        return "csv"
    for name in FORMATS:
        if importer(name).recognises(path):
            return name
    lines = "; ".join(f"{name}: {importer(name).DESCRIPTION}" for name in FORMATS)
    raise RobotLogError(f"{path} is of no format that is known by its looks: name one with --format. There are: {lines}")


def import_logs(path: Path, name: str | None, wanted: Wanted) -> list[RobotLog]:
    """The recordings in a file or folder, at least one. Raises RobotLogError."""
    known = name or guess_format(path, wanted)
    if not path.exists():
        raise RobotLogError(f"{path} does not exist: expected {importer(known).DESCRIPTION}")
    return importer(known).read(path, wanted)
