"""The figures as a page: the targets beside what was measured, everything that was measured, and the plots."""
import json
import statistics

import cases
import plot

BEGIN, END = "<!-- made by bench/run: begin -->", "<!-- made by bench/run: end -->"
# What a server may gather by its words, in ms. Who is LATE beyond that sends in large batches, which is cheap and no merit.
GATHERS = {"outflow 67ms": 67, "floor2": 67, "outflow 200ms": 200, "floor6": 200}
LATE = 50
COUNTS = 99  # a CPU figure counts only with so many of a hundred connections complete


class Figures:
    def __init__(self, results):
        known = {one["name"]: at for at, one in enumerate(cases.table(2))}
        self.cases = dict(sorted(results["cases"].items(), key=lambda item: known.get(item[0], 99)))

    def median(self, case, server, key):
        rounds = self.cases.get(case, {}).get("servers", {}).get(server, [])
        values = [one[key] for one in rounds if one.get(key) is not None]
        return statistics.median(values) if values else None

    def counts(self, case, server):
        complete = self.median(case, server, "complete_pct")
        late = (self.median(case, server, "video_p50_ms") or 0) > GATHERS.get(server, 0) + LATE
        return complete is not None and complete >= COUNTS and not late

    def fails(self, case, server):
        """It was measured, and brought not all players what was published. Whoever was not measured has failed at nothing."""
        complete = self.median(case, server, "complete_pct")
        return complete is not None and complete < COUNTS

    def cpu(self, case, server):
        """Only where it counts."""
        return self.median(case, server, "cpu_s_per_gb") if self.counts(case, server) else None

    def ratio(self, case, ours, peer):
        mine, other = self.cpu(case, ours), self.cpu(case, peer)
        return mine / other if mine is not None and other else None


