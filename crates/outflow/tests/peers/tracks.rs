//! A real publisher of two videos and two sounds: each destination gets the tracks that its output names, as ordinary ones
//! where it knows no other, and the whole where none is named. And silence for one that wants sound.

use std::path::Path;
use std::time::Duration;

use outflow_rtmp::flv::TagKind;
use outflow_rtmp::flv::tracks::{legacy, single};
use outflow_testkit::compare::monotonic;
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::peers::{self, Found, Nginx, Peer};
use outflow_testkit::proc::{Child, Command};

use crate::help::{decodes_file, folder, listening, outflow, read};

/// FFmpeg encodes two pictures, whose key frames are at different times, and two tones; it sends the same to URL and file.
fn publish(ffmpeg: &Found, url: &str, reference: &Path) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=25 -re -f lavfi -i smptebars=size=160x90:rate=25")
        .line("-re -f lavfi -i sine=frequency=440:sample_rate=44100 -re -f lavfi -i sine=frequency=880:sample_rate=48000")
        .line("-map 0 -map 1 -map 2 -map 3 -t 7 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p")
        .line("-g:v:0 25 -g:v:1 20 -b:v 300k -c:a aac -b:a 64k -flags +global_header -f tee")
        .arg(format!(
            "[f=flv:flvflags=no_duration_filesize]{url}|[f=flv:flvflags=no_duration_filesize]{}",
            reference.display()
        ))
        .start()
}

/// FFmpeg takes one publisher and writes each of its tracks.
fn listen(ffmpeg: &Found, port: u16, out: &Path) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -y -v warning -listen 1 -i")
        .arg(format!("rtmp://127.0.0.1:{port}/live/key"))
        .line("-map 0:v -map 0:a -c copy")
        .arg(out)
        .start()
}

/// A hash of each packet of a track (as `v:0`, `a:1`), by FFmpeg, which must know that track.
async fn hashes(ffmpeg: &Found, file: &Path, track: &str) -> Vec<String> {
    let mut child = Command::new(&ffmpeg.path)
        .line("-nostdin -v error -i")
        .arg(file)
        .line(&format!("-map 0:{track} -c copy -f framehash -hash md5 -"))
        .start();
    let code = child.wait_exit().await;
    let text = child.text();
    assert_eq!(code, 0, "track {track} of {}: {text}", file.display());
    // stream, dts, pts, duration, size, hash, and perhaps side data.
    let hash = |line: &str| line.split(',').nth(5).map(|hash| hash.trim().to_owned());
    text.lines().filter(|line| line.starts_with("0,")).filter_map(hash).collect()
}

/// How many tracks of a kind a file has, by FFmpeg.
async fn count(ffmpeg: &Found, file: &Path, kind: &str) -> usize {
    let mut child = Command::new(&ffmpeg.path).line("-nostdin -hide_banner -i").arg(file).start();
    child.wait_exit().await;
    child.text().lines().filter(|line| line.contains("Stream #0:") && line.contains(kind)).count()
}

/// A track that arrived is a piece of one that was sent, of seconds.
async fn is_piece(ffmpeg: &Found, (got, of): (&Path, &str), sender: &Found, (sent, track): (&Path, &str)) {
    let (got, sent) = (hashes(ffmpeg, got, of).await, hashes(sender, sent, track).await);
    assert!(got.len() > 60, "{of} has {} packets of {track}", got.len());
    let begin = sent.iter().position(|hash| *hash == got[0]);
    let begin = begin.unwrap_or_else(|| panic!("{of} begins with no packet of {track}"));
    assert!(sent[begin..].starts_with(&got), "{of} is not {track}, from its packet {begin} on");
}

