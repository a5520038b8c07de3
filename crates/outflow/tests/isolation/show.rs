//! One run of the program with its good outputs and whoever else: what the good ones got, when, and what it cost.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use outflow_testkit::aside::Aside;
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::ingest::{Behaviour, Ingest, Session, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::proc::Child;
use outflow_testkit::resolver::Hanging;
use outflow_testkit::starved::Starved;

use crate::bad::Bad;
use crate::control::Control;
use crate::program::program;
use crate::said::{self, Told};

/// Seconds between key frames.
const GROUP: u32 = 2;
/// `max_lag` of every output: the default.
const MAX_LAG: u64 = 4;
/// Frames a second of [`made_up`] media.
const RATE: u32 = 25;
/// How many misbehave.
const BAD: usize = 20;

/// How much is to be carried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) outputs: usize,
    pub(crate) bits: u32,
}

/// What the proof is about.
pub(crate) const FULL: Load = Load { outputs: 50, bits: 20_000_000 };
/// Where two cores can't carry that together with the receivers.
pub(crate) const HALF: Load = Load { outputs: 25, bits: 10_000_000 };

impl Load {
    pub(crate) fn good(&self) -> usize {
        self.outputs - BAD
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        u64::from(self.bits / 8)
    }

    /// Audio and video messages in so many seconds.
    pub(crate) fn messages(&self, seconds: u32) -> usize {
        (2 * RATE * seconds) as usize
    }

    /// What the program may hold beyond what it holds without bad outputs: of each output the batch under way, a frame, and
    /// its buffers. The stream's own ring is there in any case.
    pub(crate) fn memory(&self) -> u64 {
        self.outputs as u64 * (64 * 1024 + self.bytes_per_second() / u64::from(RATE) + 100_000)
    }

    /// What it may hold at all: itself; the ring, with `max_lag` and always the present group, each packet as it came and as
    /// RTMP; and the outputs.
    pub(crate) fn whole_memory(&self) -> u64 {
        15_000_000 + 2 * self.bytes_per_second() * (MAX_LAG + u64::from(GROUP)) + self.memory()
    }
}

/// A stream in a file, and its packets by their digests.
pub(crate) struct Source {
    file: PathBuf,
    seconds: u32,
    /// Kind and digest of every frame to its place among those of its kind, its time, and whether it is a key frame.
    frames: HashMap<(u8, u64), Frame>,
    count: [usize; 2],
    _folder: tempfile::TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    place: usize,
    time: u32,
    key: bool,
}

impl Source {
    pub(crate) fn new(load: &Load, seconds: u32) -> Self {
        let tags = made_up(seconds * RATE, GROUP * RATE, (load.bits / 8 / RATE) as usize);
        let (folder, file) = in_memory("stream.flv", &flv::write(&tags));
        let mut count = [0; 2];
        let mut frames = HashMap::new();
        for tag in tags.iter().filter(|tag: &&Tag| tag.is_frame()) {
            let place = &mut count[usize::from(tag.kind == 9)];
            let frame = Frame { place: *place, time: tag.time, key: tag.is_key_frame() };
            assert!(frames.insert((tag.kind, flv::digest(&tag.body)), frame).is_none(), "every body is unique");
            *place += 1;
        }
        Self { file, seconds, frames, count, _folder: folder }
    }

    /// Checks that a session got headers, a key frame, and then everything to the end, in the source's steps of time.
    /// The answer is what it got.
    fn check(&self, session: &Session) -> Result<Got, String> {
        let mut got = Got { headers: Vec::new(), frames: Vec::new(), begins: 0 };
        let mut next: [Option<usize>; 2] = [None; 2];
        let mut offset = None;
        for arrival in &session.arrivals {
            let (kind, time) = (arrival.message.kind, arrival.message.time);
            let Some(frame) = self.frames.get(&(kind, arrival.digest)) else {
                if !got.frames.is_empty() {
                    return Err(format!("{} bytes of kind {kind} at {time} ms were never sent", arrival.length));
                }
                got.headers.push((kind, arrival.digest));
                continue;
            };
            let moved = i64::from(frame.time) - i64::from(time);
            if offset.is_none() {
                if !frame.key {
                    return Err(format!("it begins with frame {frame:?}, which is no key frame"));
                }
                got.begins = frame.time;
            }
            if *offset.get_or_insert(moved) != moved {
                return Err(format!("{frame:?} came at {time} ms, the first one {offset:?} ms before its time"));
            }
            let next = &mut next[usize::from(kind == 9)];
            if next.is_some_and(|next| next != frame.place) {
                return Err(format!("after {next:?} came {frame:?}"));
            }
            *next = Some(frame.place + 1);
            got.frames.push((kind, frame.time, arrival.digest));
        }
        if next != self.count.map(Some) {
            return Err(format!("it got up to {next:?} of {:?}: {session:?}", self.count));
        }
        Ok(got)
    }
}

