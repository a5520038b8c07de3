"""Starts and ends what is measured: outflow, nginx-rtmp, the floor, ffmpeg's tee; and the load beside it."""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "bench"
# All on loopback: where publishers and players go, and where pushes go.
PORT, SINKS = int(os.environ.get("BENCH_PORT", 41000)), int(os.environ.get("BENCH_PORT", 41000)) + 1
URL = f"rtmp://127.0.0.1:{PORT}/live/s"
MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
STARTED = []

# Name: size, frames a second, video bit rate. Key frames every 2 s, AAC beside it; constant, so that every window has its share.
MEDIA = {
    "720p30": ("1280x720", 30, "2500k"),
    "1080p60": ("1920x1080", 60, "6000k"),
    "20m": ("640x360", 30, "20000k"),
    "1m": ("640x360", 30, "900k"),
}


def media(kind):
    path = CACHE / f"{kind}.flv"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        size, rate, bits = MEDIA[kind]
        part = path.with_suffix(".part")
        subprocess.run(
            ["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate},noise=alls=18:allf=t",
             "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-t", "20", "-c:v", "libx264", "-preset", "ultrafast",
             "-pix_fmt", "yuv420p", "-b:v", bits, "-minrate", bits, "-maxrate", bits, "-bufsize", bits,
             "-x264-params", "nal-hrd=cbr:force-cfr=1", "-g", str(2 * rate), "-keyint_min", str(2 * rate), "-sc_threshold", "0",
             "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "flv", str(part)], check=True)
        part.rename(path)
    return str(path)


def tool(name, *sources):
    """Compiles a part of client/, if that is newer."""
    CACHE.mkdir(parents=True, exist_ok=True)
    target, folder = CACHE / name, ROOT / "bench" / "client"
    files = [folder / source for source in sources]
    if not target.exists() or target.stat().st_mtime < max(f.stat().st_mtime for f in folder.iterdir()):
        subprocess.run(["gcc", "-O2", "-Wall", "-pthread", "-o", target, *files], check=True)
    return str(target)


def start(command, name, **more):
    CACHE.mkdir(parents=True, exist_ok=True)
    log = open(CACHE / f"{name}.log", "w")
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", log)
    process = subprocess.Popen(command, stderr=log, start_new_session=True, **more)
    STARTED.append(process)
    return process


def stop(process):
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(6)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stop_all(*_):
    for process in STARTED:
        stop(process)


def wait_for(what, condition, seconds=20):
    limit = time.time() + seconds
    while time.time() < limit:
        if condition():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{what} did not come within {seconds} s")


NGINX = """load_module {module}; daemon off; master_process off; worker_processes 1; pid {cache}/nginx.pid;
error_log {cache}/nginx.err warn; worker_rlimit_nofile 20000; events {{ worker_connections 16384; }}
rtmp {{ access_log off; server {{ listen 127.0.0.1:{port}; chunk_size 4096;
    application live {{ live on; record off; {push} }} }} }}
"""


class Server:
    """One contestant, listening. `options` go to outflow's output words; `serve` runs it as a relay of many streams."""

    def __init__(self, name, binary, kind, pushes=0, options="", serve=False, cores=None, words=()):
        self.name = name
        targets = [f"rtmp://127.0.0.1:{SINKS}/live/s{i}" for i in range(pushes)]
        if machine.listening(PORT):
            raise RuntimeError(f"port {PORT} is taken (BENCH_PORT=N moves the ports)")
        first = name.split()[0]
        if first == "outflow":
            command = self.outflow(binary, targets, options, serve, words)
        elif first == "nginx-rtmp":
            push = " ".join(f"push {target};" for target in targets)
            config = CACHE / "nginx.conf"
            config.write_text(NGINX.format(module=MODULE, cache=CACHE, port=PORT, push=push))
            command = ["nginx", "-c", str(config)]
        elif first == "ffmpeg-tee":
            legs = "|".join(f"[f=flv:onfail=ignore:flvflags=no_duration_filesize]{target}" for target in targets)
            fifo = "attempt_recovery=1:recover_any_error=1:recovery_wait_time=1:drop_pkts_on_overflow=1:restart_with_keyframe=1:queue_size=600"
            command = ["ffmpeg", "-v", "warning", "-nostdin", "-listen", "1", "-i", URL, "-map", "0", "-c", "copy",
                       "-use_fifo", "1", "-fifo_options", fifo, "-f", "tee", legs]
        else:
            merge = first[len("floor"):] or "1"
            command = [tool("floor", "floor.c", "rtmp.c", "media.c"), str(PORT), media(kind), merge]
        if cores:
            command = ["taskset", "-c", cores, *command]
        self.process = start(command, "server-" + first)
        wait_for(f"{name} on port {PORT}", lambda: machine.listening(PORT) or self.process.poll() is not None)
        if self.process.poll() is not None:
            log = (CACHE / f"server-{first}.log").read_text()[-600:]
            raise RuntimeError(f"{name} did not start: {log}")
        self.pid = self.process.pid

    @staticmethod
    def outflow(binary, targets, options, serve, words):
        if serve:
            config = CACHE / "serve.toml"
            config.write_text(f'[listen]\nrtmp = "127.0.0.1:{PORT}"\nhttp = "none"\n\n[[stream]]\nname = "live/*"\npublish_key = "none"\n')
            return [str(binary), "serve", "--config", str(config)]
        words = [*words, "-i", f"{URL}:gpac:rtmp_listen=1"]
        for target in targets:
            words += ["-o", f"{target}:gpac:{options}".rstrip(":").removesuffix(":gpac")]
        if not targets:
            words += ["-o", f"{URL}:gpac:rtmp_listen=1:{options}".rstrip(":")]
        return [str(binary), *words]

    def close(self):
        stop(self.process)


class Load:
    """The load client: a line in, a line of JSON out."""

    def __init__(self, kind, *options, within=60, cores=None):
        command = [tool("load", "load.c", "publish.c", "comers.c", "rtmp.c", "media.c"), URL, media(kind), *map(str, options)]
        if cores:
            command = ["taskset", "-c", cores, *command]
        self.process = start(command, "load", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        try:
            self.begin = self.answer(within)
        except RuntimeError:
            self.close()
            raise

    def answer(self, within):
        if not select.select([self.process.stdout], [], [], within)[0]:
            raise RuntimeError(f"the load client did not answer within {within} s")
        line = self.process.stdout.readline()
        found = json.loads(line or '{"error": "the load client ended"}')
        if "error" in found:
            raise RuntimeError(found["error"])
        return found

    def ask(self, line, within=30):
        self.process.stdin.write(line + "\n")
        return self.answer(within)

    def close(self):
        stop(self.process)


def check_tools():
    lacking = [name for name in ("gcc", "ffmpeg", "nginx", "taskset") if not shutil.which(name)]
    lacking += [] if Path(MODULE).exists() else [MODULE]
    if lacking:
        sys.exit(f"bench: lacks {' '.join(lacking)} (Debian: gcc ffmpeg nginx-light libnginx-mod-rtmp util-linux)")


def install_signals():
    def end(*_):
        sys.exit(130)
    signal.signal(signal.SIGTERM, end)
