"""A calibration as one HTML page, with its pictures in it: `write_report(path, calibration, robot, logs)`.

    write_report(Path("runs/calibration/report.html"), calibration, GO2, [open_log(a), open_log(b)])

`logs` are those that the calibration is of: some of their windows are simulated again, to be seen. What logs and robots are
called is text of strangers: it is escaped, and the page fetches nothing from anywhere.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assets.robots.robot import Robot
from sim2real import page
from sim2real.calibrate.calibrate import windows_of
from sim2real.calibrate.calibration import Calibration, LogErrors
from sim2real.calibrate.parameters import build_model, read_signals
from sim2real.calibrate.replay import Replay, suspended_spec
from sim2real.logs.robot_log import RobotLog

_NOMINAL, _CALIBRATED, _MEASURED = "#b0b0b0", "#1f77b4", "#111111"
_BOTH = ("nominal", "calibrated")
_COLUMNS = 3
_MOST_BARS = 14

_VERDICTS = {"identified": "good", "weak": "fair", "not identifiable": "bad"}

_BODY = """<h1>Calibration of {{ c.robot }}</h1>
<p class="lead">The simulation follows {{ "the recordings held out" if c.held_out else "the recordings it was fitted to" }}
over {{ "%g" % seconds }} s to within <b>{{ "%.4f" % c.rmse_calibrated_rad }} rad</b>; the nominal model, to within
{{ "%.4f" % c.rmse_nominal_rad }} rad{{ ": %.0f %% less" % cut if cut >= 0 else ": %.0f %% more" % -cut }}.</p>
{% for text in c.warnings %}<p class="warning">{{ text }}</p>{% endfor %}

<h2>What was found</h2>
<div class="wide"><table>
<tr><th>parameter<th class="n">nominal<th class="n">found<th class="n">95 % interval<th>unit<th>verdict<th></tr>
{% for e in c.estimates %}<tr><td>{{ e.name }}<td class="n">{{ "%.4g" % e.nominal }}<td class="n"><b>{{ "%.4g" % e.value }}</b>
<td class="n">{{ "%.4g" % e.low }} to {{ "%.4g" % e.high }}<td>{{ e.unit }}
<td class="{{ verdicts[e.verdict] }}">{{ e.verdict }}{{ ", at a bound" if e.at_bound }}
<td class="quiet">{{ e.text }}</tr>
{% endfor %}</table></div>
<p class="quiet">Identified: known to within 10 %. Weak: to within 50 %, or surely not nominal. What is not identifiable was
left nominal. At a bound: the value is at the end of what was allowed, and the truth may lie beyond.</p>
{% if c.correlations %}<h2>What is hard to tell apart</h2>
<table><tr><th>parameter<th>and<th class="n">correlation</tr>
{% for one, other, r in c.correlations %}<tr><td>{{ one }}<td>{{ other }}<td class="n">{{ "%+.3f" % r }}</tr>
{% endfor %}</table>
<p class="quiet">Their values are right together rather than each by itself: record a motion that moves them apart.</p>
{% endif %}

<h2>Open-loop errors, before and after</h2>
<img src="{{ bars }}" alt="Errors of the nominal and of the calibrated model, by recording and by joint">
<div class="wide"><table>
<tr><th>recording<th>motion<th><th class="n">windows<th class="n">nominal, rad<th class="n">calibrated, rad
<th class="n">less</tr>
{% for log in c.logs %}<tr><td>{{ log.source }}<td>{{ log.excitation }}<td>{{ "held out" if log.held_out else "fitted to" }}
<td class="n">{{ log.windows }}<td class="n">{{ "%.4f" % log.rmse_nominal_rad }}
<td class="n">{{ "%.4f" % log.rmse_calibrated_rad }}
<td class="n">{{ "%.0f %%" % (100 - 100 * log.rmse_calibrated_rad / log.rmse_nominal_rad) if log.rmse_nominal_rad }}</tr>
{% endfor %}</table></div>
{% for title, picture in traces %}
<h2>{{ title }}</h2>
<img src="{{ picture }}" alt="Joint positions over time: measured, nominal and calibrated">{% endfor %}

