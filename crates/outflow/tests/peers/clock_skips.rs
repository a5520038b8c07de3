//! Skips far into a broadcast: a destination and a player behind links that carry half of the stream jump from key frame to
//! key frame, at times above 2^24 ms, with key frames of many chunks. What arrived decodes without an error.

use std::path::Path;
use std::time::Duration;

use outflow_testkit::chunks::{Chunker, Form};
use outflow_testkit::compare::{holes_end_at_key_frames, monotonic};
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::free_port;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Found, Nginx, Peer};
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::proxy::Proxy;
use outflow_testkit::publisher::{Publisher, published};
use outflow_testkit::wait::until;
use tokio::time::Instant;

use crate::help::{folder, listening, outflow, read};

/// How much faster than in real time it is published: 20 Mb/s become 60.
const SPEED: u32 = 3;
/// What the links carry, in bytes a second: 24 Mb/s.
const LINK: u64 = 3_000_000;
/// Steps of the frames before: just not a jump. So many of them and time is above 2^24 ms.
const STRIDE: u32 = 9_500;
const STRIDES: u32 = (1 << 24) / STRIDE + 50;
const SKIPS: u64 = 5;

/// A still picture, so that frames are small, at the size of the heavy clip.
async fn still() -> Vec<Tag> {
    let path = outflow_testkit::media::target_dir().join("testmedia/still-640x360.flv");
    if !path.exists() {
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let partial = tempfile::Builder::new().suffix(".flv").tempfile_in(folder).unwrap().into_temp_path();
        let mut made = Command::new(peers::find(Peer::Ffmpeg).unwrap().path)
            .line("-nostdin -y -v error -f lavfi -i color=gray:size=640x360:rate=25 -f lavfi -i anullsrc=r=44100")
            .line(&format!("-t {} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 5000 -bf 0", STRIDES / 25 + 1))
            .line("-c:a aac -b:a 96k -ac 2 -f flv")
            .arg(&partial)
            .start();
        assert_eq!(made.wait_exit_within(Duration::from_secs(120)).await, 0, "{}", made.text());
        partial.persist(&path).unwrap();
    }
    read(&path)
}

/// What is published: a still picture in strides, then `seconds` of the clip, again and again. Each with its time.
async fn broadcast(clip: Clip, seconds: u32) -> (Vec<Tag>, usize) {
    const BASE: u32 = 20_000_000;
    let mut all = Vec::new();
    let (mut video, mut audio) = (0, 0);
    for tag in still().await {
        let count = if tag.kind == 9 { &mut video } else { &mut audio };
        if tag.is_frame() {
            if *count == STRIDES {
                continue;
            }
            *count += 1;
        }
        let time = BASE + STRIDE * count.saturating_sub(1);
        all.push(Tag { time, ..tag });
    }
    // Both tracks go ahead together.
    all.sort_by_key(|tag| tag.time);
    let begins = all.len();
    let tags = clip.tags().await;
    let mut at = BASE + STRIDE * STRIDES;
    while at < BASE + STRIDE * STRIDES + seconds * 1000 {
        let frames = |tag: &&Tag| tag.is_frame() || all.len() == begins;
        let more: Vec<_> = tags.iter().filter(frames).map(|tag| Tag { time: at + tag.time, ..tag.clone() }).collect();
        all.extend(more);
        at += clip.seconds * 1000;
    }
    (all, begins)
}

async fn skips(clip: Clip, seconds: u32, form: Form) {
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let (sent, begins) = broadcast(clip, seconds).await;
    let smallest = sent[begins..].iter().filter(|tag| tag.is_key_frame()).map(|tag| tag.body.len()).min().unwrap();
    assert!(smallest > 64 << 10, "a key frame has {smallest} bytes");
    let folder = folder();
    let mut nginx = Nginx::start(&nginx).await;
    let (input, output) = (free_port(), free_port());
    let (up, down) = (narrow(nginx.port).await, narrow(output).await);
    let mut program = outflow(&format!(
        "-json -i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:{output}/live:gpac:rtmp_listen=1:name=players:max_lag=300ms \
         -o rtmp://{}/live/k:gpac:name=push:max_lag=300ms -drain=20s",
        up.address()
    ))
    .start();
    listening(&[input, output], &mut program).await;

    let mut publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{input}/in/key")).await.unwrap();
    let mut chunks = Chunker::new(form, 4096);
    // The beginning until everybody has come, the rest of the strides as fast as it goes.
    let first = sent.iter().position(|tag| tag.is_key_frame()).unwrap() + 50;
    send(&mut publisher, &mut chunks, &sent[..first], 0).await;
    let url = format!("rtmp://{}/live", down.address());
    let file = folder.path().join("player.flv");
    let mut recorder = peers::ffmpeg_play(&ffmpeg, &[url.as_str()], 1_000_000, &file);
    let mut decoders = Vec::new();
    if let Some(new) = peers::find(Peer::Ffmpeg9) {
        let child = decode(&new, &url);
        decoders.push((new, child));
    }
    let players = 1 + decoders.len();
    let said = |program: &Child, words: &[&str]| {
        program
            .output
            .look(|said| said.stdout.iter().filter(|line| words.iter().all(|word| line.contains(word))).count())
    };
    until("the players have come", || said(&program, &["\"player_joined\""]) >= players).await;
    until("the push is live", || said(&program, &["\"output\":\"push\"", "\"state\":\"live\""]) > 0).await;
    send(&mut publisher, &mut chunks, &sent[first..begins], 0).await;
    for link in [&up, &down] {
        link.set(|link| (link.up.bytes_per_second, link.down.bytes_per_second) = (Some(LINK), Some(LINK)));
    }
    send(&mut publisher, &mut chunks, &sent[begins..], SPEED).await;
    publisher.finish().await.unwrap();

    assert_eq!(recorder.wait_exit().await, 0, "{}", recorder.text());
    for (ffmpeg, decoder) in decoders {
        decodes(&ffmpeg, "the stream", decoder).await;
    }
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
    nginx.child.interrupt().await;
    let skips = |words: &[&str]| said(&program, &[&["\"event\":\"skipped\""], words].concat()) as u64;
    for output in ["push", "players"] {
        let count = skips(&[&format!("\"output\":\"{output}\"")]);
        let readers = if output == "push" { 1 } else { players as u64 };
        assert!(count >= SKIPS * readers, "{output} skipped {count} times");
    }
    let recordings = nginx.recordings("k");
    assert_eq!(recordings.len(), 1, "the push was not one publication");
    for file in [&recordings[0], &file] {
        judge(&sent, begins, file).await;
    }
    Peer::NginxRtmp.ran();
    Peer::Ffmpeg.ran();
}

