"""The loop as one page: what the gap took, what was measured of it, and what the policy earns after it was adapted."""

import base64
from pathlib import Path
from typing import Any

from sim2real.close_gap.loop import STEPS
from sim2real.page import render, write_page

_LARGEST_VIDEO = 64 * 2**20

_BODY = """
{% macro number(value, digits) %}{{ ("%." ~ digits ~ "f") | format(value) }}{% endmacro %}
<h1>The gap of {{ task }}</h1>
<p class="lead">The gap took {{ number(100 * lost, 0) }} % of what the policy earns.
{% if regained is not none %}Adapted to what was measured, it earns
<b class="{{ 'good' if regained >= 0.6 else 'fair' if regained > 0 else 'bad' }}">{{ number(100 * regained, 0) }} %</b>
of that again; trained on for as long without having been told, {{ number(100 * control, 0) }} %.{% endif %}</p>

<h2>Before and after</h2>
<table>
<tr><th></th>{% for name in deployed %}<th>{{ name }}</th>{% endfor %}</tr>
<tr><td>video</td>
{% for name, d in deployed.items() %}
<td>{% if d.video %}<video controls muted loop width="420" src="{{ d.video }}"></video>
{% else %}<span class="quiet">no video: {{ d.why }}</span>{% endif %}</td>
{% endfor %}</tr>
{% for label in ("ended", "falls", "cycles too late") %}
<tr><td>{{ label }}</td>{% for d in deployed.values() %}<td>{{ d[label] }}</td>{% endfor %}</tr>
{% endfor %}
</table>
<p class="quiet">Both by the runtime of <code>zerogap deploy</code>, with its safety filter, on a twin in another process,
asked for the same.</p>

<h2>What it earns</h2>
<table>
<tr><th></th><th class="n">return (1/s)</th><th class="n">falls of {{ episodes }}</th></tr>
{% for name, r, falls in returns %}
<tr><td>{{ name }}</td><td class="n">{{ number(r, 3) }}</td><td class="n">{{ falls }}</td></tr>
{% endfor %}
</table>
{% if interval %}
<p>Adapted less control: {{ number(gain, 3) }} a second, 95 % interval {{ number(interval[0], 3) }} to
{{ number(interval[1], 3) }} over the episodes.</p>
{% endif %}
<img alt="returns and learning curves" src="{{ adaptation }}">

<h2>What was recorded</h2>
<ul>{% for severity, text in findings %}
<li><b>{{ severity }}</b> {{ text }}</li>
{% else %}
<li>nothing that spoils a calibration</li>
{% endfor %}</ul>

<h2>What was measured</h2>
<p>Open-loop error over half a second, of a motion that nothing was fitted to: {{ number(errors[0], 4) }} rad with the
nominal model, {{ number(errors[1], 4) }} rad calibrated
{%- if errors[2] is not none %}, {{ number(errors[2], 4) }} rad with the correction learned from what that leaves
{%- endif %}. More: <a href="calibration/report.html">the calibration</a>
{%- if errors[2] is not none %}, <a href="delta/report.html">the correction</a>{% endif %}.</p>
<div class="wide"><table>
<tr><th>parameter</th><th class="n">nominal</th><th class="n">found</th><th>unit</th><th>95 % interval</th><th>verdict</th></tr>
{% for e in estimates %}
<tr><td>{{ e.name }}</td><td class="n">{{ "%.4g" | format(e.nominal) }}</td><td class="n">{{ "%.4g" | format(e.value) }}</td>
<td>{{ e.unit }}</td><td>{{ "%.4g" | format(e.low) }} to {{ "%.4g" | format(e.high) }}</td><td>{{ e.verdict }}</td></tr>
{% endfor %}
</table></div>
{% for warning in warnings %}<p class="warning">{{ warning }}</p>{% endfor %}

<h2>How long it took</h2>
<table>
{% for name, seconds in times %}
<tr><td>{{ name }}</td><td class="n">{{ number(seconds / 60, 1) }} min</td></tr>
{% endfor %}
<tr><td><b>all</b></td><td class="n"><b>{{ number(all_seconds / 60, 1) }} min</b></td></tr>
</table>
"""


def write_story(told: dict[str, Any], out: Path, path: Path) -> None:
    """Of what `close_gap` gave, and of what lies in its directory `out`. Raises PageError where it cannot be written."""
    write_page(path, story(told, out))


def story(told: dict[str, Any], out: Path) -> str:
    adapted, calibrated = told["adapt"], told["calibrate"]
    trials = {
        "original, without the gap": adapted["nominal_twin"],
        "original": adapted["original"]["twin"],
        "control": adapted["control"]["twin"],
        "adapted": adapted["corrected"]["twin"],
    }
    return render(
        f"The gap of {told['task']}",
        _BODY,
        task=told["task"],
        lost=told["lost_share"],
        regained=told["regained_corrected"],
        control=told["regained_control"],
        deployed={name: _deployed(told[name], out / name) for name in ("before", "after")},
        returns=[(name, trial["return_per_second"], trial["falls"]) for name, trial in trials.items()],
        episodes=told["settings"]["episodes"],
        gain=adapted["gain"],
        interval=adapted["gain_interval"],
        adaptation=_uri(out / "adapted" / "adaptation.png", "image/png"),
        findings=_findings(told["check"]),
        errors=(told["rmse_nominal_rad"], told["rmse_calibrated_rad"], told.get("rmse_delta_rad")),
        estimates=calibrated["estimates"],
        warnings=calibrated["warnings"],
        times=[(step, told[step]["step_seconds"]) for step in STEPS if step in told],
        all_seconds=told["seconds"],
    )


def _deployed(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    video, why = folder / "video.mp4", ""
    if not video.is_file():
        why = "none was rendered"
    elif video.stat().st_size > _LARGEST_VIDEO:
        why = f"{video.name} is too large for a page"
    return {
        "video": "" if why else _uri(video, "video/mp4"),
        "why": why,
        "ended": told["cause"],
        "falls": told["twin"]["falls"],
        "cycles too late": told["deployment"]["overruns"],
    }


def _findings(checked: dict[str, Any]) -> list[tuple[str, str]]:
    """Of all logs, those that spoil something."""
    return [
        (finding["severity"], ": ".join(finding[part] for part in ("text", "consequence") if finding[part]))
        for log in checked["logs"]
        for finding in log["findings"]
        if finding["severity"] != "note"
    ]


def _uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
