//! The real peers: where each is, how each is driven without a screen, and a log of those that really ran.

mod play;
mod publish;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use self::play::{
    decode_errors, ffmpeg_play, gst_play, mpv_decode, mpv_play, probe, rtmpdump_play, vlc_decode, vlc_play,
    wait_for_size,
};
pub use self::publish::{GstSink, ffmpeg_copy, ffmpeg_encode, gst_copy, gst_publish, obs_publish, obs_publish_as};
pub use self::serve::{Nginx, ffmpeg_listen, listens, node_media_server, open_to_all, wait_listening};

/// A program or role that tests name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The system's FFmpeg (5.1 on Debian 12).
    Ffmpeg,
    /// FFmpeg 9, as `imageio-ffmpeg` carries it.
    Ffmpeg9,
    /// The system's ffprobe.
    Ffprobe,
    /// mpv.
    Mpv,
    /// VLC.
    Vlc,
    /// rtmpdump, that is librtmp.
    Rtmpdump,
    /// GStreamer's `gst-launch-1.0` with `rtmp2src`.
    GstRtmp2Src,
    /// GStreamer with `rtmp2sink`.
    GstRtmp2Sink,
    /// GStreamer with `rtmpsink`, that is librtmp.
    GstRtmpSink,
    /// nginx with nginx-rtmp.
    NginxRtmp,
    /// node-media-server.
    NodeMediaServer,
    /// Chromium, and Playwright to drive it.
    Chromium,
    /// OBS Studio under a virtual screen, for the long tests where it is installed.
    Obs,
}

/// A peer that is here.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which.
    pub peer: Peer,
    /// The program.
    pub path: PathBuf,
}

impl Peer {
    /// The name in the log of peers, as in `scripts/test`.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Ffmpeg => "ffmpeg",
            Peer::Ffmpeg9 => "ffmpeg9",
            Peer::Ffprobe => "ffprobe",
            Peer::Mpv => "mpv",
            Peer::Vlc => "vlc",
            Peer::Rtmpdump => "rtmpdump",
            Peer::GstRtmp2Src => "gst-rtmp2src",
            Peer::GstRtmp2Sink => "gst-rtmp2sink",
            Peer::GstRtmpSink => "gst-rtmpsink",
            Peer::NginxRtmp => "nginx-rtmp",
            Peer::NodeMediaServer => "node-media-server",
            Peer::Chromium => "chromium",
            Peer::Obs => "obs",
        }
    }

    /// Notes that this peer really took part in a test that passed so far. `scripts/test` compares the notes with its list.
    pub fn ran(self) {
        let Some(log) = std::env::var_os("OUTFLOW_PEERS_LOG") else { return };
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(log).expect("OUTFLOW_PEERS_LOG can be written");
        // One write, so that tests in other processes do not mix their lines into it.
        file.write_all(format!("{}\n", self.name()).as_bytes()).expect("OUTFLOW_PEERS_LOG can be written");
    }
}

impl Found {
    /// What it calls itself, as `FFmpeg 5.1.9-0+deb12u1`; what a program does not say is left out.
    pub async fn version(&self) -> String {
        let (name, ask) = match self.peer {
            Peer::Ffmpeg | Peer::Ffmpeg9 => ("FFmpeg", "-version"),
            Peer::Ffprobe => ("ffprobe", "-version"),
            Peer::Rtmpdump => ("rtmpdump", "-h"),
            Peer::NginxRtmp => ("nginx", "-v"),
            Peer::Mpv => ("mpv", "--version"),
            Peer::Vlc => ("VLC", "--version"),
            Peer::Obs => ("OBS", "--version"),
            Peer::Chromium => ("Chromium", "--version"),
            Peer::GstRtmp2Src | Peer::GstRtmp2Sink | Peer::GstRtmpSink => ("GStreamer", "--version"),
            Peer::NodeMediaServer => {
                let file = peers_dir().join("node/node_modules/node-media-server/package.json");
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let version = text.split("\"version\": \"").nth(1).and_then(|rest| rest.split('"').next());
                return format!("node-media-server {}", version.unwrap_or_default());
            }
        };
        // VLC refuses root even for this.
        let command = match self.peer {
            Peer::Vlc if rustix::process::geteuid().is_root() => {
                crate::proc::Command::new("setpriv").line("--reuid=65534 --regid=65534 --clear-groups").arg(&self.path)
            }
            _ => crate::proc::Command::new(&self.path),
        };
        let mut child = command.arg(ask).start();
        child.wait_exit().await;
        let said = child.text();
        // The first word of the first lines that begins as versions do.
        let number = |word: &&str| {
            let word = word.trim_start_matches(['v', 'n']);
            word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit())
        };
        let words = said.lines().take(4).flat_map(|line| line.split([' ', '/']));
        let version = words.into_iter().find(number).unwrap_or_default().trim_start_matches(['v', 'n']);
        let module = match self.peer {
            Peer::NginxRtmp => nginx_module().await,
            _ => String::new(),
        };
        format!("{name} {version}{module}")
    }
}

/// Where a peer is; `None` (and a line on standard error) where it is not, so that its test says that it was skipped.
pub fn find(peer: Peer) -> Option<Found> {
    let path = match peer {
        Peer::Ffmpeg => in_path("ffmpeg"),
        Peer::Ffprobe => in_path("ffprobe"),
        Peer::Ffmpeg9 => first_file(&peers_dir().join("py/imageio_ffmpeg/binaries"), "ffmpeg-"),
        Peer::Mpv => in_path("mpv"),
        Peer::Vlc => in_path("cvlc"),
        Peer::Rtmpdump => in_path("rtmpdump"),
        Peer::GstRtmp2Src | Peer::GstRtmp2Sink | Peer::GstRtmpSink => in_path("gst-launch-1.0"),
        Peer::Obs => in_path("obs").filter(|_| in_path("xvfb-run").is_some()),
        Peer::NginxRtmp => in_path("nginx").filter(|_| Path::new(serve::NGINX_MODULE).exists()),
        Peer::Chromium => in_path("chromium")
            .filter(|_| in_path("node").is_some() && peers_dir().join("page/node_modules/playwright-core").exists()),
        Peer::NodeMediaServer => {
            in_path("node").filter(|_| peers_dir().join("node/node_modules/node-media-server").exists())
        }
    };
    if path.is_none() {
        eprintln!("skipped: {} is not installed (scripts/peers installs it)", peer.name());
    }
    path.map(|path| Found { peer, path })
}

/// Where `scripts/peers` puts what does not come from the system.
pub fn peers_dir() -> PathBuf {
    match std::env::var_os("OUTFLOW_PEERS_DIR") {
        Some(path) => path.into(),
        None => crate::media::target_dir().join("peers"),
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The version of nginx-rtmp, which says none itself, by Debian's list of packages.
async fn nginx_module() -> String {
    let Some(query) = in_path("dpkg-query") else { return String::new() };
    let mut child = crate::proc::Command::new(query).line("-W -f ${Version} libnginx-mod-rtmp").start();
    match child.wait_exit().await {
        0 => format!(" with nginx-rtmp {}", child.text().trim()),
        _ => String::new(),
    }
}

fn first_file(folder: &Path, prefix: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
}
