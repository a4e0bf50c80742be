"""`--format go2-csv`: a Go2's joints as `lupinjia/genesis_lr` records them, one CSV file.

state, jpos0..11 (rad), jvel0..11 (rad/s), jpos0..11_des (rad), kp (N m/rad), kd (N m s/rad); legs FL, FR, RL, RR, each hip,
thigh, calf, which is our Go2's own order. The robot hung in the air. The file has no stamps: its rows are taken as 200 to a
second, as its name has it, and the log's time base is "nominal".
"""

from pathlib import Path

from assets.robots.go2 import GO2
from sim2real.logs.importers.csv_map import Columns, CsvMap, Rate, read_mapped
from sim2real.logs.importers.csv_rows import header_of
from sim2real.logs.importers.importer import Wanted, order_of, robot_of
from sim2real.logs.robot_log import RobotLog

DESCRIPTION = "a Go2's joints, targets and gains in one CSV file, without stamps: nominally 200 Hz"

_HERTZ = 200.0
_JOINTS = tuple(f"{leg}_{joint}_joint" for leg in ("FL", "FR", "RL", "RR") for joint in ("hip", "thigh", "calf"))
_MARKS = {"jpos0", "jvel0", "jpos0_des", "kp", "kd"}


def recognises(path: Path, /) -> bool:
    return path.suffix == ".csv" and path.is_file() and set(header_of(path)) >= _MARKS


def read(path: Path, wanted: Wanted, /) -> list[RobotLog]:
    robot = robot_of(path, GO2.name, wanted)
    order = order_of(path, "a recording of this format", _JOINTS, robot)

    def joints(pattern: str) -> Columns:
        return Columns(tuple(pattern.format(index) for index in order))

    columns = {"position": joints("jpos{}"), "velocity": joints("jvel{}"), "target": joints("jpos{}_des")}
    columns |= {"stiffness": joints("kp"), "damping": joints("kd")}
    return [read_mapped(path, CsvMap(robot, Rate(_HERTZ), columns), wanted.advance)]
