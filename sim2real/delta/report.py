"""A correction as one HTML page, with its picture in it: `write_report(path, delta)`.

write_report(Path("runs/delta/report.html"), learn(GO2, logs, holdout, calibration))
"""

from pathlib import Path

from sim2real import page
from sim2real.delta.delta import Delta
from sim2real.delta.picture import LABELS, draw
from sim2real.delta.proof import LEAST_GAIN

_TRUSTED = 0.99  # on average, below which it is told
_WORSE = 1.05  # times the calibrated error, above which a joint is warned of

_BODY = """<h1>Correction of the action of {{ d.model.robot }}</h1>
<p class="lead">Over {{ "%g" % d.settings.window_seconds }} s the {{ before }} simulation strays
{{ mrad(d.rmse("calibrated")) }} mrad from
{{ "the recordings held out" if held else "the recordings learned from" }};
with its action corrected, <b>{{ mrad(d.rmse("delta")) }} mrad</b>{{ change }}.</p>
{% for text in warnings %}<p class="warning">{{ text }}</p>{% endfor %}

<h2>What was compared</h2>
<div class="wide"><table>
<tr><th>simulation<th class="n">open-loop error, mrad<th class="n">less than calibrated
<th class="n">simulation steps to learn</tr>
{% for name in d.names %}<tr><td>{{ labels[name] }}<td class="n">{{ mrad(d.rmse(name)) }}
<td class="n">{{ less(d.rmse(name), d.rmse("calibrated")) if name not in ("nominal", "calibrated") }}
<td class="n">{{ "{:,}".format(steps[name]) if name in steps }}</tr>
{% endfor %}</table></div>
<p class="quiet">Each window begins at a logged state and then runs free. A state that is corrected predicts, but no simulation
in which a robot touches something can be run so; it is here to compare with.</p>
<img src="{{ picture }}" alt="Errors by joint, and a window in which most is corrected: measured, simulated, the correction">

<h2>By joint</h2>
<div class="wide"><table>
<tr><th>joint{% for name in d.names %}<th class="n">{{ labels[name] }}, mrad{% endfor %}<th class="n">correction applied</tr>
{% for joint in joints %}<tr><td>{{ joint.name }}{% for error in joint.errors %}<td class="n">{{ mrad(error) }}
{% endfor %}<td class="n">{{ "%.0f %%" % (100 * joint.share) }}</tr>
{% endfor %}</table></div>

<h2>By recording</h2>
<div class="wide"><table>
<tr><th>recording<th>motion<th><th class="n">windows{% for name in d.names %}<th class="n">{{ labels[name] }}, mrad{% endfor %}
<th class="n">mean correction<th class="n">trusted</tr>
{% for log in d.logs %}<tr><td>{{ log.source }}<td>{{ log.excitation }}<td>{{ "held out" if log.held_out else "learned from" }}
<td class="n">{{ log.windows }}{% for name in d.names %}<td class="n">{{ mrad(log.rmse_rad[name]) }}{% endfor %}
<td class="n">{{ "%.4f" % log.mean_correction }}<td class="n">{{ "%.0f %%" % trust(log) }}</tr>
{% endfor %}</table></div>
<p class="quiet">The mean correction is in units of action. Trusted: 100 % where what is simulated is like the recordings
learned from, in a joint's history and in how far the networks agree; 0 % far from them, where nothing is corrected.</p>

<h2>What was not corrected, and why</h2>
<ul>{% for text in left %}<li>{{ text }}</li>{% endfor %}</ul>

<h2>Where it comes from</h2>
<table>
{% for log in d.logs %}<tr><td>{{ log.source }}<td>{{ "%.1f s" % log.seconds }}<td><code>{{ log.content_hash }}</code></tr>
{% endfor %}<tr><td>calibration<td><td><code>{{ d.calibration_hash or "none" }}</code></tr>
</table>
<p>{{ d.model.kind }} network, {{ d.settings.architecture.members }} members,
{{ d.model.steps }} control steps of {{ "%g" % (1e3 * d.model.period) }} ms as history, at most {{ "%g" % d.model.bound }} of an
action, simulated at {{ "%g" % (1e3 * d.settings.timestep) }} ms, seed <code>{{ d.settings.seed }}</code><br>
{% for name, version in d.versions.items() %}{{ name }} <code>{{ version }}</code>{{ ", " if not loop.last }}{% endfor %}</p>
"""