#[tokio::test]
async fn each_destination_gets_the_tracks_that_its_output_names() {
    let (Some(nine), Some(five)) = (peers::find(Peer::Ffmpeg9), peers::find(Peer::Ffmpeg)) else { return };
    let Some(nginx) = peers::find(Peer::NginxRtmp) else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let nginx = Nginx::start(&nginx).await;
    let whole = Ingest::start(Behaviour::Good).await;
    let [input, old, new, players] = [(); 4].map(|()| free_port());
    let mut old_server = listen(&five, old, &at("old.mkv"));
    let mut new_server = listen(&nine, new, &at("new.mkv"));
    listening(&[old], &mut old_server).await;
    listening(&[new], &mut new_server).await;
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:{old}/live/key:gpac:name=old::tracks=video,audio:1:: \
         -o rtmp://127.0.0.1:{new}/live/key:gpac:name=new::tracks=video:1,audio:0,audio:1:: \
         -o {}:gpac:name=nginx::tracks=video:1,audio:0:: -o {}:gpac::tracks=video:1,audio:1:: -o {}:gpac:name=whole \
         -o rtmp://127.0.0.1:{players}/live:gpac:rtmp_listen=1::tracks=video:1,audio:1::",
        nginx.url("k"),
        at("file.flv").display(),
        whole.url("live/k"),
    ))
    .start();
    listening(&[input, players], &mut program).await;
    let reference = at("reference.flv");
    let mut publishing = publish(&nine, &format!("rtmp://127.0.0.1:{input}/in/key"), &reference);
    // Late, when the headers of all tracks are long gone.
    whole.wait_for_media(0, 200).await;
    let mut player = peers::ffmpeg_play(&five, &[&format!("rtmp://127.0.0.1:{players}/live")], 3, &at("player.mkv"));
    assert_eq!(player.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", player.text());
    assert_eq!(publishing.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", publishing.text());
    whole.wait_for("the end of the push", |state| state.open == 0 && state.sessions[0].unpublished).await;
    for server in [&mut old_server, &mut new_server] {
        server.wait_exit().await;
    }
    assert_eq!(program.interrupt().await, 0, "{}", program.text());

    // FFmpeg 5.1 and nginx-rtmp know one picture and one sound, which are those that were named.
    let sent = |track| (reference.as_path(), track);
    let recording = nginx.recordings("k").pop().expect("nginx recorded it");
    for (file, video, audio) in
        [(at("old.mkv"), "v:0", "a:1"), (recording, "v:1", "a:0"), (at("file.flv"), "v:1", "a:1")]
    {
        assert_eq!(
            (count(&five, &file, "Video").await, count(&five, &file, "Audio").await),
            (1, 1),
            "{}",
            file.display()
        );
        is_piece(&five, (&file, "v:0"), &nine, sent(video)).await;
        is_piece(&five, (&file, "a:0"), &nine, sent(audio)).await;
        decodes_file(&five, &file).await;
        decodes_file(&nine, &file).await;
    }
    // FFmpeg 9 knows several, and gets the two sounds that were named beside the second picture.
    let both = at("new.mkv");
    assert_eq!((count(&nine, &both, "Video").await, count(&nine, &both, "Audio").await), (1, 2));
    for (got, track) in [("v:0", "v:1"), ("a:0", "a:0"), ("a:1", "a:1")] {
        is_piece(&nine, (&both, got), &nine, sent(track)).await;
    }
    decodes_file(&nine, &both).await;

    // Where nothing is named everything is as it came.
    let got = whole.session(0).tags();
    let media = |tags: &[Tag]| tags.iter().filter(|tag| tag.kind != 18).map(|tag| tag.body.clone()).collect::<Vec<_>>();
    let (sent, got) = (media(&read(&reference)), media(&got));
    let first = got.iter().position(|body| body[1] == 1).expect("a frame");
    let begin = sent.iter().position(|body| *body == got[first]).expect("a packet that was sent");
    assert!(got.len() > 400 && sent[begin..].starts_with(&got[first..]), "{} of {}", got.len(), sent.len());
    for peer in [Peer::Ffmpeg9, Peer::Ffmpeg, Peer::NginxRtmp] {
        peer.ran();
    }
}

/// FFmpeg 9 sends MP3 as its second sound: with a header and channels that only the new form has. FFmpeg 5.1, which knows the old
/// one, gets frames alone.
#[tokio::test]
async fn mp3_as_second_sound_is_an_ordinary_one() {
    let (Some(nine), Some(five)) = (peers::find(Peer::Ffmpeg9), peers::find(Peer::Ffmpeg)) else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let witness = Ingest::start(Behaviour::Good).await;
    let [input, old] = [(); 2].map(|()| free_port());
    let mut old_server = listen(&five, old, &at("old.mkv"));
    listening(&[old], &mut old_server).await;
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:{old}/live/key:gpac:name=old::tracks=video,audio:1:: \
         -o {}:gpac:name=witness::tracks=video,audio:1::",
        witness.url("live/k"),
    ))
    .start();
    listening(&[input], &mut program).await;
    let reference = at("reference.flv");
    let mut publishing = Command::new(&nine.path)
        .line("-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=25 -re -f lavfi -i sine=frequency=440:sample_rate=44100")
        .line("-re -f lavfi -i sine=frequency=880:sample_rate=48000 -map 0 -map 1 -map 2 -t 6")
        .line("-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -b:v 300k")
        .line("-c:a:0 aac -c:a:1 libmp3lame -b:a 64k -flags +global_header -f tee")
        .arg(format!(
            "[f=flv:flvflags=no_duration_filesize]rtmp://127.0.0.1:{input}/in/key|[f=flv:flvflags=no_duration_filesize]{}",
            reference.display()
        ))
        .start();
    assert_eq!(publishing.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", publishing.text());
    witness.wait_for("the end of the push", |state| state.open == 0 && state.sessions[0].unpublished).await;
    old_server.wait_exit().await;
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
    // Rate 48 kHz is said as 44.1, 16 bits, one channel.
    let tags = witness.session(0).tags();
    let sound: Vec<_> = tags.iter().filter(|tag| tag.kind == 8).map(|tag| tag.body[0]).collect();
    assert!(sound.len() > 100 && sound.iter().all(|first| *first == 0x2E), "{sound:x?}");
    is_piece(&five, (&at("old.mkv"), "a:0"), &nine, (&reference, "a:1")).await;
    is_piece(&five, (&at("old.mkv"), "v:0"), &nine, (&reference, "v:0")).await;
    decodes_file(&five, &at("old.mkv")).await;
    for peer in [Peer::Ffmpeg9, Peer::Ffmpeg] {
        peer.ran();
    }
}

