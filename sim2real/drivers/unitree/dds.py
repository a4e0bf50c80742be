"""A part in a DDS network: `Network` makes readers and writers of topics and counts who else publishes one.

    with Network(Address.parse("lo/1")) as network:
        states = network.subscribe(STATE_TOPIC, LowState_)
        commands = network.publish(COMMAND_TOPIC, LowCmd_)
        for cdr in states.take(): ...               # bytes, as they came
        commands.send(cdr)

An address is a network interface and a DDS domain: `enp3s0/0` is a robot on that wire, `lo/1` a simulator on this machine. On
loopback nothing is multicast, as `lo` often cannot: 127.0.0.1 is asked, whichever participants are there. On an interface of a
network others can hear and command the robot too: that is Unitree's protocol, which knows no passwords.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.core import DDSException, InstanceState
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from sim2real.drivers.driver import DriverError

_LOOPBACK = "lo"
_LARGEST_DOMAIN = 230
_LITTLE_ENDIAN = (b"\x00\x01", b"\x00\x07")  # headers of XCDR1 and XCDR2; the messages here are the same in both
_KEPT = 256  # messages that wait to be taken; older ones give way

_Message = TypeVar("_Message", bound=IdlStruct)


@dataclass(frozen=True)
class Address:
    """Where a robot is: `INTERFACE/DOMAIN`, or `INTERFACE` alone for a robot's domain 0, on loopback for a simulator's 1."""

    interface: str
    domain: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        interface, slash, domain = text.partition("/")
        if not re.fullmatch(r"[A-Za-z0-9_.:@-]{1,32}", interface):
            raise DriverError(f"address {text!r} names no network interface; expected one like enp3s0, enp3s0/0 or lo/1")
        if not slash:
            return cls(interface, 1 if interface == _LOOPBACK else 0)
        if not re.fullmatch("[0-9]{1,3}", domain) or int(domain) > _LARGEST_DOMAIN:
            raise DriverError(
                f"address {text!r}: the DDS domain after the slash must be 0 to {_LARGEST_DOMAIN}; 0 is a robot, 1 a simulator"
            )
        return cls(interface, int(domain))

    def __str__(self) -> str:
        return f"{self.interface}/{self.domain}"

    def configuration(self) -> str:
        """Cyclone's XML."""
        if self.interface != _LOOPBACK:
            interface = f'<Interfaces><NetworkInterface name="{self.interface}"/></Interfaces>'
            return f"<CycloneDDS><Domain><General>{interface}</General></Domain></CycloneDDS>"
        interface = '<Interfaces><NetworkInterface address="127.0.0.1"/></Interfaces>'  # its name depends on the system
        peers = '<Peers><Peer address="127.0.0.1"/></Peers><ParticipantIndex>auto</ParticipantIndex>'
        general = f"<General>{interface}<AllowMulticast>false</AllowMulticast></General>"
        return f"<CycloneDDS><Domain>{general}<Discovery>{peers}</Discovery></Domain></CycloneDDS>"


class Network:
    """This process's part in the network at an address; one at a time for each domain."""

    def __init__(self, address: Address):
        self.address = address
        try:
            self._domain: Domain | None = Domain(address.domain, address.configuration())
            self._participant: DomainParticipant | None = DomainParticipant(address.domain)
        except DDSException as error:
            raise DriverError(
                f"cannot join DDS domain {address.domain} on network interface {address.interface!r} ({error.msg}): is the "
                "interface there and up (ip link), and is this process on the same domain already?"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def subscribe(self, topic: str, message: type[_Message]) -> "Inbox[_Message]":
        reader = DataReader(self._joined(), self._packed(topic, message), Qos(Policy.History.KeepLast(_KEPT)))
        return Inbox(reader, message)

    def publish(self, topic: str, message: type[IdlStruct]) -> "Outbox":
        return Outbox(DataWriter(self._joined(), self._packed(topic, message)), message)

    def others(self, topic: str) -> "Publishers":
        return Publishers(self._joined(), topic)

    def close(self) -> None:
        """Leave the network, with all readers and writers. May be called twice."""
        self._participant = None
        self._domain = None

    def _joined(self) -> DomainParticipant:
        if self._participant is None:
            raise DriverError(f"the network at {self.address} has been left")
        return self._participant

    def _packed(self, topic: str, message: type[IdlStruct]) -> Topic[Any]:
        described: Topic[Any] = Topic(self._joined(), topic, message)
        described.data_type = _Packed  # the network knows the topic's type by now; from here on its messages stay packed
        return described


class Inbox(Generic[_Message]):
    """What arrives on a topic."""

    def __init__(self, reader: DataReader["_Packed"], message: type[_Message]):
        self._reader = reader
        self._message = message

    def take(self) -> list[bytes]:
        """The messages since the last call in order, as bytes without headers; never waits. Foreign encodings are left out."""
        return [data[4:] for data in self._take() if data[:2] in _LITTLE_ENDIAN]

    def unpack(self) -> list[_Message]:
        """The same as objects, which is slow; those that cannot be read are left out."""
        messages = []
        for data in self._take():
            with suppress(Exception):  # bytes of a stranger fail in as many ways as Cyclone's decoder has steps
                messages.append(self._message.deserialize(data))
        return messages

    def has_publisher(self) -> bool:
        return bool(self._reader.get_matched_publications())

    def _take(self) -> list[bytes]:
        try:
            return [sample.data for sample in self._reader.take(_KEPT) if isinstance(sample, _Packed)]
        except DDSException as error:
            raise DriverError(f"cannot read from the network any more: {error.msg}") from error


class Outbox:
    """Where messages for a topic are posted."""

    def __init__(self, writer: DataWriter["_Packed"], message: type[IdlStruct]):
        self._writer = writer
        self._header = _header(message)

    def send(self, cdr: bytes) -> None:
        """A message given as bytes without a header."""
        try:
            self._writer.write(_Packed(self._header + cdr))
        except DDSException as error:
            raise DriverError(f"cannot write to the network any more: {error.msg}") from error

    def pack(self, message: IdlStruct) -> None:
        """Send a message given as an object, which is slow."""
        self.send(message.serialize()[len(self._header) :])

    def has_subscriber(self) -> bool:
        return bool(self._writer.get_matched_subscriptions())


class Publishers:
    """Who publishes a topic, this process's participant aside. One that was killed counts until its lease of 10 s ends."""

    def __init__(self, participant: DomainParticipant, topic: str):
        self._topic = topic
        self._own = participant.guid
        self._reader = BuiltinDataReader(participant, BuiltinTopicDcpsPublication)
        self._alive: set[Any] = set()

    def count(self) -> int:
        """At this moment, without waiting."""
        for endpoint in self._reader.take(_KEPT):
            if endpoint.sample_info.instance_state != InstanceState.Alive:
                self._alive.discard(endpoint.key)
            elif endpoint.topic_name == self._topic and endpoint.participant_key != self._own:
                self._alive.add(endpoint.key)
        return len(self._alive)


class _Packed:
    """A message as bytes, where Cyclone's readers and writers expect an object of an IDL class."""

    def __init__(self, data: bytes):
        self.data = data
        self.sample_info: Any = None  # set by the reader

    def serialize(self, use_version_2: bool | None = None) -> bytes:
        return self.data

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        return cls(data)

    deserialize_key = deserialize


def _header(message: type[IdlStruct]) -> bytes:
    """What Cyclone puts before the bytes of a message of this type."""
    message.__idl__.populate()
    return b"\x00\x07\x00\x00" if message.__idl__.default_version == 2 else b"\x00\x01\x00\x00"
