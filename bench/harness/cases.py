"""The cases: what is set up, how long is measured, who takes part. Each returns figures of one server in one round."""
import os
import time

import machine
from servers import SINKS, Load, Server

WARM, SETTLE = 3, 0.5


def used(server, load, seconds):
    """One window: CPU, memory, bytes, and the latency of the same seconds."""
    before, peak = machine.cpu_seconds(server.pid), {}
    load.ask("start")
    begin = time.time()
    while time.time() - begin < seconds:
        time.sleep(min(1, max(0, seconds - (time.time() - begin))))
        now = machine.memory(server.pid)
        peak = max(peak, now, key=lambda m: m.get("rss_mb", 0))
    after = machine.cpu_seconds(server.pid)
    seen = load.ask("stop")
    wall = time.time() - begin
    found = {
        "complete_pct": round(100 * seen["complete"] / max(seen["wanted"], 1), 1),
        "least_pct": round(100 * seen["least"], 1),
        "gb": round(seen["bytes"] / 1e9, 4),
        "cpu_s_per_gb": round((after - before) / max(seen["bytes"] / 1e9, 1e-9), 3),
        "core_pct": round(100 * (after - before) / wall, 1),
        "lost": seen["lost"], "publisher_behind_ms": seen["behind_ms"], "load": round(os.getloadavg()[0], 2), **peak,
    }
    for kind in ("video", "audio"):
        if kind in seen:
            found |= {f"{kind}_p50_ms": seen[kind]["p50"], f"{kind}_p99_ms": seen[kind]["p99"]}
    return found


def load_for(server, case, *options, **more):
    """The floor makes its own frames; everybody else gets a publisher in the load process."""
    publish = 0 if server.name.startswith("floor") else case.get("streams", 1)
    return Load(case["media"], "-p", publish, "-g", case.get("interleaved", 0), *options, within=case.get("within", case["n"] / 20 + 60), **more)


def players(server, case, setup):
    load = load_for(server, case, "-n", case["n"], "-i", case.get("probes", 5), "-r", case.get("rate", 300), cores=case.get("load_cores"))
    try:
        time.sleep(WARM)
        return used(server, load, setup["window"])
    finally:
        load.close()


def push(server, case, setup):
    load = load_for(server, case, "-k", case["n"], "-o", SINKS, "-i", 3)
    try:
        time.sleep(WARM)
        return used(server, load, setup["window"])
    finally:
        load.close()


def join(server, case, setup):
    load = load_for(server, case, "-n", 0)
    try:
        time.sleep(5)
        number = max(5, int(20 * setup["scale"]))
        found = load.ask(f"join {number} 1.5", within=number * 5 + 20)
        return {"key_ms": found.get("key_ms"), "most_ms": found.get("most"), "joined_pct": 100 * found["joined"] / found["wanted"]}
    finally:
        load.close()


def churn(server, case, setup):
    """CPU of connecting, playing and leaving; what the publisher costs by itself is taken off."""
    load = load_for(server, case, "-n", 0)
    try:
        time.sleep(5)
        memory, cpu, begin = machine.memory(server.pid), machine.cpu_seconds(server.pid), time.time()
        found = load.ask(f"churn {case['n']} 8 {case['until']}", within=120)
        wall, spent = time.time() - begin, machine.cpu_seconds(server.pid) - cpu
        time.sleep(2)
        cpu, begin = machine.cpu_seconds(server.pid), time.time()
        time.sleep(5)
        alone = (machine.cpu_seconds(server.pid) - cpu) / (time.time() - begin) * wall
        after = machine.memory(server.pid)
        return {"cpu_ms": round((spent - alone) / max(found["ok"], 1) * 1e3, 3), "ok_pct": round(100 * found["ok"] / case["n"], 1),
                "kb_each": round(found["bytes"] / case["n"] / 1e3, 1), "rss_before_mb": memory["rss_mb"], "rss_mb": after["rss_mb"],
                "fds": len(os.listdir(f"/proc/{server.pid}/fd"))}
    finally:
        load.close()


def idle(server, case, setup):
    """Nobody is there: what waiting costs."""
    time.sleep(WARM)
    cpu, wakes, begin = machine.cpu_seconds(server.pid), machine.wakes(server.pid), time.time()
    time.sleep(case["seconds"])
    wall = time.time() - begin
    return {"cpu_ms_a_minute": round((machine.cpu_seconds(server.pid) - cpu) / wall * 60e3, 2),
            "wakes_a_minute": round((machine.wakes(server.pid) - wakes) / wall * 60)}


def stalled(server, case, setup):
    """Some stop reading, the others must get everything; memory of the server and socket buffers are watched."""
    # A receive buffer that does not grow: what waits at the peer's side is not the server's, and would be 12 MB each.
    load = load_for(server, case, "-n", case["n"], "-i", 3, "-b", 512 << 10)
    try:
        time.sleep(WARM + 2)
        before, kernel = machine.memory(server.pid), machine.kernel_mb()
        load.ask(f"stall {case['stalled']}")
        found = used(server, load, case["seconds"] * setup["scale"] if setup["scale"] < 1 else case["seconds"])
        grown, buffers = found["rss_mb"] - before["rss_mb"], machine.kernel_mb() - kernel
        # Who is stalled is not meant to be complete.
        good = case["n"] - case["stalled"]
        found["complete_pct"] = round(min(100, found["complete_pct"] * case["n"] / good), 1)
        return {**found, "rss_before_mb": before["rss_mb"], "grown_mb": round(grown, 1), "kernel_grown_mb": round(buffers, 1)}
    finally:
        load.close()