/// At full speed, where the source waits for its files: each has all of its tracks, in the form that they have alone.
#[tokio::test]
async fn a_recording_that_runs_free_has_all_of_the_tracks_that_are_named() {
    let folder = folder();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mt.flv");
    let cases = [("video,audio", 0, 0), ("video:1,audio:1", 1, 1), ("video,audio:1", 0, 1)];
    let outputs = cases.iter().enumerate().map(|(n, (tracks, ..))| {
        format!(" -o {}:gpac::tracks={tracks}::", folder.path().join(format!("{n}.flv")).display())
    });
    let words = format!("-i {} reframer:rt=off{}", source.display(), outputs.collect::<String>());
    let mut program = outflow(&words).start();
    assert_eq!(program.wait_exit().await, 0, "{}", program.text());
    for (n, (tracks, video, audio)) in cases.into_iter().enumerate() {
        let got = read(&folder.path().join(format!("{n}.flv")));
        for (kind, of, id) in [(9, TagKind::Video, video), (8, TagKind::Audio, audio)] {
            let alone = |tag: &Tag| {
                let body = single(of, &tag.body, id).unwrap()?;
                let old = legacy(of, &body);
                // H.264 and AAC of this file are the first tracks: what tells of the colours of the second is not theirs.
                old.or((id == 1).then_some(body))
            };
            let sent: Vec<_> = read(&source).iter().filter(|tag| tag.kind == kind).filter_map(alone).collect();
            let got: Vec<_> = got.iter().filter(|tag| tag.kind == kind).map(|tag| tag.body.clone()).collect();
            assert!(got.len() > 5, "{tracks}");
            assert_eq!(got, sent, "{tracks}");
        }
    }
}