/// What one good output got.
pub(crate) struct Got {
    headers: Vec<(u8, u64)>,
    /// Kind, time within the source, digest: from the first key frame on.
    frames: Vec<(u8, u32, u64)>,
    /// The time of its first frame within the source.
    begins: u32,
}

/// What a run came to.
pub(crate) struct Seen {
    got: BTreeMap<String, Got>,
    /// The longest time between two packets at any good output.
    pub(crate) gap: Duration,
    /// The same at the one output of a program of its own that ran meanwhile: what the machine itself did.
    pub(crate) control: Duration,
    /// How long the program, or the receivers, waited for a processor at most.
    pub(crate) starved: [Duration; 2],
    /// How often the program waited for a page of its own code or data to be read from a disk.
    faults: u64,
    /// The most memory that the program held.
    pub(crate) most: u64,
    /// Of the machine, by the program and by the receivers.
    cpu: (Duration, Duration),
    took: Duration,
    pub(crate) told: BTreeMap<String, Vec<Told>>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = self.got.values().filter(|got| got.begins > 0).count();
        write!(
            f,
            "worst gap {:?} ({:?} in a program beside it; waits for a processor {:?}, {} pages read), {:.1} MB at most, {:.1} s CPU here and {:.1} s in the receivers of {:.1} s, {late} began later \
             than the first frame",
            self.gap,
            self.control,
            self.starved,
            self.faults,
            self.most as f64 / 1e6,
            self.cpu.0.as_secs_f64(),
            self.cpu.1.as_secs_f64(),
            self.took.as_secs_f64()
        )
    }
}

impl Seen {
    /// Whether the machine had room to spare, so that gaps say something of the program.
    pub(crate) fn is_calm(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let used = (self.cpu.0 + self.cpu.1).as_secs_f64() / self.took.as_secs_f64();
        self.gap < Duration::from_millis(400) && used < 0.8 * cores
    }

    /// Whether every good output of this run got what it got in the other, from the later of their beginnings to the
    /// earlier of their ends.
    pub(crate) fn same_bytes_as(&self, other: &Self) -> Result<(), String> {
        let mut compared = 0;
        for (name, got) in &self.got {
            let calm = other.got.get(name).ok_or_else(|| format!("{name} was not in the other run"))?;
            if got.headers != calm.headers {
                return Err(format!("{name} got other headers"));
            }
            let from = got.begins.max(calm.begins);
            let (a, b) = [got, calm].map(|it| it.frames.iter().filter(move |(_, time, _)| *time >= from)).into();
            for (a, b) in a.zip(b) {
                if a != b {
                    return Err(format!("{name} got {a:?} instead of {b:?}"));
                }
                compared += 1;
            }
        }
        println!("{compared} frames of {} good outputs are the same with and without the bad ones", self.got.len());
        Ok(())
    }
}

/// A run that goes on.
pub(crate) struct Run<'a> {
    source: &'a Source,
    child: Child,
    receivers: Ingest,
    control: Control,
    good: usize,
    begun: Instant,
    cpu_before: Duration,
    _aside: Aside,
}