<h2>Where it comes from</h2>
<table>
{% for log in c.logs %}<tr><td>{{ log.source }}<td>{{ "%.1f s" % log.seconds }}<td><code>{{ log.content_hash }}</code></tr>
{% endfor %}</table>
<p>{% for name, value in c.settings.items() %}{{ name }} <code>{{ value }}</code>{{ ", " if not loop.last }}{% endfor %}<br>
{% for name, version in c.versions.items() %}{{ name }} <code>{{ version }}</code>{{ ", " if not loop.last }}{% endfor %}</p>
"""


def write_report(path: Path, calibration: Calibration, robot: Robot, logs: Sequence[RobotLog]) -> None:
    """Whole or not at all. Raises PageError where it cannot."""
    page.write_page(path, render(calibration, robot, logs))


def render(calibration: Calibration, robot: Robot, logs: Sequence[RobotLog]) -> str:
    """The page. Logs that the calibration does not know are left out."""
    seconds = float(calibration.settings.get("window_seconds", 0.5))
    return page.render(
        f"Calibration of {calibration.robot}",
        _BODY,
        c=calibration,
        verdicts=_VERDICTS,
        seconds=seconds,
        cut=100 * (1 - calibration.rmse_calibrated_rad / max(calibration.rmse_nominal_rad, 1e-12)),
        bars=_bars(calibration),
        traces=_traces(calibration, robot, logs, seconds),
    )


def _bars(calibration: Calibration) -> str:
    from matplotlib.figure import Figure

    shown = (calibration.held_out or calibration.logs)[:_MOST_BARS]
    weights = [log.windows for log in shown]

    def pooled(name: str) -> np.ndarray:
        return np.sqrt(np.average(np.square([getattr(log, name) for log in shown]), axis=0, weights=weights))

    groups = (
        ([_short(log) for log in shown], *(np.array([getattr(log, f"rmse_{n}_rad") for log in shown]) for n in _BOTH)),
        (list(calibration.joints), *(pooled(f"joints_{n}_rad") for n in _BOTH)),
    )
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, width_ratios=[max(2, len(labels)) for labels, *_ in groups])
    for axis, (labels, nominal, calibrated), title in zip(axes, groups, ("by recording", "by joint"), strict=True):
        at = np.arange(len(labels))
        axis.bar(at - 0.2, 1e3 * nominal, 0.4, label="nominal", color=_NOMINAL)
        axis.bar(at + 0.2, 1e3 * calibrated, 0.4, label="calibrated", color=_CALIBRATED)
        axis.set_xticks(at, labels, rotation=30, ha="right", fontsize="small", parse_math=False)
        axis.set_title(title)
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel("mrad")
    axes[0].legend()
    return page.data_uri(figure)


def _short(log: LogErrors) -> str:
    name = log.excitation or Path(log.source).stem
    return name if len(name) <= 24 else f"{name[:23]}…"


def _traces(calibration: Calibration, robot: Robot, logs: Sequence[RobotLog], seconds: float) -> list[tuple[str, str]]:
    """The worst and the median window of those held out, by the calibrated model's error."""
    known = {log.content_hash for log in (calibration.held_out or calibration.logs)}
    windows = [windows_of(robot, log, seconds) for log in logs if log.content_hash in known]
    if not windows:
        return []
    timestep = float(calibration.settings.get("timestep", 0.001))
    spec, free = suspended_spec(robot, timestep), [e.parameter for e in calibration.estimates]
    settings = {"nominal": [p.nominal for p in free], "calibrated": [e.value for e in calibration.estimates]}
    replays = [Replay(robot, w, timestep) for w in windows]
    predicted = {
        name: [replay.positions(build_model(spec, free, values), read_signals(robot, free, values)) for replay in replays]
        for name, values in settings.items()
    }
    errors = [
        np.sqrt(np.nanmean((p - replay.measured) ** 2, axis=(1, 2)))
        for p, replay in zip(predicted["calibrated"], replays, strict=True)
    ]
    of = np.concatenate([np.stack([np.full(len(e), i), np.arange(len(e))], axis=1) for i, e in enumerate(errors)])
    order = of[np.argsort(np.concatenate(errors))]
    made = []
    for kind, (log, window) in (("worst", order[-1]), ("median", order[(len(order) - 1) // 2])):
        w = windows[log]
        lines = {name: p[log][window] for name, p in predicted.items()}
        title = f"The {kind} window: {w.log}, from {w.start[window]:.1f} s, {1e3 * errors[log][window]:.2g} mrad"
        made.append((title, _trace(robot.joints, w.time[window], replays[log].measured[window], lines)))
    return made


def _trace(joints: tuple[str, ...], time: np.ndarray, measured: np.ndarray, lines: dict[str, np.ndarray]) -> str:
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(joints))
    rows = -(-len(joints) // columns)
    figure = Figure(figsize=(12, 1.2 + 1.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axis in axes[len(joints) :]:
        axis.axis("off")
    for j, (axis, name) in enumerate(zip(axes, joints, strict=False)):
        for what, style in (("nominal", {"color": _NOMINAL, "lw": 2}), ("calibrated", {"color": _CALIBRATED, "lw": 2})):
            axis.plot(time, lines[what][:, j], label=what, **style)
        axis.plot(time, measured[:, j], label="measured", color=_MEASURED, lw=0.9)
        axis.set_title(name, fontsize="small", parse_math=False)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small")
    figure.supxlabel("s since the window's start", fontsize="small")
    figure.supylabel("rad", fontsize="small")
    return page.data_uri(figure)
