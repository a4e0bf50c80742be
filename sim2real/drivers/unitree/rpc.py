"""Unitree's services: a request on one topic, its response on another, matched by an id.

    switcher = Service(network, "motion_switcher")
    data = switcher.call(1001)                  # on the robot's side: ServiceHost(network, name, answer).poll()

Topics `rt/api/NAME/request` and `rt/api/NAME/response`, types, header and codes are those of unitree_sdk2_python (`rpc/` and
`idl/unitree_api/msg/dds_`). Parameters and answers are JSON in a string.
"""

# See `messages` for this, and for `byte`.
# pyright: reportInvalidTypeArguments=false

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cyclonedds.idl import IdlStruct, annotations, types

from sim2real.drivers.driver import DriverError
from sim2real.drivers.unitree.dds import Network

NOT_IMPLEMENTED = 3203
"""Status code of a request that a service does not know."""
BAD_PARAMETER = 3204
"""Status code of a request whose parameter makes no sense."""
_TIMEOUT = 10.0  # s, for an answer
_RESEND = 1.0  # s; a request that is sent before the service has found us is lost
_NO_BINARY: Any = ()
_LARGEST = 65536  # characters of a parameter or an answer


@dataclass
@annotations.final
@annotations.autoid("sequential")
class RequestIdentity_(IdlStruct, typename="unitree_api.msg.dds_.RequestIdentity_"):  # noqa: N801 - the name on the network
    id: types.int64
    api_id: types.int64


@dataclass
@annotations.final
@annotations.autoid("sequential")
class RequestLease_(IdlStruct, typename="unitree_api.msg.dds_.RequestLease_"):  # noqa: N801
    id: types.int64


@dataclass
@annotations.final
@annotations.autoid("sequential")
class RequestPolicy_(IdlStruct, typename="unitree_api.msg.dds_.RequestPolicy_"):  # noqa: N801
    priority: types.int32
    noreply: bool


@dataclass
@annotations.final
@annotations.autoid("sequential")
class RequestHeader_(IdlStruct, typename="unitree_api.msg.dds_.RequestHeader_"):  # noqa: N801
    identity: RequestIdentity_
    lease: RequestLease_
    policy: RequestPolicy_


@dataclass
@annotations.final
@annotations.autoid("sequential")
class Request_(IdlStruct, typename="unitree_api.msg.dds_.Request_"):  # noqa: N801
    header: RequestHeader_
    parameter: str
    binary: types.sequence[types.byte]


@dataclass
@annotations.final
@annotations.autoid("sequential")
class ResponseStatus_(IdlStruct, typename="unitree_api.msg.dds_.ResponseStatus_"):  # noqa: N801
    code: types.int32


@dataclass
@annotations.final
@annotations.autoid("sequential")
class ResponseHeader_(IdlStruct, typename="unitree_api.msg.dds_.ResponseHeader_"):  # noqa: N801
    identity: RequestIdentity_
    status: ResponseStatus_


@dataclass
@annotations.final
@annotations.autoid("sequential")
class Response_(IdlStruct, typename="unitree_api.msg.dds_.Response_"):  # noqa: N801
    header: ResponseHeader_
    data: str
    binary: types.sequence[types.byte]


class Service:
    """A client of one of the robot's services."""

    def __init__(self, network: Network, name: str):
        self.name = name
        self._where = network.address
        self._requests = network.publish(f"rt/api/{name}/request", Request_)
        self._responses = network.subscribe(f"rt/api/{name}/response", Response_)

    def call(self, api_id: int, parameter: str = "{}") -> str:
        """The answer's data. The request may arrive twice: what it asks for must then be done already. Raises DriverError where
        no answer comes within 10 s, or one that refuses."""
        identity = RequestIdentity_(time.monotonic_ns(), api_id)
        request = Request_(RequestHeader_(identity, RequestLease_(0), RequestPolicy_(0, False)), parameter, _NO_BINARY)
        deadline = time.monotonic() + _TIMEOUT
        resend = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= resend and self._requests.has_subscriber():
                self._requests.pack(request)
                resend = now + _RESEND
            for response in self._responses.unpack():
                if response.header.identity.id == identity.id:
                    return self._data(api_id, response)
            time.sleep(0.005)
        raise DriverError(
            f"the robot's service {self.name!r} at {self._where} gave no answer to request {api_id} within {_TIMEOUT:g} s: "
            "is the robot's software up? The vendor's app must not be connected"
        )

    def _data(self, api_id: int, response: Response_) -> str:
        code = response.header.status.code
        if code != 0:
            raise DriverError(f"the robot's service {self.name!r} refused request {api_id} with code {code}")
        return response.data[:_LARGEST]


class ServiceHost:
    """The robot's side of a service: `answer(api_id, parameter)` gives a status code, 0 for well done, and data."""

    def __init__(self, network: Network, name: str, answer: Callable[[int, str], tuple[int, str]]):
        self._answer = answer
        self._requests = network.subscribe(f"rt/api/{name}/request", Request_)
        self._responses = network.publish(f"rt/api/{name}/response", Response_)

    def poll(self) -> None:
        """Answer what has come, without waiting."""
        for request in self._requests.unpack():
            code, data = self._answer(request.header.identity.api_id, request.parameter[:_LARGEST])
            if not request.header.policy.noreply:
                header = ResponseHeader_(request.header.identity, ResponseStatus_(code))
                self._responses.pack(Response_(header, data, _NO_BINARY))