impl<'a> Run<'a> {
    /// Starts the program with its good outputs and these.
    pub(crate) async fn start(load: &Load, source: &'a Source, resolver: &Hanging, bad: &[Bad]) -> Self {
        let aside = Aside::start();
        // All of them on one server: a receiver more is a connection more.
        let receivers = aside.run(Setup::new([Behaviour::Good]).without_bodies().start()).await;
        let mut words: Vec<String> =
            vec!["-json".into(), "-drain=2".into(), "-i".into(), source.file.to_str().unwrap().into()];
        let mut bad = bad.iter();
        for number in 0..load.good() {
            // Mixed, so that neither sort always comes first.
            words.extend(bad.next().into_iter().flat_map(|bad| ["-o".into(), bad.word()]));
            let key = format!("good{number}");
            words.extend(["-o".into(), format!("{}:gpac:name={key}", receivers.url(&format!("live/{key}")))]);
        }
        words.extend(bad.flat_map(|bad| ["-o".into(), bad.word()]));
        let cpu_before = own_cpu();
        let child = program(resolver, &words).start();
        let control = Control::start(source.seconds).await;
        let (good, begun) = (load.good(), Instant::now());
        Self { source, child, receivers, control, good, begun, cpu_before, _aside: aside }
    }

    /// Waits until every good output has so many messages.
    pub(crate) async fn wait_for_media(&self, messages: usize) {
        let what = format!("{messages} messages at each of {} good outputs", self.good);
        outflow_testkit::wait::until(&what, || {
            self.receivers.state.look(|state| {
                state.sessions.iter().filter(|session| session.media_messages >= messages).count() >= self.good
            })
        })
        .await;
    }

    /// Waits until an output was in this state.
    pub(crate) async fn wait_for_state(&self, output: &str, state: &str) {
        outflow_testkit::wait::until(&format!("{output} is {state}"), || {
            said::states(&self.child).get(output).is_some_and(|told| told.iter().any(|it| it.state == state))
        })
        .await;
    }

    /// Goes on to the end of the source and looks at everything.
    pub(crate) async fn finish(mut self) -> Seen {
        let (mut most, mut faults) = (0, 0);
        let mut starved = [self.child.id(), std::process::id()].map(Starved::new);
        let mut cpu = Duration::ZERO;
        let limit = Duration::from_secs(u64::from(self.source.seconds)) + Duration::from_secs(30);
        // Up to the first end of a good output, and so of the source.
        while !self.receivers.state.look(|state| state.sessions.iter().any(|session| session.end.is_some())) {
            let Some(resident) = self.child.resident_if_there() else { break };
            most = most.max(resident);
            faults = major_faults(self.child.id());
            starved.iter_mut().for_each(Starved::look);
            cpu = self.child.cpu();
            assert!(self.begun.elapsed() < limit, "the source did not come to its end: {}", self.progress());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = self.begun.elapsed();
        let cpu = (cpu, own_cpu() - self.cpu_before);
        let told = said::states(&self.child);
        self.receivers.wait_for("the ends of all good outputs", |state| state.open == 0).await;
        // Those that are stuck are given up in a bounded time.
        self.child.wait_exit_within(Duration::from_secs(15)).await;
        let sessions = self.receivers.state.look(|state| state.sessions.clone());
        let gap = sessions.iter().map(|session| session.longest_gap).max().unwrap_or_default();
        let mut got = BTreeMap::new();
        for session in &sessions {
            let key = session.published.clone().unwrap_or_default();
            let taken = self.source.check(session).unwrap_or_else(|why| panic!("{key}: {why}; {:?}", told.get(&key)));
            assert!(got.insert(key.clone(), taken).is_none(), "{key} was published twice: {:?}", told.get(&key));
        }
        assert_eq!(got.len(), self.good, "a good output never was");
        let control = self.control.gap();
        let starved = starved.map(|it| it.worst());
        Seen { got, gap, control, starved, faults, most, cpu, took, told }
    }

    fn progress(&self) -> String {
        self.receivers.state.look(|state| {
            let line = |s: &Session| format!("{:?}: {} messages, {:?}", s.published, s.media_messages, s.end);
            state.sessions.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }
}

/// A file on no disk where that is possible: what is measured is not how fast it is read.
pub(crate) fn in_memory(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let write = |folder: tempfile::TempDir| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).map(|()| (folder, file))
    };
    let made = tempfile::tempdir_in("/dev/shm").and_then(write);
    made.or_else(|_| tempfile::tempdir().and_then(write)).unwrap()
}

/// Field 12 of the process's `stat`.
fn major_faults(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(9).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// CPU time of this process so far.
fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    Duration::from_millis([11, 12].iter().map(|&i| fields[i].parse::<u64>().unwrap() * 10).sum())
}
