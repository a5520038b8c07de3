"""What is measured of processes and of the machine, and which machine it is. Linux only."""
import os
import platform
import re
import subprocess
from pathlib import Path


def family(pid):
    """A server with worker processes counts as one: the pid and its descendants."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
            children.setdefault(int(stat[stat.rindex(")") + 2:].split()[1]), []).append(int(entry))
        except OSError:
            pass
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def cpu_seconds(pid):
    """User and system time. `schedstat` counts nanoseconds where `stat` counts hundredths of a second."""
    total = 0
    for one in family(pid):
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                total += int(Path(f"/proc/{one}/task/{task}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, IndexError):
            pass
    return total


def wakes(pid):
    """How often its threads have waited for something and been woken."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        status = Path(f"/proc/{pid}/task/{task}/status").read_text()
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
    return total


def memory(pid):
    """Resident megabytes: all, what is its own (anonymous), what is mapped from files (the program itself)."""
    kib = {"RssAnon": 0, "RssFile": 0}
    for one in family(pid):
        try:
            status = Path(f"/proc/{one}/status").read_text()
        except OSError:
            continue
        for name in kib:
            found = re.search(rf"{name}:\s+(\d+)", status)
            kib[name] += int(found[1]) if found else 0
    anon, file = kib["RssAnon"] / 1024, kib["RssFile"] / 1024
    return {"rss_mb": round(anon + file, 1), "anon_mb": round(anon, 1), "file_mb": round(file, 1)}


def kernel_mb():
    """Socket buffers of all TCP connections of the machine: what a peer does not read waits here too."""
    found = re.search(r"TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text())
    return int(found[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def listening(port):
    wanted = f"{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(":" + wanted) and line.split()[3] == "0A" for line in lines)


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "not there"


def describe(outflow, root, profile):
    """`profile`: this binary was made so from what stands in `root`, and the commit there says which program was measured; `None`:
    it came from elsewhere."""
    commit = first_line("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10") if profile else "built elsewhere"
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {
        "cpu": f"{os.cpu_count()} x {model[1] if model else platform.machine()}",
        "memory": f"{total / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}, {congestion}",
        "outflow": f"{first_line(str(outflow), '--version')}, {commit}" + (f", profile {profile}, {first_line('rustc', '--version')}" if profile else ""),
        "nginx-rtmp": rtmp_module(),
        "ffmpeg": " ".join(first_line("ffmpeg", "-version").split()[:3]),
        "gcc": first_line("gcc", "--version"),
    }


def rtmp_module():
    package = first_line("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-rtmp")
    return f"{first_line('nginx', '-v').split('/')[-1]}, libnginx-mod-rtmp {package}"