def write_report(path: Path, delta: Delta) -> None:
    """Whole or not at all. Raises PageError where it cannot."""
    page.write_page(path, render(delta))


def render(delta: Delta) -> str:
    errors = [delta.rmse_per_joint(name) for name in delta.names]
    steps = {"delta" if name == "supervised" else name: count for name, count in delta.simulation_steps.items()}
    return page.render(
        f"Correction of {delta.model.robot}",
        _BODY,
        d=delta,
        before="calibrated" if delta.calibration_hash else "nominal",
        held=any(log.held_out for log in delta.logs),
        change=f": {_less(delta.rmse('delta'), delta.rmse('calibrated'))}",
        warnings=warnings(delta),
        labels=LABELS,
        less=_less,
        mrad=lambda radians: f"{1e3 * radians:.2f}",
        steps=steps,
        picture=page.data_uri(draw(delta)),
        joints=[
            {"name": name, "errors": [e[j] for e in errors], "share": delta.model.shrink[j]}
            for j, name in enumerate(delta.model.joints)
        ],
        trust=lambda log: 100 * sum(log.mean_trust) / len(log.mean_trust),
        left=not_corrected(delta),
    )


def _less(error: float, reference: float) -> str:
    share = 1 - error / max(reference, 1e-12)
    return f"{100 * abs(share):.0f} % {'less' if share >= 0 else 'more'}"


def warnings(delta: Delta) -> list[str]:
    """What makes its figures worth less, in sentences."""
    told = []
    if not any(log.held_out for log in delta.logs):
        told.append("No recording was held out: how well this predicts another one is not known.")
    elif {log.excitation for log in delta.judged} <= {log.excitation for log in delta.logs if not log.held_out}:
        told.append("The recordings held out are of the same kinds of motion as those learned from.")
    for log in delta.logs:
        if log.held_out and log.is_calibrated_on:
            told.append(
                f"{log.source} is held out here, but the calibration was fitted to it: hold the same recordings out there."
            )
        if log.time_base == "nominal":
            told.append(f"{log.source}: its stamps were not recorded; the correction also stands for what they are off by.")
    told += delta.limits
    if delta.calibration_hash is None:
        told.append("There was no calibration: the correction also stands for what parameters would explain.")
    for name, without, corrected in zip(
        delta.model.joints, delta.rmse_per_joint("calibrated"), delta.rmse_per_joint("delta"), strict=True
    ):
        if corrected > _WORSE * without:
            told.append(f"{name} strays {_less(corrected, without)} with the correction than without it.")
    return told


def not_corrected(delta: Delta) -> list[str]:
    """And why, joint by joint and recording by recording, in sentences."""
    told = []
    if not delta.proofs:
        told.append(
            "No stretch that was held back is as long as a window: nothing proves the correction but what was held out."
        )
    for proof in delta.proofs:
        if proof.share < 1:
            much = "is not corrected" if proof.share == 0 else f"gets {100 * proof.share:.0f} % of its correction"
            errors = f"{1e3 * proof.without_rad:.2f} mrad without it and {1e3 * proof.with_rad:.2f} with the best of it"
            asked = f" (at least {100 * LEAST_GAIN:.0f} % less is asked for)" if proof.share == 0 else ""
            told.append(f"{proof.joint} {much}: stretches of the logs that were held back are followed to {errors}{asked}.")
    for log in delta.logs:
        faded = [f"{j} {100 * (1 - t):.0f} %" for j, t in zip(delta.model.joints, log.mean_trust, strict=True) if t < _TRUSTED]
        if faded:
            told.append(f"{log.source}, simulated, leaves what was learned from; of the corrections fade: {', '.join(faded)}.")
    return told or ["Nothing: each joint gets all of its correction, and no recording leaves what was learned from."]
