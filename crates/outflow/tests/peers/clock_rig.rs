//! A graph and a `serve`, a publisher for both whose clock follows a script, and readers of every kind at their ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outflow_testkit::chunks::{Chunker, Form};
use outflow_testkit::clock::{BEGINS, Script};
use outflow_testkit::compare::monotonic;
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Found, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::publisher::{Publisher, published};
use outflow_testkit::wait::until;
use tokio::time::Instant;

use crate::help::{folder, listening, outflow, read};

/// How many readers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One of each important kind.
    Narrow,
    /// All of them at both programs.
    Wide,
}

/// How much is published, in milliseconds: enough for every script.
const LENGTH: u32 = 8_000;
/// Frames between key frames.
const GROUP: usize = 25;

pub(crate) struct Rig {
    width: Width,
    ffmpeg: Found,
    ffmpeg9: Option<Found>,
    folder: tempfile::TempDir,
    nginx: Nginx,
    listens: Child,
    graph: Child,
    serve: Child,
    /// Where to publish: the graph, `serve`.
    inputs: [String; 2],
    /// Where to play: the graph, `serve`, and what the graph pushed to `serve`.
    outputs: [String; 3],
    /// Recordings of FLV that are there in the end.
    files: Vec<PathBuf>,
    /// FFmpeg that decodes what it plays.
    decoders: Vec<Child>,
    /// Whoever records, and whether it has to be told to stop.
    recorders: Vec<(Child, PathBuf, Peer)>,
    players: Vec<(&'static str, Player)>,
}

impl Rig {
    /// Everything but the players, who need a stream.
    pub(crate) async fn start(width: Width) -> Option<Self> {
        let (ffmpeg, nginx) = (peers::find(Peer::Ffmpeg)?, peers::find(Peer::NginxRtmp)?);
        let ffmpeg9 = peers::find(Peer::Ffmpeg9);
        let folder = folder();
        let nginx = Nginx::start(&nginx).await;
        let file = |name: &str| folder.path().join(name);
        let (listens, listen_url) = peers::ffmpeg_listen(&ffmpeg, &file("listens.flv")).await;
        let (input, output, rtmp) = (free_port(), free_port(), free_port());
        let config =
            format!("[[output]]\nname = \"nginx\"\nstream = \"live/direct\"\nurl = \"{}\"\n", nginx.url("serve"));
        std::fs::write(file("outflow.toml"), config).unwrap();
        let mut serve = outflow(&format!("serve --rtmp 127.0.0.1:{rtmp} --http none --json --config"))
            .arg(file("outflow.toml"))
            .start();
        listening(&[rtmp], &mut serve).await;
        let mut graph = outflow(&format!(
            "-json -i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 -o rtmp://127.0.0.1:{output}/live:gpac:rtmp_listen=1 \
             -o {}:gpac:name=nginx -o {listen_url}:gpac:name=listens -o rtmp://127.0.0.1:{rtmp}/live/graph:gpac:name=serve -o {}",
            nginx.url("graph"),
            file("graph.flv").display()
        ))
        .start();
        listening(&[input, output], &mut graph).await;
        let url = |port: u16, path: &str| format!("rtmp://127.0.0.1:{port}/{path}");
        Some(Self {
            width,
            ffmpeg,
            ffmpeg9,
            files: vec![file("listens.flv"), file("graph.flv")],
            inputs: [url(input, "in/key"), url(rtmp, "live/direct")],
            outputs: [url(output, "live"), url(rtmp, "live/direct"), url(rtmp, "live/graph")],
            folder,
            nginx,
            listens,
            graph,
            serve,
            decoders: Vec::new(),
            recorders: Vec::new(),
            players: Vec::new(),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The players come. What `replaced` sources send is recorded as FLV only: FFmpeg 5.1 spoils its Matroska files where
    /// headers come again.
    async fn join(&mut self, replaced: bool) {
        for (name, url) in ["graph", "serve", "graph and serve"].into_iter().zip(&self.outputs) {
            self.players.push((name, Player::connect(url).await.unwrap()));
        }
        let [graph, serve, both] = self.outputs.clone();
        let new = self.ffmpeg9.clone().unwrap_or_else(|| self.ffmpeg.clone());
        let mut decode = vec![(&new, &graph), (&self.ffmpeg, &both)];
        let mut record = vec![(self.ffmpeg.clone(), &graph, "graph-5.flv"), (new.clone(), &serve, "serve-9.mkv")];
        if self.width == Width::Wide {
            decode.extend([(&self.ffmpeg, &graph), (&new, &serve)]);
            record.extend([(new.clone(), &graph, "graph-9.flv"), (self.ffmpeg.clone(), &graph, "graph-5.mkv")]);
        }
        self.decoders = decode.into_iter().map(|(ffmpeg, url)| decoder(ffmpeg, url.as_str())).collect();
        let record = record.into_iter().map(|(ffmpeg, url, name)| {
            let mut file = self.folder.path().join(name);
            if replaced {
                file.set_extension("mkv.flv");
            }
            (peers::ffmpeg_play(&ffmpeg, &[url.as_str()], 1_000, &file), file, ffmpeg.peer)
        });
        self.recorders = record.collect();
        if let Some(rtmpdump) = peers::find(Peer::Rtmpdump) {
            let file = self.file("rtmpdump.flv");
            self.recorders.push((peers::rtmpdump_play(&rtmpdump, &graph, Some("x"), &file), file, Peer::Rtmpdump));
        }
        if self.width == Width::Wide
            && let Some(mpv) = peers::find(Peer::Mpv)
        {
            self.recorders.push((peers::mpv_play(&mpv, &serve, 1_000), PathBuf::new(), Peer::Mpv));
        }
        let expected = self.players.len() + self.decoders.len() + self.recorders.len();
        let joined = |child: &Child| {
            child.output.look(|said| said.stdout.iter().filter(|line| line.contains("\"player_joined\"")).count())
        };
        until(&format!("{expected} players have come"), || joined(&self.graph) + joined(&self.serve) >= expected).await;
        // Destinations began with the first key frames.
        for (program, output) in
            [(&self.graph, "nginx"), (&self.graph, "listens"), (&self.graph, "serve"), (&self.serve, "nginx")]
        {
            let name = format!("\"output\":\"{output}\"");
            until(&format!("{output} is live"), || {
                let is_live = |line: &&String| line.contains(&name) && line.contains("\"state\":\"live\"");
                program.output.look(|said| said.stdout.iter().any(|line| is_live(&line)))
            })
            .await;
        }
    }

    /// Publishes by this clock, and checks what came of it. With `replaced` the source is cut off in the middle and another
    /// one goes on with a clock that begins at 0.
    pub(crate) async fn run(mut self, script: Script, form: Form, replaced: bool) {
        let tags = Clip::small(14).tags().await;
        let tags: Vec<_> = tags.into_iter().filter(|tag| tag.time < LENGTH).collect();
        let begins = tags.iter().position(|tag| i64::from(tag.time) >= BEGINS - 500).unwrap();
        let cut = tags.iter().position(|tag| tag.is_key_frame() && tag.time > LENGTH / 2).unwrap();
        let mut publishing = Publishing::begin(&self.inputs, form).await;
        publishing.play(&tags[..begins], script, 0).await;
        self.join(replaced).await;
        if replaced {
            publishing.play(&tags[begins..cut], script, 0).await;
            self.until_it_came(&tags[..cut]).await;
            drop(publishing);
            publishing = Publishing::begin(&self.inputs, form).await;
            publishing.play(&headers(&tags), outflow_testkit::clock::named("crosses 2^32 ms"), 0).await;
            publishing.play(&tags[cut..], script, ((BEGINS + 1_000) as u32).wrapping_sub(tags[cut].time)).await;
        } else {
            publishing.play(&tags[begins..], script, 0).await;
        }
        publishing.finish().await;
        self.end(script, &tags).await;
    }

    async fn until_it_came(&self, sent: &[Tag]) {
        let last = sent.iter().rfind(|tag| tag.kind == 9).unwrap().body.clone();
        for (name, player) in &self.players {
            let came = |tags: &[Tag]| tags.iter().any(|tag| tag.body == last).then_some(());
            player.received.wait_for(&format!("the last frame at {name}"), |got| came(&got.tags())).await;
        }
    }

    async fn end(mut self, script: Script, sent: &[Tag]) {
        let name = script.name;
        for (at, player) in &self.players {
            let over = |got: &outflow_testkit::player::Received| {
                let told = got.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify");
                (told || got.end.is_some()).then_some(())
            };
            player.received.wait_for(&format!("the end at {at}"), over).await;
            judge(&format!("{name}: player of {at}"), script, sent, &player.tags());
        }
        for decoder in &mut self.decoders {
            decoded(name, script, sent, decoder).await;
        }
        self.listens.wait_exit().await;
        let ffmpeg = self.ffmpeg.clone();
        let mut all = std::mem::take(&mut self.files);
        for (child, file, peer) in &mut self.recorders {
            let code = child.wait_exit().await;
            let said = child.text();
            assert!(code == 0 || *peer == Peer::Rtmpdump, "{name}: {peer:?} ended with {code}: {said}");
            if *peer == Peer::Mpv {
                let wrong = said.lines().find(|line| line.contains("rror"));
                assert_eq!(wrong, None, "{name}: mpv said: {said}");
            } else if file.extension().is_some_and(|end| end == "mkv") {
                recorded(name, script, sent, &ffmpeg, file).await;
            } else {
                all.push(file.clone());
            }
            peer.ran();
        }
        assert_eq!(self.graph.interrupt().await, 0, "{name}: {}", self.graph.text());
        assert_eq!(self.serve.interrupt().await, 0, "{name}: {}", self.serve.text());
        self.nginx.child.interrupt().await;
        for stream in ["graph", "serve"] {
            let files = self.nginx.recordings(stream);
            assert_eq!(files.len(), 1, "{name}: nginx saw {stream} more than once");
            all.extend(files);
        }
        for file in &all {
            judge(&format!("{name}: {}", file.display()), script, sent, &read(file));
        }
        let decoders: Vec<_> = [Some(&self.ffmpeg), self.ffmpeg9.as_ref()].into_iter().flatten().collect();
        for (n, file) in all.iter().enumerate() {
            let both = self.width == Width::Wide;
            for ffmpeg in decoders.iter().cycle().skip(n).take(if both { decoders.len() } else { 1 }) {
                decoded(&format!("{name}: {}", file.display()), script, sent, &mut decoder(ffmpeg, file)).await;
                ffmpeg.peer.ran();
            }
        }
        Peer::NginxRtmp.ran();
    }
}

fn headers(tags: &[Tag]) -> Vec<Tag> {
    tags.iter().filter(|tag| !tag.is_frame()).map(|tag| Tag { time: 0, ..tag.clone() }).collect()
}

/// One publisher at each program, both sending the same bytes.
struct Publishing(Vec<(Publisher, Chunker)>);

impl Publishing {
    async fn begin(urls: &[String], form: Form) -> Self {
        let mut all = Vec::new();
        for url in urls {
            let start = Instant::now();
            let publisher = loop {
                match Publisher::connect(url).await {
                    Ok(publisher) => break publisher,
                    // It may still be busy with one that was cut off.
                    Err(error) => assert!(start.elapsed().as_secs() < 20, "{url}: {error}"),
                }
            };
            all.push((publisher, Chunker::new(form, 4096)));
        }
        Self(all)
    }

    /// In real time by the file's own clock; the script says what stands on it, `later` milliseconds into it.
    async fn play(&mut self, tags: &[Tag], script: Script, later: u32) {
        let start = Instant::now();
        for tag in tags {
            let due = Duration::from_millis(u64::from(tag.time.saturating_sub(tags[0].time)));
            tokio::time::sleep_until(start + due).await;
            // Sequence headers and metadata are stamped 0, as many encoders do.
            let time = if tag.is_frame() { script.time(tag.kind == 8, tag.time.wrapping_add(later)) } else { 0 };
            for (publisher, chunks) in &mut self.0 {
                publisher.send_as(chunks, tag.kind, time, published(tag)).await.unwrap();
            }
        }
    }

    async fn finish(self) {
        for (publisher, _) in self.0 {
            publisher.finish().await.unwrap();
        }
    }
}

/// FFmpeg plays a URL or file and decodes every frame of it; the first error ends it. Frames count in milliseconds: by
/// default two that are a millisecond apart have one time, of which it complains.
fn decoder(ffmpeg: &Found, from: impl AsRef<std::ffi::OsStr>) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v error -xerror -i")
        .arg(from)
        .line("-fps_mode passthrough -enc_time_base:v 1:1000 -progress pipe:1 -f null -")
        .start()
}

/// It decoded to the end: all frames from a key frame on.
///
/// Where the source itself leaves a gap within a group, a picture that was sent before it for after it is shown before others:
/// FFmpeg says so, and goes on.
async fn decoded(name: &str, script: Script, sent: &[Tag], child: &mut Child) {
    let code = child.wait_exit().await;
    let mut said = child.output.look(|output| output.stderr.iter().cloned().collect::<Vec<_>>());
    if script.longest > 0 {
        said.retain(|line| {
            !line.contains("non monotonically increasing dts") && !line.contains("Last message repeated")
        });
    }
    assert!(code == 0 && said.is_empty(), "{name}: ffmpeg ended with {code} and said {said:?}");
    let frames = child.output.look(|output| {
        output.stdout.iter().rev().find_map(|line| line.strip_prefix("frame=")?.trim().parse::<usize>().ok())
    });
    whole_groups(name, sent, frames.expect("frame="));
}

/// So many frames are all that were sent but for whole groups at the beginning, when players were still coming.
fn whole_groups(name: &str, sent: &[Tag], frames: usize) {
    let all = sent.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count();
    let early = usize::try_from(BEGINS).unwrap() / 40;
    assert!(
        frames <= all && frames + early >= all && (all - frames).is_multiple_of(GROUP),
        "{name}: {frames} of {all} frames were decoded"
    );
}

/// What FFmpeg's demuxer makes of a recording: monotonic, and whole.
async fn recorded(name: &str, script: Script, sent: &[Tag], ffmpeg: &Found, file: &Path) {
    let mut child = Command::new(&ffmpeg.path)
        .line("-nostdin -v error -xerror -i")
        .arg(file)
        .line("-map 0:v -map 0:a -c copy -f framecrc -")
        .start();
    assert_eq!(child.wait_exit().await, 0, "{name}: {}", child.text());
    let text = child.text();
    let fields = |line: &str| line.split(',').map(|field| field.trim().parse::<i64>().ok()).collect::<Vec<_>>();
    let mut last: HashMap<i64, i64> = HashMap::new();
    let mut frames = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [Some(stream), Some(dts), ..] = fields(line)[..] else { panic!("{name}: {line}") };
        let before = last.insert(stream, dts).unwrap_or(i64::MIN);
        assert!(dts >= before, "{name}: {}: {line} after {before}", file.display());
        frames += usize::from(stream == 0);
    }
    whole_groups(name, sent, frames);
    decoded(&format!("{name}: {}", file.display()), script, sent, &mut decoder(ffmpeg, file)).await;
}

/// Checks the tags of one reader: to the last frame, never back, no long steps, audio and video as they were.
fn judge(name: &str, script: Script, sent: &[Tag], got: &[Tag]) {
    monotonic(got).unwrap_or_else(|why| panic!("{name}: {why}"));
    // How much each packet was moved, by when it was due.
    let mut moved: [Vec<i64>; 2] = Default::default();
    for (kind, moved) in [9, 8].into_iter().zip(&mut moved) {
        let sent: Vec<_> = sent.iter().filter(|tag| tag.kind == kind && tag.is_frame()).collect();
        let got: Vec<_> = got.iter().filter(|tag| tag.kind == kind && tag.is_frame()).collect();
        assert!(!got.is_empty(), "{name}: nothing of kind {kind}");
        // It has the end of what was sent, without a hole.
        let first = sent.len().checked_sub(got.len()).unwrap_or_else(|| panic!("{name}: more than was sent"));
        for (sent, got) in sent[first..].iter().zip(&got) {
            assert!(sent.body == got.body, "{name}: {got:?} came in the place of {sent:?}");
            moved.push(i64::from(got.time) - i64::from(sent.time));
        }
        assert!(i64::from(sent[first].time) <= BEGINS, "{name}: it begins with {:?}", sent[first]);
        for pair in got.windows(2) {
            let step = i64::from(pair[1].time) - i64::from(pair[0].time);
            assert!(step <= script.longest + 130, "{name}: a step of {step} ms to {:?}", pair[1]);
        }
    }
    let apart = |at: fn(&Vec<i64>) -> Option<&i64>| at(&moved[1]).unwrap() - at(&moved[0]).unwrap();
    let parted = apart(|moved| moved.last()) - apart(|moved| moved.first());
    assert!(parted.abs() <= script.apart, "{name}: audio and video were moved by {parted} ms against each other");
}
