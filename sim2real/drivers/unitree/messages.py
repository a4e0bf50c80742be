"""The low-level messages of the Go2, as its DDS network knows them: `LowCmd_` on `rt/lowcmd`, `LowState_` on `rt/lowstate`.

Field names, types and order are those of Unitree's IDL (unitree_sdk2_python, `idl/unitree_go/msg/dds_`). The classes tell
Cyclone DDS the types; what is sent and received at 500 Hz goes through `layout`, which is faster.

Octets are declared `byte`, never `uint8`: the bytes on the wire are the same, but Cyclone DDS 0.10.2, which Unitree pins, does
not understand how version 11 describes a `uint8`: it never matches our topics, and its Python process dies.
"""

# Cyclone's `array` makes an annotation of what looks to a type checker like a class without parameters.
# pyright: reportInvalidTypeArguments=false

from dataclasses import dataclass

from cyclonedds.idl import IdlStruct, annotations, types

COMMAND_TOPIC = "rt/lowcmd"
STATE_TOPIC = "rt/lowstate"

NUM_MOTORS = 20
"""Entries of the motor arrays; the Go2 uses the first 12: FR, FL, RR, RL by hip, thigh, calf."""
HEAD = (0xFE, 0xEF)
LOW_LEVEL = 0xFF
"""`level_flag` of a message that commands motors."""
SERVO_MODE = 0x01
"""`mode` of a motor that follows its command."""
POSITION_OFF = 2.146e9
"""`q` of a motor without a position target (PosStopF)."""
VELOCITY_OFF = 16000.0
"""`dq` of a motor without a velocity target (VelStopF)."""


@dataclass
@annotations.final
@annotations.autoid("sequential")
class MotorCmd_(IdlStruct, typename="unitree_go.msg.dds_.MotorCmd_"):  # noqa: N801 - the name on the network
    mode: types.byte
    q: types.float32
    dq: types.float32
    tau: types.float32
    kp: types.float32
    kd: types.float32
    reserve: types.array[types.uint32, 3]


@dataclass
@annotations.final
@annotations.autoid("sequential")
class BmsCmd_(IdlStruct, typename="unitree_go.msg.dds_.BmsCmd_"):  # noqa: N801
    off: types.byte
    reserve: types.array[types.byte, 3]


@dataclass
@annotations.final
@annotations.autoid("sequential")
class LowCmd_(IdlStruct, typename="unitree_go.msg.dds_.LowCmd_"):  # noqa: N801
    head: types.array[types.byte, 2]
    level_flag: types.byte
    frame_reserve: types.byte
    sn: types.array[types.uint32, 2]
    version: types.array[types.uint32, 2]
    bandwidth: types.uint16
    motor_cmd: types.array[MotorCmd_, NUM_MOTORS]
    bms_cmd: BmsCmd_
    wireless_remote: types.array[types.byte, 40]
    led: types.array[types.byte, 12]
    fan: types.array[types.byte, 2]
    gpio: types.byte
    reserve: types.uint32
    crc: types.uint32


@dataclass
@annotations.final
@annotations.autoid("sequential")
class IMUState_(IdlStruct, typename="unitree_go.msg.dds_.IMUState_"):  # noqa: N801
    quaternion: types.array[types.float32, 4]  # w, x, y, z
    gyroscope: types.array[types.float32, 3]
    accelerometer: types.array[types.float32, 3]
    rpy: types.array[types.float32, 3]
    temperature: types.byte


@dataclass
@annotations.final
@annotations.autoid("sequential")
class MotorState_(IdlStruct, typename="unitree_go.msg.dds_.MotorState_"):  # noqa: N801
    mode: types.byte
    q: types.float32
    dq: types.float32
    ddq: types.float32
    tau_est: types.float32
    q_raw: types.float32
    dq_raw: types.float32
    ddq_raw: types.float32
    temperature: types.byte
    lost: types.uint32
    reserve: types.array[types.uint32, 2]


@dataclass
@annotations.final
@annotations.autoid("sequential")
class BmsState_(IdlStruct, typename="unitree_go.msg.dds_.BmsState_"):  # noqa: N801
    version_high: types.byte
    version_low: types.byte
    status: types.byte
    soc: types.byte
    current: types.int32
    cycle: types.uint16
    bq_ntc: types.array[types.byte, 2]
    mcu_ntc: types.array[types.byte, 2]
    cell_vol: types.array[types.uint16, 15]


@dataclass
@annotations.final
@annotations.autoid("sequential")
class LowState_(IdlStruct, typename="unitree_go.msg.dds_.LowState_"):  # noqa: N801
    head: types.array[types.byte, 2]
    level_flag: types.byte
    frame_reserve: types.byte
    sn: types.array[types.uint32, 2]
    version: types.array[types.uint32, 2]
    bandwidth: types.uint16
    imu_state: IMUState_
    motor_state: types.array[MotorState_, NUM_MOTORS]
    bms_state: BmsState_
    foot_force: types.array[types.int16, 4]
    foot_force_est: types.array[types.int16, 4]
    tick: types.uint32
    wireless_remote: types.array[types.byte, 40]
    bit_flag: types.byte
    adc_reel: types.float32
    temperature_ntc1: types.byte
    temperature_ntc2: types.byte
    power_v: types.float32
    power_a: types.float32
    fan_frequency: types.array[types.uint16, 4]
    reserve: types.uint32
    crc: types.uint32