def backlog(server, case, setup):
    """Every push stops reading for some seconds, then reads on: what the wait costs, and that nothing of it is lost."""
    load = load_for(server, case, "-k", case["n"], "-o", SINKS, "-i", 0, "-b", 65536)
    try:
        time.sleep(WARM + 2)
        before, kernel = machine.memory(server.pid), machine.kernel_mb()
        load.ask("start")
        load.ask(f"stall {case['n']}")
        time.sleep(case["seconds"])
        waiting, buffers = machine.memory(server.pid), machine.kernel_mb()
        load.ask(f"resume {case['n']}")
        peak, limit = waiting, time.time() + setup["window"]
        while time.time() < limit:
            time.sleep(0.1)
            peak = max(peak, machine.memory(server.pid), key=lambda m: m["rss_mb"])
        seen = load.ask("stop")
        return {"complete_pct": round(100 * seen["complete"] / max(seen["wanted"], 1), 1), "least_pct": round(100 * seen["least"], 1),
                "rss_before_mb": before["rss_mb"], "rss_waiting_mb": waiting["rss_mb"], **peak,
                "kernel_grown_mb": round(buffers - kernel, 1)}
    finally:
        load.close()


ALL = ["outflow", "nginx-rtmp", "floor"]
RING = {"outflow io_uring": {"words": ["-pump=io_uring"]}}
LONG = RING | {"outflow 10ms": {"options": "latency=10ms"}, "outflow 67ms": {"options": "latency=67ms"}, "outflow 200ms": {"options": "latency=200ms"}}


def case(name, title, run, who, n, media="720p30", **more):
    return {"name": name, "title": title, "run": run, "who": who, "n": n, "media": media, **more}


def table(cores):
    """All cases. `cores` is how many the machine has: the cases with few of them pin the server."""
    found = [
        case("idle", "nobody connected", idle, ["outflow", "nginx-rtmp"], 0, seconds=30),
        case("latency-1", "1 player", players, ALL, 1, wide=2),
        case("players-100", "100 players at 2.6 Mb/s", players, ALL, 100),
        case("latency-300", "301 players at 2.6 Mb/s", players, ALL, 301, wide=1.5),
        case("players-1000", "1,000 players at 2.6 Mb/s", players, [*ALL, "floor0", "floor2", "floor6"], 1000, variants=LONG, probes=10),
        case("ffmpeg-1000", "1,000 players at 2.6 Mb/s, published as by `ffmpeg -re -c copy`", players, ALL, 1000, variants=RING, probes=10, interleaved=1),
        case("players-4000", "4,000 players of one stream", players, ALL, 4000, rate=500, probes=10, within=300),
        case("hd-500", "500 players at 6 Mb/s, 1080p60", players, ALL, 500, "1080p60"),
        case("push-10", "push to 10, 20 Mb/s", push, ["outflow", "nginx-rtmp", "ffmpeg-tee"], 10, "20m"),
        case("push-50", "push to 50, 20 Mb/s", push, ["outflow", "nginx-rtmp", "ffmpeg-tee"], 50, "20m"),
        case("join", "first key frame of a joiner", join, ["outflow", "nginx-rtmp"], 0),
        case("churn", "connect, play, leave", churn, ["outflow", "nginx-rtmp"], 3000, until="status", variants={"outflow": {"options": "start=key"}}),
        case("churn-media", "connect, play, first media, leave", churn, ["outflow", "nginx-rtmp"], 3000, until="media"),
        case("churn-burst", "connect, play, up to the live edge, leave", churn, ["outflow"], 1000, until="edge"),
        case("stalled", "10 of 100 players stop reading for 60 s, 20 Mb/s", stalled, ["outflow", "nginx-rtmp"], 100, "20m", stalled=10, seconds=60),
        case("backlog", "200 outputs, max_lag=8s, 5 s behind, 6 Mb/s", backlog, ["outflow"], 200, "1080p60", seconds=5,
             variants={"outflow": {"options": "max_lag=8s"}}),
        case("streams-500", "500 streams of 1 Mb/s with 2 players each", players, ALL, 1000, "1m", streams=500, serve=True, wide=1),
    ]
    if cores > 1:
        for few in (1, 2):
            pinned = {"cores": "0" if few == 1 else "0,1"}
            found.append(case(f"cores-{few}", f"2,000 players, server on {few} core{'s' * (few > 1)}", players, ALL, 2000, rate=400, **pinned))
    return found


def contestants(one):
    """Names with what each is started with: everybody of the case, and variants of outflow beside or instead of the plain one."""
    found = []
    for name in one["who"]:
        found.append((name, one.get("variants", {}).get(name, {})))
        if name == "outflow":
            found += [(more, what) for more, what in one.get("variants", {}).items() if more not in one["who"]]
    return found


def run(one, name, what, setup):
    """One case, one server, one round."""
    scaled = dict(one, n=max(1, round(one["n"] * setup["scale"]))) if one["n"] > 1 else one
    for key in ("streams", "stalled"):
        if key in scaled:
            scaled[key] = max(1, round(scaled[key] * setup["scale"]))
    pushes = scaled["n"] if one["run"] in (push, backlog) else 0
    server = Server(name, setup["binary"], one["media"], pushes, what.get("options", ""), one.get("serve", False), one.get("cores"), what.get("words", ()))
    try:
        return one["run"](server, scaled, dict(setup, window=setup["window"] * one.get("wide", 1)))
    finally:
        server.close()
        time.sleep(SETTLE)