def text(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def verdict(value, limit):
    return "?" if value is None or limit is None else "yes" if value <= limit else "**no**"


def ratios(f, case, ours, limits, label):
    """A row for each peer: our CPU per gigabyte against its."""
    for peer, limit in limits:
        if limit is None:
            continue
        got = f.ratio(case, ours, peer)
        mine = f"{text(f.median(case, ours, 'cpu_s_per_gb'))} s/GB"
        if f.counts(case, ours) and f.fails(case, peer):
            figures, met = f"{mine}; {peer} brings them too little", "yes"
        else:
            figures, met = f"{text(got)} ({mine}, {peer} {text(f.median(case, peer, 'cpu_s_per_gb'))})", verdict(got, limit)
        yield label, f"{limit:.2f} of {peer}", figures, met, same_run(f, case, ours)


def same_run(f, case, server):
    complete = f.median(case, server, "complete_pct")
    p50, p99 = (f.median(case, server, f"video_{part}_ms") for part in ("p50", "p99"))
    parts = [] if complete is None else [f"{complete:.0f} %"]
    return ", ".join(parts + ([f"{p50:.1f} / {p99:.1f} ms"] if p50 is not None else [])) or "-"


def rows(f):
    """(what, at most, measured, met?, complete and latency of the same run)."""
    yield from ratios(f, "ffmpeg-1000", "outflow", [("floor", 1.15), ("nginx-rtmp", 1.0)], "1,000 players, published as by `ffmpeg -re -c copy`: CPU")
    yield from ratios(f, "ffmpeg-1000", "outflow io_uring", [("nginx-rtmp", 0.85)], "the same with `-pump=io_uring`")
    yield from ratios(f, "players-1000", "outflow", [("floor", 1.15), ("nginx-rtmp", 1.0)], "1,000 players, 2.6 Mb/s, sound spaced: CPU")
    yield from ratios(f, "players-1000", "outflow", [("floor0", 1.15)], "the same, against a loop with a call for each message: CPU")
    yield from ratios(f, "players-1000", "outflow io_uring", [("nginx-rtmp", 0.85)], "1,000 players, sound spaced, with `-pump=io_uring`")
    yield from ratios(f, "players-1000", "outflow 67ms", [("floor2", 1.2)], "1,000 players with `latency=67ms`")
    yield from ratios(f, "players-1000", "outflow 200ms", [("floor6", 1.25), ("nginx-rtmp", 0.4)], "1,000 players with `latency=200ms`")
    yield from ratios(f, "players-100", "outflow", [("nginx-rtmp", 1.0)], "100 players: CPU")
    yield from ratios(f, "hd-500", "outflow", [("nginx-rtmp", 1.0)], "500 players, 6 Mb/s 1080p60: CPU")
    yield from ratios(f, "push-10", "outflow", [("nginx-rtmp", 0.9)], "push to 10, 20 Mb/s: CPU")
    yield from ratios(f, "push-50", "outflow", [("nginx-rtmp", 0.9)], "push to 50, 20 Mb/s: CPU")
    for case, label in (("latency-1", "1 player"), ("latency-300", "301 players")):
        for kind in ("video", "audio"):
            for part in ("p50", "p99"):
                key = f"{kind}_{part}_ms"
                mine, peer = f.median(case, "outflow", key), f.median(case, "nginx-rtmp", key)
                limit = None if peer is None else 1.25 * peer + 0.1
                yield (f"added latency, {label}: {kind} {part}", f"{text(limit)} ms (1.25 of nginx-rtmp + 0.1)",
                       f"{text(mine)} ms, nginx-rtmp {text(peer)}", verdict(mine, limit), same_run(f, case, "outflow"))
    key = f.median("join", "outflow", "key_ms")
    yield "first key frame of a joiner", "10 ms", f"{text(key, 1)} ms, nginx-rtmp {text(f.median('join', 'nginx-rtmp', 'key_ms'), 0)}", verdict(key, 10), "-"
    for case, limit, label in (("players-1000", 25, "resident memory, 1,000 players"), ("backlog", 40, "resident memory, 200 outputs, `max_lag=8s`, 5 s behind at 6 Mb/s")):
        rss, anon, file = (f.median(case, "outflow", key) for key in ("rss_mb", "anon_mb", "file_mb"))
        peer = f.median(case, "nginx-rtmp", "rss_mb")
        other = "" if peer is None else f"; nginx-rtmp {peer:.1f}"
        yield label, f"{limit} MB", f"{text(rss, 1)} MB (own {text(anon, 1)}, program {text(file, 1)}){other}", verdict(rss, limit), same_run(f, case, "outflow")
    grown, kernel = (f.median("stalled", "outflow", key) for key in ("grown_mb", "kernel_grown_mb"))
    both, ring = None if grown is None else grown + kernel, (4 + 2) * 2.57
    peers = [text(f.median("stalled", "nginx-rtmp", key), 0) for key in ("grown_mb", "kernel_grown_mb")]
    yield ("10 of 100 players stalled for 60 s at 20 Mb/s: growth", f"{ring + 5:.0f} MB (ring {ring:.0f} + 5)",
           f"{text(grown, 1)} + {text(kernel, 1)} MB of socket buffers, nginx-rtmp {peers[0]} + {peers[1]}", verdict(both, ring + 5), same_run(f, "stalled", "outflow"))
    for case, limit, label in (("churn", 0.2, "connect, play, leave (`start=key`): CPU"), ("churn-media", 0.35, "the same with `start=gop`, up to the first media"),
                               ("churn-burst", 0.35, "the same, up to the live edge")):
        spent, peer = f.median(case, "outflow", "cpu_ms"), f.median(case, "nginx-rtmp", "cpu_ms")
        yield label, f"{limit:g} ms", f"{text(spent)} ms" + ("" if peer is None else f", nginx-rtmp {peer:.2f}"), verdict(spent, limit), "-"
    spent, wakes = (f.median("idle", "outflow", key) for key in ("cpu_ms_a_minute", "wakes_a_minute"))
    if spent is not None:
        yield "nobody connected: CPU", "0.1 % of a core", f"{spent / 600:.2f} % ({wakes / 60:.0f} wake-ups a second)", verdict(spent, 60), "-"
    for case, label in (("streams-500", "500 streams of 1 Mb/s, 2 players each: CPU"), ("players-4000", "4,000 players: CPU")):
        limits = [(peer, f.ratio("players-100", "outflow", peer)) for peer in ("nginx-rtmp", "floor")]
        for row in ratios(f, case, "outflow", [(peer, limit and round(limit, 2)) for peer, limit in limits], label):
            yield row[0], row[1] + " (as at 100)", *row[2:]


def targets(f):
    out = ["| case | at most | measured | met | complete, video p50 / p99 |", "|---|---|---|---|---|"]
    return out + [f"| {' | '.join(row)} |" for row in rows(f)]


def everything(f):
    out = ["| case | server | CPU s/GB | complete | video p50 / p99 ms | audio p50 / p99 ms | resident MB (own + program) | core |", "|---|---|---|---|---|---|---|---|"]
    for case, kept in f.cases.items():
        for server in kept["servers"]:
            if f.median(case, server, "cpu_s_per_gb") is None:
                continue
            delays = [" / ".join(text(f.median(case, server, f"{kind}_{part}_ms")) for part in ("p50", "p99")) for kind in ("video", "audio")]
            cpu = text(f.median(case, server, "cpu_s_per_gb"))
            rss, anon, file = (text(f.median(case, server, key), 1) for key in ("rss_mb", "anon_mb", "file_mb"))
            out.append(f"| {kept['title']} | {server} | {cpu if f.counts(case, server) else f'({cpu})'} | {text(f.median(case, server, 'complete_pct'), 0)} % "
                       f"| {delays[0]} | {delays[1]} | {rss} ({anon} + {file}) | {text(f.median(case, server, 'core_pct'), 0)} % |")
    return out


def plots(f):
    """File name to SVG."""
    curve = [(case, kept["n"]) for case, kept in f.cases.items() if case in ("latency-1", "players-100", "latency-300", "players-1000", "players-4000")]
    servers = ("outflow", "nginx-rtmp", "floor")

    def points(server, key, least=1, judged=False):
        found = [(n, f.median(case, server, key), not judged or f.counts(case, server)) for case, n in curve if n >= least]
        return [point for point in found if point[1] is not None]

    delays = [(server, f"{server} {part}", part == "p99", points(server, f"video_{part}_ms")) for server in servers for part in ("p50", "p99")]
    more = [(name, name.replace("outflow ", "latency="), True, [(1000, value, True)]) for name in ("outflow 67ms", "outflow 200ms")
            if (value := f.cpu("players-1000", name)) is not None]
    return {
        "cpu.svg": plot.lines("CPU of the server for each gigabyte delivered", "players of one stream, 2.6 Mb/s (log)", "CPU seconds per GB",
                              [(s, s, False, points(s, "cpu_s_per_gb", 100, True)) for s in servers] + more),
        "memory.svg": plot.lines("Resident memory of the server", "players of one stream, 2.6 Mb/s (log)", "MB", [(s, s, False, points(s, "rss_mb")) for s in servers]),
        "latency.svg": plot.lines("Added latency of video", "players of one stream, 2.6 Mb/s (log)", "milliseconds (log)", delays, log_y=True),
    }


def in_words(f):
    """For somebody who has to choose a machine."""
    out = []
    for server, label in (("outflow", "`latency=0`"), ("outflow io_uring", "`-pump=io_uring`"), ("outflow 67ms", "`latency=67ms`"), ("outflow 200ms", "`latency=200ms`"), ("nginx-rtmp", "nginx-rtmp")):
        core, p50 = f.median("players-1000", server, "core_pct"), f.median("players-1000", server, "video_p50_ms")
        if core and f.counts("players-1000", server):
            n = f.cases["players-1000"]["n"]
            each = core / n
            out.append(f"| {label} | {each:.3f} % | {round(100 / each, -2):,.0f} | {text(p50, 1)} ms |")
    head = ["One player of 2.6 Mb/s among 1,000, on this machine. How many fit on a core is reckoned from that, for the server alone, and is",
            "less than what a core does serve: the more there are, the more messages come while a round is under way, and go out together in the next",
            "(2,000 players on 1 core, below).",
            "", "| | of a core each | fit on a core | video p50 |", "|---|---|---|---|"]
    return [*head, *out, ""] if out else []


def made(results):
    f = Figures(results)
    # The page is for everybody: it says which machine, and not whose.
    machine = "\n".join(f"| {name} | {value} |" for name, value in results["machine"].items())
    # A case that was measured again, or before, with another build.
    others = [(kept["title"], kept["of"]) for kept in f.cases.values() if kept.get("of", results["machine"]["outflow"]) != results["machine"]["outflow"]]
    machine += "".join(f"\n| outflow in the case *{title}* | {of} |" for title, of in others)
    note = f"**{results['note']}**\n\n" if results["note"] else ""
    scale = "" if results["scale"] == 1 else f", numbers scaled by {results['scale']}"
    return "\n".join([
        f"Measured {results['when']}: {results['rounds']} round(s), windows of {results['window_s']:g} s and more{scale}. {note}".rstrip(), "",
        "| machine | |", "|---|---|", machine, "",
        "### What a player costs", "", *in_words(f),
        "### Against the targets", "", *targets(f), "",
        "### Plots", "",
        "![CPU seconds for each gigabyte delivered, against the number of players](performance/cpu.svg)", "",
        "![Added latency of video, p50 and p99, against the number of players](performance/latency.svg)", "",
        "![Resident memory against the number of players](performance/memory.svg)", "",
        "### Every figure", "", *everything(f)])


def write(results, root):
    page, folder = root / "docs" / "performance.md", root / "docs" / "performance"
    folder.mkdir(exist_ok=True)
    for name, svg in plots(Figures(results)).items():
        if svg:
            (folder / name).write_text(svg)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    before, rest = page.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    page.write_text(f"{before}{BEGIN}\n\n{made(results)}\n\n{END}{after}")
    print(f"written: {page.relative_to(root)} and {folder.relative_to(root)}/")
