"""Unitree's low-level interface over DDS: messages, their layouts and checksums, the network, and the services of the robot."""

from sim2real.drivers.driver import DriverError

try:
    import cyclonedds as _cyclonedds  # noqa: F401
except ImportError as error:
    raise DriverError(
        f"Unitree's interface needs Cyclone DDS, which cannot be imported ({error}): pip install 'zerogap[go2]'"
    ) from error