/// A link to this port.
async fn narrow(port: u16) -> Proxy {
    Proxy::start_narrow(([127, 0, 0, 1], port).into()).await
}

/// Frames count in milliseconds: from the strides FFmpeg guesses a frame rate far too low, and complains that frames of the
/// clip have one time.
fn decode(ffmpeg: &Found, from: impl AsRef<std::ffi::OsStr>) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v error -xerror -i")
        .arg(from)
        .line("-fps_mode passthrough -enc_time_base:v 1:1000 -f null -")
        .start()
}

async fn decodes(ffmpeg: &Found, name: &str, mut child: Child) {
    let code = child.wait_exit().await;
    let said = child.text();
    assert!(code == 0 && said.is_empty(), "{:?} on {name} ended with {code} and said {said}", ffmpeg.peer);
    ffmpeg.peer.ran();
}

async fn send(publisher: &mut Publisher, chunks: &mut Chunker, tags: &[Tag], speed: u32) {
    let start = Instant::now();
    for tag in tags {
        if speed > 0 {
            let due = Duration::from_millis(u64::from(tag.time - tags[0].time)) / speed;
            tokio::time::sleep_until(start + due).await;
        }
        publisher.send_as(chunks, tag.kind, tag.time, published(tag)).await.unwrap();
    }
}

/// A recording: monotonic, beyond 2^24 ms, with at least [`SKIPS`] holes that end at key frames; both FFmpegs decode it.
async fn judge(sent: &[Tag], begins: usize, file: &Path) {
    let name = file.display();
    let got = read(file);
    monotonic(&got).unwrap_or_else(|why| panic!("{name}: {why}"));
    let far: Vec<_> = got.into_iter().filter(|tag| tag.kind != 9 || tag.body.len() > 1_000).collect();
    let key = far.iter().find(|tag| tag.is_key_frame() && tag.body.len() > 64 << 10);
    let key = key.unwrap_or_else(|| panic!("{name}: no large key frame"));
    assert!(key.time > 1 << 24, "{name}: {key:?} is not far enough");
    let skipped = &far[far.iter().position(|tag| tag == key).unwrap()..];
    let headers = sent[begins..].iter().filter(|tag| tag.is_sequence_header()).cloned();
    let tail = file.with_extension("tail.flv");
    std::fs::write(&tail, flv::write(&headers.chain(skipped.iter().cloned()).collect::<Vec<_>>())).unwrap();
    let holes = holes_end_at_key_frames(&sent[begins..], skipped);
    let holes = holes.unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(holes as u64 >= SKIPS, "{name}: {holes} holes");
    for ffmpeg in [Peer::Ffmpeg, Peer::Ffmpeg9].into_iter().filter_map(peers::find) {
        decodes(&ffmpeg, &name.to_string(), decode(&ffmpeg, file)).await;
        // As people look at a recording, without the strides.
        let said = peers::decode_errors(&ffmpeg, &tail).await;
        assert!(said.is_empty(), "{:?} on {name}: {said}", ffmpeg.peer);
    }
}

#[tokio::test]
async fn five_skips_beyond_2_24_decode() {
    skips(Clip::heavy(20, 2), 18, Form::Ffmpeg).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn five_skips_beyond_2_24_decode_in_groups_of_2_s_and_steps() {
    skips(Clip::heavy(20, 2), 40, Form::Steps).await;
}

#[tokio::test]
#[ignore = "two minutes: scripts/test-long"]
async fn five_skips_beyond_2_24_decode_in_groups_of_12_s() {
    skips(Clip::heavy(24, 12), 96, Form::Ffmpeg).await;
}

#[tokio::test]
#[ignore = "two minutes: scripts/test-long"]
async fn five_skips_beyond_2_24_decode_in_groups_of_12_s_and_steps() {
    skips(Clip::heavy(24, 12), 96, Form::Steps).await;
}