#[tokio::test]
async fn a_destination_that_wants_sound_gets_silence() {
    let (Some(nine), Some(five)) = (peers::find(Peer::Ffmpeg9), peers::find(Peer::Ffmpeg)) else { return };
    let Some(nginx) = peers::find(Peer::NginxRtmp) else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let nginx = Nginx::start(&nginx).await;
    let [input, old, players] = [(); 3].map(|()| free_port());
    let mut old_server = listen(&five, old, &at("old.mkv"));
    listening(&[old], &mut old_server).await;
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 \
         -o {}:gpac:name=nginx:silence=on -o rtmp://127.0.0.1:{old}/live/key:gpac:name=old:silence=on \
         -o rtmp://127.0.0.1:{players}/live:gpac:rtmp_listen=1:silence -o {}:gpac:silence",
        nginx.url("k"),
        at("file.flv").display(),
    ))
    .start();
    listening(&[input, players], &mut program).await;
    let mut publishing = Command::new(&five.path)
        .line("-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=25 -t 8 -c:v libx264 -preset ultrafast")
        .line("-pix_fmt yuv420p -g 25 -b:v 300k -bf 2 -flags +global_header -f flv")
        .arg(format!("rtmp://127.0.0.1:{input}/in/key"))
        .start();
    let mut player = peers::ffmpeg_play(&nine, &[&format!("rtmp://127.0.0.1:{players}/live")], 3, &at("player.mkv"));
    assert_eq!(player.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", player.text());
    assert_eq!(publishing.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", publishing.text());
    old_server.wait_exit().await;
    assert_eq!(program.interrupt().await, 0, "{}", program.text());

    let recording = nginx.recordings("k").pop().expect("nginx recorded it");
    for file in [&recording, &at("old.mkv"), &at("player.mkv"), &at("file.flv")] {
        decodes_file(&five, file).await;
        decodes_file(&nine, file).await;
        let mut child = Command::new(&five.path)
            .line("-nostdin -hide_banner -i")
            .arg(file)
            .line("-map 0:a -af volumedetect -f null -")
            .start();
        assert_eq!(child.wait_exit().await, 0, "{}", child.text());
        let text = child.text();
        assert!(text.contains("aac (LC), 44100 Hz, stereo"), "{}: {text}", file.display());
        assert!(text.contains("max_volume: -91.0 dB"), "{}: {text}", file.display());
    }
    for file in [&recording, &at("file.flv")] {
        let tags = read(file);
        monotonic(&tags).unwrap();
        let times =
            |kind| tags.iter().filter(|tag| tag.kind == kind && tag.is_frame()).map(|tag| tag.time).collect::<Vec<_>>();
        let (video, audio) = (times(9), times(8));
        assert!(audio.len() > 200, "{} frames of silence", audio.len());
        assert!(audio.windows(2).all(|pair| (23..=24).contains(&(pair[1] - pair[0]))), "{audio:?}");
        let (last_picture, last_sound) = (video[video.len() - 1], audio[audio.len() - 1]);
        assert!(last_sound <= last_picture && last_sound + 64 > last_picture, "{last_sound} {last_picture}");
    }
    for peer in [Peer::Ffmpeg9, Peer::Ffmpeg, Peer::NginxRtmp] {
        peer.ran();
    }
}

/// A camera without sound, then one with: the silence ends where the sound begins, in one connection and one recording.
#[tokio::test]
async fn silence_ends_when_sound_comes() {
    let (Some(nine), Some(five)) = (peers::find(Peer::Ffmpeg9), peers::find(Peer::Ffmpeg)) else { return };
    let Some(nginx) = peers::find(Peer::NginxRtmp) else { return };
    let folder = folder();
    let file = folder.path().join("file.flv");
    let nginx = Nginx::start(&nginx).await;
    let (input, witness) = (free_port(), Ingest::start(Behaviour::Good).await);
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 -o {}:gpac:name=nginx:silence -o {}:gpac:silence \
         -o {}:gpac:name=witness:silence=on",
        nginx.url("k"),
        file.display(),
        witness.url("live/k"),
    ))
    .start();
    listening(&[input], &mut program).await;
    let camera = |sound: &str| {
        Command::new(&five.path)
            .line("-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=25")
            .line(sound)
            .line("-t 4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -b:v 300k -flags +global_header -f flv")
            .arg(format!("rtmp://127.0.0.1:{input}/in/key"))
            .start()
    };
    let mut silent = camera("");
    witness.wait_for_media(0, 120).await;
    silent.kill().await;
    let mut sounding = camera("-re -f lavfi -i sine=frequency=440:sample_rate=48000 -ac 1 -c:a aac");
    assert_eq!(sounding.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", sounding.text());
    witness.wait_for("the end of the push", |state| state.open == 0 && state.sessions[0].unpublished).await;
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
    let recordings = nginx.recordings("k");
    assert_eq!(recordings.len(), 1, "one connection");
    for file in [&recordings[0], &file] {
        decodes_file(&five, file).await;
        decodes_file(&nine, file).await;
        let tags = read(file);
        monotonic(&tags).unwrap();
        let sound: Vec<_> = tags.iter().filter(|tag| tag.kind == 8).collect();
        let headers: Vec<_> = sound.iter().filter(|tag| tag.is_sequence_header()).map(|tag| tag.body.clone()).collect();
        assert_eq!(headers[0][..], [0xAF, 0, 0x12, 0x10]);
        assert_eq!(headers[headers.len() - 1][2..4], [0x11, 0x88], "48 kHz, one channel: {headers:?}");
        let silence = sound.iter().rposition(|tag| tag.is_frame() && tag.body.len() == 8).expect("silence");
        let begins = sound.iter().position(|tag| tag.is_frame() && tag.body.len() > 60).expect("sound");
        assert!(silence < begins && silence > 40 && sound.len() - begins > 100, "{silence} {begins} {}", sound.len());
    }
    for peer in [Peer::Ffmpeg9, Peer::Ffmpeg, Peer::NginxRtmp] {
        peer.ran();
    }
}
