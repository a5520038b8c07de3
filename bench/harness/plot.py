"""Line plots as SVG text: no library, readable on light and dark pages."""
import math
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 44, 56
# Of the same lightness on white and on near-black.
COLOURS = {"outflow": "#1a7f5a", "nginx-rtmp": "#c2571a", "floor": "#7a7f87", "outflow 67ms": "#2f80c8", "outflow 200ms": "#8a5cc9"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #8884; stroke-width: 1 } .axis { stroke: #888; stroke-width: 1 }
  @media (prefers-color-scheme: dark) { text { fill: #d0d7de } }
"""


def ticks(low, high, log):
    if log:
        found = []
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
            found += [digit * 10.0**power for digit in (1, 2, 5)]
        found = [value for value in found if low * 0.999 <= value <= high * 1.001]
        whole = [value for value in found if math.isclose(math.log10(value) % 1, 0, abs_tol=1e-6)]
        return whole if len(found) > 9 and len(whole) > 2 else found
    raw = (high - low) / 6 or 1
    step = min((mult * 10.0**math.floor(math.log10(raw)) for mult in (1, 2, 5, 10)), key=lambda s: abs(s - raw))
    return [low + i * step for i in range(int((high - low) / step + 1.001))]


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def lines(title, across, up, series, log_x=True, log_y=False):
    """`series`: (name, label, dashed, [(x, y, counts)]); a point that does not count is drawn hollow."""
    series = [one for one in series if one[3]]
    xs = [x for _, _, _, points in series for x, _, _ in points]
    ys = [y for _, _, _, points in series for _, y, _ in points if y > 0]
    if not xs or not ys:
        return ""
    low_x, high_x = min(xs), max(max(xs), min(xs) + 1)
    low_y, high_y = (min(ys) / 1.4, max(ys) * 1.4) if log_y else (0, max(ys) * 1.12)

    def place(value, low, high, begin, end, log):
        if log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return begin + (value - low) / (high - low) * (end - begin)

    def x_of(value):
        return place(value, low_x, high_x, LEFT + 12, WIDTH - RIGHT - 12, log_x)

    def y_of(value):
        return place(max(value, low_y), low_y, high_y, HEIGHT - BOTTOM, TOP, log_y)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
           f"<style>{STYLE}</style>", f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>']
    for value in ticks(low_y, high_y, log_y):
        y = y_of(value)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in sorted(set(xs)):
        out.append(f'<text x="{x_of(value):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number(value)}</text>')
    out.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across)}</text>')
    out.append(f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    for row, (name, label, dashed, points) in enumerate(series):
        colour, dash = COLOURS.get(name, "#999"), ' stroke-dasharray="5 4"' if dashed else ""
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y, _ in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for x, y, counts in points:
            fill = colour if counts else "none"
            out.append(f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3.5" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>')
        y = TOP + 10 + row * 20
        out.append(f'<line x1="{WIDTH - RIGHT + 16}" x2="{WIDTH - RIGHT + 40}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{WIDTH - RIGHT + 46}" y="{y + 4}">{escape(label)}</text>')
    return "\n".join([*out, "</svg>", ""])
