"""What an exported policy says of itself, in words: `zerogap inspect`."""

from collections.abc import Iterable, Sequence

from sim2real.export.spec import NEAREST_COMMAND, PolicySpec, Quantity


def describe(spec: PolicySpec) -> str:
    """A page for a terminal."""
    return "\n".join([*_origin(spec), "", *_robot(spec), "", *_sees(spec), "", *_acts(spec), "", *_interface(spec)])


def _origin(spec: PolicySpec) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in spec.versions.items())
    check = f"{spec.check.observations} observations, targets within {spec.check.largest_error:.2g} rad of the environment's"
    return [
        f"policy     {spec.task}: {spec.description}",
        f"trained    run {spec.run_hash}, {spec.update} updates; {versions}",
        f"checked    on {check}; {len(spec.golden)} golden pairs are checked at each start",
    ]


def _robot(spec: PolicySpec) -> list[str]:
    names = ("joint", "range (rad)", "default (rad)", "stiffness", "damping", "effort (N m)", "speed (rad/s)")
    rows: list[tuple[str, ...]] = [names]
    for i, joint in enumerate(spec.joints):
        limits = spec.joint_ranges[i]
        numbers = (spec.default_pose, spec.stiffness, spec.damping, spec.effort_limits, spec.velocity_limits)
        told = "none" if limits is None else f"{limits[0]:.4g} to {limits[1]:.4g}"
        rows.append((joint, told, *(f"{values[i]:g}" for values in numbers)))
    return [f"robot      {spec.robot}, {len(spec.joints)} joints; stiffness in N m/rad, damping in N m s/rad", *_table(rows)]


def _sees(spec: PolicySpec) -> list[str]:
    times = "the latest observation" if spec.frames == 1 else f"the latest {spec.frames} observations"
    rows = [("term", "size", "scale", "from")]
    rows += [(term.name, str(term.size), f"{term.scale:g}", ", ".join(term.reads) or "nothing") for term in spec.terms]
    entries = zip(spec.command, spec.default_command, strict=True)
    asked = [f"{entry.name} {entry.low:.3g} to {entry.high:.3g} ({default:.3g} by default)" for entry, default in entries]
    if any(quantity.name == NEAREST_COMMAND for quantity in spec.outputs):
        asked.append(f"only such as go together: {NEAREST_COMMAND} gives the nearest that do")
    return [f"sees       {times}", *_table(rows), f"is asked   {'; '.join(asked)}"]


def _acts(spec: PolicySpec) -> list[str]:
    scales = sorted(set(spec.action_scale))
    scale = f"{scales[0]:g}" if len(scales) == 1 else f"{scales[0]:g} to {scales[-1]:g}"
    late, seen = spec.action_latency, spec.observation_latency
    return [
        f"acts       {spec.rate:g} times a second: target = {spec.action}, within the joints' ranges; action scale {scale} rad,"
        f" actions within ±{spec.action_limit:g}",
        f"latencies  trained with {1e3 * late.low:g} to {1e3 * late.high:g} ms from target to motor,"
        f" {1e3 * seen.low:g} to {1e3 * seen.high:g} ms from sensor to policy",
    ]


def _interface(spec: PolicySpec) -> list[str]:
    history = "begins as zeros; each next_NAME is fed back as NAME" if spec.history else "keeps none"
    return [
        "inputs",
        *_quantities(spec.inputs),
        f"history    {history}",
        *_quantities(spec.history),
        "outputs",
        *_quantities(spec.outputs),
    ]


def _quantities(quantities: Iterable[Quantity]) -> list[str]:
    return _table([(q.name, " x ".join(map(str, q.shape)), q.unit) for q in quantities])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
