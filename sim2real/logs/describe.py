"""What is in a stored log, in words: `describe(stored)`, and as data for JSON: `to_json(stored)`."""

from dataclasses import asdict
from typing import Any

from sim2real.logs.robot_log import KINDS
from sim2real.logs.store import Stored


def describe(stored: Stored) -> str:
    info = stored.info
    base = "held, as on a stand or by its bolts" if info.is_suspended else "free, on its own feet"
    time_base = "as it was recorded" if info.time_base == "measured" else "nominal: computed from a rate, not recorded"
    lines = [
        ("robot", f"{info.robot}{f', serial number {info.serial}' if info.serial else ''}"),
        ("joints", f"{len(info.joints)}: {', '.join(info.joints)}"),
        ("length", f"{stored.seconds:.3f} s"),
        ("excitation", info.excitation or "not said"),
        ("payload", f"{info.payload:g} kg"),
        ("base", base),
        ("time", time_base),
        ("licence", info.licence or "not said"),
        ("source", info.source or "not said"),
        ("content", stored.content_hash),
        ("file", f"{stored.path} ({stored.path.stat().st_size / 1024:.0f} KiB)"),
    ]
    text = [f"{name:11}{value}" for name, value in lines]
    text += ["streams", *(f"  {line}" for line in _streams(stored))]
    if stored.events:
        text += ["events", *(f"  {1e-9 * event.stamp:11.3f} s  {event.text}" for event in stored.events)]
    return "\n".join(text)


def to_json(stored: Stored) -> dict[str, Any]:
    """All of it."""
    streams = {
        name: {
            "unit": KINDS[name].unit,
            "width": stream.width,
            "samples": stream.samples,
            "rate_hz": stream.rate,
            "clock": stream.clock,
            "first_ns": stream.first,
            "last_ns": stream.last,
        }
        for name, stream in stored.streams.items()
    }
    told = {"file": str(stored.path), "seconds": stored.seconds, "content_hash": stored.content_hash}
    return told | asdict(stored.info) | {"streams": streams, "events": [asdict(event) for event in stored.events]}


def _streams(stored: Stored) -> list[str]:
    width = max((len(name) for name in stored.streams), default=0)
    return [
        f"{name:{width}}  {stream.samples:8} samples x {stream.width:3}"
        f"  {f'{stream.rate:7.1f} Hz' if stream.samples > 1 else 'once':>10}"
        f"  from {1e-9 * stream.first:.3f} s, clock {stream.clock}{f', {KINDS[name].unit}' if KINDS[name].unit else ''}"
        for name, stream in stored.streams.items()
    ]
