//! Real publishers. Each also writes a reference file of what it sent, to compare the outputs with.

use std::path::Path;

use super::Found;
use crate::proc::{Child, Command};

/// FFmpeg publishes an FLV file in real time without touching it: the file itself is the reference.
pub fn ffmpeg_copy(ffmpeg: &Found, file: &Path, url: &str) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v warning -re -i")
        .arg(file)
        .line("-map 0 -c copy -f flv -flvflags no_duration_filesize")
        .arg(url)
        .start()
}

/// FFmpeg encodes a test picture with x264 and AAC in real time and sends the same packets to the URL and a file.
pub fn ffmpeg_encode(ffmpeg: &Found, seconds: u32, size: &str, url: &str, reference: &Path) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v warning -re -f lavfi -i")
        .arg(format!("testsrc2=size={size}:rate=25"))
        .line("-re -f lavfi -i sine=frequency=440:sample_rate=44100")
        .line(&format!(
            "-t {seconds} -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -b:v 400k"
        ))
        .line("-c:a aac -b:a 96k -flags +global_header -map 0:v -map 1:a -f tee")
        .arg(format!(
            "[f=flv:flvflags=no_duration_filesize]{url}|[f=flv:flvflags=no_duration_filesize]{}",
            reference.display()
        ))
        .start()
}

/// Which element of GStreamer publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GstSink {
    /// GStreamer's own client.
    Rtmp2,
    /// The one on librtmp.
    Rtmp,
}

/// GStreamer encodes a test picture with x264 and AAC in real time and sends what its FLV muxer makes to URL and file.
pub fn gst_publish(gst: &Found, sink: GstSink, seconds: u32, url: &str, reference: &Path) -> Child {
    let frames = seconds * 25;
    let buffers = seconds * 44100 / 1024;
    let sink = match sink {
        GstSink::Rtmp2 => "rtmp2sink",
        GstSink::Rtmp => "rtmpsink",
    };
    Command::new(&gst.path)
        .line("-q -e flvmux name=mux streamable=true ! tee name=both ! queue !")
        .line(sink)
        .line("sync=true")
        .arg(format!("location={url}"))
        .line("both. ! queue ! filesink buffer-mode=unbuffered")
        .arg(format!("location={}", reference.display()))
        .line(&format!("videotestsrc is-live=true num-buffers={frames} pattern=ball"))
        .line("! video/x-raw,width=320,height=180,framerate=25/1 ! x264enc tune=zerolatency key-int-max=25 bitrate=400")
        .line("! video/x-h264,profile=main ! h264parse ! queue ! mux.")
        .line(&format!("audiotestsrc is-live=true num-buffers={buffers} samplesperbuffer=1024"))
        .line("! audio/x-raw,rate=44100,channels=2 ! avenc_aac ! aacparse ! queue ! mux.")
        .start()
}

/// GStreamer publishes an FLV file in real time: it takes the packets out and puts them into FLV of its own.
pub fn gst_copy(gst: &Found, sink: GstSink, file: &Path, url: &str) -> Child {
    let sink = if sink == GstSink::Rtmp2 { "rtmp2sink" } else { "rtmpsink" };
    Command::new(&gst.path)
        .line("-q -e filesrc")
        .arg(format!("location={}", file.display()))
        .line("! flvdemux name=from flvmux name=mux streamable=true !")
        .arg(sink)
        .line("sync=true")
        .arg(format!("location={url}"))
        .line("from.video ! queue ! mux.video from.audio ! queue ! mux.audio")
        .start()
}

/// OBS without a screen streams a small black scene as H.264 and AAC, until it is killed. `home` takes its settings.
pub fn obs_publish(obs: &Found, server: &str, key: &str, home: &Path) -> Child {
    obs_publish_as(obs, server, key, None, home)
}

/// The same with "Use authentication" and this user and password.
pub fn obs_publish_as(obs: &Found, server: &str, key: &str, login: Option<(&str, &str)>, home: &Path) -> Child {
    let auth = login.map_or("\"use_auth\":false".to_owned(), |(user, password)| {
        format!(r#""use_auth":true,"username":"{user}","password":"{password}""#)
    });
    let settings = home.join(".config/obs-studio");
    let put = |file: &str, text: &str| {
        let file = settings.join(file);
        std::fs::create_dir_all(file.parent().expect("in a folder")).expect("our own folder");
        std::fs::write(file, text).expect("our own folder");
    };
    put(
        "global.ini",
        "[General]\nFirstRun=true\nLastVersion=486539266\nPre19Defaults=false\nPre21Defaults=false\nPre23Defaults=false\n\
         Pre24.1Defaults=false\n[Basic]\nProfile=P\nProfileDir=P\nSceneCollection=S\nSceneCollectionFile=S\n\
         ConfigOnNewProfile=false\n",
    );
    put(
        "basic/profiles/P/basic.ini",
        "[General]\nName=P\n[Video]\nBaseCX=320\nBaseCY=240\nOutputCX=320\nOutputCY=240\nFPSType=0\nFPSCommon=10\n\
         [SimpleOutput]\nVBitrate=300\nStreamEncoder=x264\nPreset=ultrafast\n[Output]\nMode=Simple\nReconnect=false\n",
    );
    put(
        "basic/profiles/P/service.json",
        &format!(r#"{{"type":"rtmp_custom","settings":{{"server":"{server}","key":"{key}",{auth}}}}}"#),
    );
    put(
        "basic/scenes/S.json",
        r#"{"name":"S","current_scene":"Scene","current_program_scene":"Scene","scene_order":[{"name":"Scene"}],
            "sources":[{"id":"scene","name":"Scene","settings":{"items":[]}}]}"#,
    );
    let run = home.join("run");
    std::fs::create_dir_all(&run).expect("our own folder");
    Command::new("xvfb-run")
        .args(["-a", "-s", "-screen 0 1024x768x24"])
        .arg(&obs.path)
        .line("--multi --startstreaming --profile P --collection S --minimize-to-tray")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_RUNTIME_DIR", run)
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("QT_QPA_PLATFORM", "xcb")
        .start()
}
