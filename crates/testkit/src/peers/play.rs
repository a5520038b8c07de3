//! Real players, each started for a while or a number of seconds of media, writing what they got to a file.

use std::path::Path;

use super::{Found, Peer};
use crate::proc::{Child, Command};

/// FFmpeg copies `seconds` of media from one or more URLs into one FLV or Matroska file.
pub fn ffmpeg_play(ffmpeg: &Found, urls: &[&str], seconds: u32, out: &Path) -> Child {
    let mut command = Command::new(&ffmpeg.path).line("-nostdin -y -v warning");
    for url in urls {
        command = command.arg("-i").arg(url);
    }
    for input in 0..urls.len() {
        // Not data streams, which FFmpeg makes of messages such as `|RtmpSampleAccess` and cannot copy.
        command = command.line(&format!("-map {input}:v -map {input}:a"));
    }
    let format = if out.extension().is_some_and(|end| end == "flv") { "flv" } else { "matroska" };
    command.line(&format!("-t {seconds} -c copy -f {format}")).arg(out).start()
}

/// Decodes a file with `-xerror` and gives the errors that FFmpeg told; empty when all is well. Warnings do not count: it
/// warns of metadata that comes again, which is right after a change of source.
pub async fn decode_errors(ffmpeg: &Found, file: &Path) -> String {
    let mut child = Command::new(&ffmpeg.path).line("-nostdin -v error -xerror -i").arg(file).line("-f null -").start();
    let code = child.wait_exit().await;
    match code {
        0 => child.text(),
        _ => format!("exit code {code}\n{}", child.text()),
    }
}

/// ffprobe looks at a URL and prints codec names and sizes, a line each, as `video|h264|240|160`.
pub fn probe(ffprobe: &Found, url: &str) -> Child {
    Command::new(&ffprobe.path)
        .line("-v error -show_entries stream=codec_type,codec_name,width,height,sample_rate -of compact=p=0:nk=1")
        .arg(url)
        .start()
}

/// mpv plays `seconds` of media without screen or sound; its status lines go to standard output.
pub fn mpv_play(mpv: &Found, url: &str, seconds: u32) -> Child {
    Command::new(&mpv.path)
        .line("--no-config --vo=null --ao=null --untimed --msg-level=all=v")
        .arg(format!("--length={seconds}"))
        .arg(url)
        .start()
}

/// VLC records `seconds` of a URL as MPEG-TS. It refuses to run as root, so root runs it as nobody, and `out` must be in
/// a folder where nobody may write.
pub fn vlc_play(vlc: &Found, url: &str, seconds: u32, out: &Path) -> Child {
    vlc_sout(vlc, out, "", &format!("--run-time {seconds}"), url)
}

fn vlc_sout(vlc: &Found, out: &Path, first: &str, options: &str, url: &str) -> Child {
    let command = if rustix::process::geteuid().is_root() {
        Command::new("setpriv").line("--reuid=65534 --regid=65534 --clear-groups").arg(&vlc.path)
    } else {
        Command::new(&vlc.path)
    };
    command
        .env("HOME", out.parent().expect("a file in a folder"))
        .line("-I dummy --no-interact --play-and-exit")
        .line(options)
        .arg("--sout")
        .arg(format!("#{first}std{{access=file,mux=ts,dst={}}}", out.display()))
        .arg(url)
        .arg("vlc://quit")
        .start()
}

/// VLC decodes a URL to its end and writes the frames, encoded anew as MPEG-1 and MPEG-2, to an MPEG-TS file: as many as it
/// decoded. For root and for `out` as [`vlc_play`].
pub fn vlc_decode(vlc: &Found, url: &str, out: &Path) -> Child {
    vlc_sout(vlc, out, "transcode{vcodec=mp2v,vb=2000,acodec=mpga,ab=128}:", "--verbose 1", url)
}

/// mpv decodes a URL to its end and writes a line for each video frame, which begins with `0,`.
pub fn mpv_decode(mpv: &Found, url: &str, out: &Path) -> Child {
    Command::new(&mpv.path)
        .line("--no-config --msg-level=all=warn --of=framecrc --ovc=rawvideo --oac=pcm_s16le")
        .arg(format!("--o={}", out.display()))
        .arg(url)
        .start()
}

/// rtmpdump records FLV until it is interrupted: its `--stop` does not end a live stream. It wants a stream name of its
/// own when the URL has only an app.
pub fn rtmpdump_play(rtmpdump: &Found, url: &str, name: Option<&str>, out: &Path) -> Child {
    let mut command = Command::new(&rtmpdump.path).line("--live --quiet -r").arg(url);
    if let Some(name) = name {
        command = command.arg("-y").arg(name);
    }
    command.arg("-o").arg(out).start()
}

/// GStreamer's `rtmp2src` writes what it gets as FLV; it ends when it is interrupted or the server closes.
pub fn gst_play(gst: &Found, url: &str, out: &Path) -> Child {
    debug_assert_eq!(gst.peer, Peer::GstRtmp2Src);
    Command::new(&gst.path)
        .line("-q -e rtmp2src")
        .arg(format!("location={url}"))
        .line("! filesink buffer-mode=unbuffered")
        .arg(format!("location={}", out.display()))
        .start()
}

/// Waits until a file that a player writes has this many bytes.
pub async fn wait_for_size(file: &Path, bytes: u64, child: &mut Child) {
    let growing = async {
        while std::fs::metadata(file).map_or(0, |file| file.len()) < bytes {
            assert!(child.is_running(), "the player ended before it had {bytes} bytes: {}", child.text());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(crate::wait::DEADLINE, growing).await.is_err() {
        panic!("{} does not grow to {bytes} bytes: {}", file.display(), child.text());
    }
}
