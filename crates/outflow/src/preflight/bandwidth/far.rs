//! `outflow check --serve`: the far side of the bandwidth test. It counts what comes and keeps nothing of it.
//!
//! It is open to others, and so takes nothing but tests: of those who know its token, one at a time, for as long and as
//! much as was said before, and every frame has to say that it is of a test. It ends by itself when nobody uses it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};

use super::counted::Counted;
use super::tally::Tally;
use super::{APP, MOST_PATHS, MOST_TIME, RESULTS};
use crate::config::Address;
use crate::env::Env;
use crate::hub::Start;
use crate::listen::{Crowd, Door, Port};
use crate::media::{Intake, Kind, StreamInfo, classify};
use crate::monitor::{self, Event};
use crate::net::BoxFuture;
use crate::net::dial::Resolver;
use crate::registry::{Admitted, Ask, Gate, PlayOffer, PublishSlot, Refusal, Ticket, presents};
use crate::secret::Secret;
use crate::stop::{Stop, Stopper, stopper};
use crate::stream::{Stream, StreamConfig, Writer};

/// How often the count is told.
const TOLD: Duration = Duration::from_millis(250);
/// How much longer than it said a test may take: to connect, and to end.
const SLACK: Duration = Duration::from_secs(30);
/// Without a test for so long it ends.
const IDLE: Duration = Duration::from_secs(3600);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Connections at once, and from one address.
const CONNECTIONS: usize = 512;
const FROM_ONE: usize = MOST_PATHS + 8;
/// Bytes that may come beyond what was said: key frames, and what waited.
const MORE: u64 = 16 << 20;
const WHO: &str = "check";

/// What the far side is told.
#[derive(Debug)]
pub struct FarSide {
    /// Where to listen.
    pub address: Address,
    /// What a test must present.
    pub token: Secret,
    /// The token was made here: whoever started this has to be told.
    pub made: bool,
    /// Events as JSON lines.
    pub json: bool,
}

impl FarSide {
    /// What to type on the other side, for whoever started this.
    fn told(&self, port: u16) -> String {
        let host = match self.address.ip {
            Some(ip) if !ip.is_unspecified() => ip.to_string(),
            _ => "THIS-HOST".to_owned(),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let token = match self.made {
            true => format!("OUTFLOW_CHECK_TOKEN={} ", self.token.expose()),
            false => "OUTFLOW_CHECK_TOKEN=... ".to_owned(),
        };
        format!(
            "The far side of a bandwidth test. On the machine that will send:\n\n  \
             {token}outflow check --bandwidth={host}:{port} -i ... -o ...\n\n\
             A firewall before this machine has to let TCP port {port} in. Ctrl-C ends it; so does an hour without a test.\n"
        )
    }
}

/// Serves until it is told to end, or nobody has used it for long. Gives the exit code. `say` is given what whoever started
/// this has to know: it holds the token, if that was made here.
pub async fn serve(far: FarSide, resolver: Arc<dyn Resolver>, events: monitor::Sink, say: impl FnOnce(&str)) -> i32 {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return 1;
    };
    let env = Env::new(resolver, events.clone());
    let room = Room::new(far.token.clone(), events.clone());
    let port = match open(&far.address, &room, &env) {
        Ok(port) => port,
        Err(reason) => {
            events(Event::Failure { who: WHO.into(), reason });
            return 1;
        }
    };
    say(&far.told(port.address.port()));
    let idle = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if room.idle() >= IDLE {
                return;
            }
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = idle => {
            let text = format!("nobody tested for {} minutes: it ends", IDLE.as_secs() / 60);
            events(Event::Note { who: WHO.into(), text });
        }
    }
    port.close();
    room.end_all();
    0
}

/// Binds the port and lets the room's tests in.
fn open(address: &Address, room: &Arc<Room>, env: &Env) -> Result<Port, crate::error::Ended> {
    let door = Door {
        gate: Arc::new(RoomGate(room.clone())),
        tls: None,
        crowd: Crowd::of(CONNECTIONS, FROM_ONE),
        shown: "tests of bandwidth".into(),
    };
    env.listeners.open(&address.candidates(), door)
}

/// Holds one test at a time.
struct Room {
    token: Secret,
    events: monitor::Sink,
    inner: Mutex<Inner>,
}

struct Inner {
    test: Option<Arc<Test>>,
    used: Instant,
}

/// A test of now.
struct Test {
    id: String,
    peer: IpAddr,
    begin: Instant,
    paths: Vec<(Arc<PublishSlot>, Arc<Counted>)>,
    offer: Arc<PlayOffer>,
    ending: Stopper,
}

/// What a test says of itself before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    paths: usize,
    lasts: Duration,
    /// Bits per second, of all paths.
    bps: u64,
}

impl Said {
    /// Out of the query of what was asked for.
    fn read(name: &str) -> Result<Self, &'static str> {
        let query = name.split_once('?').map_or("", |(_, query)| query);
        let number = |wanted: &str| {
            let values = query.split('&').filter_map(|pair| pair.split_once('='));
            values.into_iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| value.parse::<u64>().ok())
        };
        let (Some(paths), Some(seconds), Some(bps)) = (number("paths"), number("seconds"), number("bps")) else {
            return Err("a test says how many paths it has, for how long, and how much it sends");
        };
        let paths = usize::try_from(paths).unwrap_or(usize::MAX);
        if paths == 0 || paths > MOST_PATHS {
            return Err("too many paths: 256 is the most");
        }
        let lasts = Duration::from_secs(seconds);
        if lasts.is_zero() || lasts > MOST_TIME {
            return Err("too long: 5 minutes is the most");
        }
        Ok(Self { paths, lasts, bps })
    }

    fn most_bytes(&self) -> u64 {
        (self.bps / 8).saturating_mul(self.lasts.as_secs()).saturating_mul(2).saturating_add(MORE)
    }
}

impl Room {
    fn new(token: Secret, events: monitor::Sink) -> Arc<Self> {
        Arc::new(Self { token, events, inner: Mutex::new(Inner { test: None, used: Instant::now() }) })
    }

    fn note(&self, text: String) {
        (self.events)(Event::Note { who: WHO.into(), text });
    }

    fn idle(&self) -> Duration {
        let inner = self.inner.lock();
        if inner.test.is_some() { Duration::ZERO } else { inner.used.elapsed() }
    }

    /// The test's name and what of it is wanted, if the token is right and it is a test at all.
    fn asked<'a>(&self, ask: &'a Ask) -> Result<(&'a str, &'a str), String> {
        if !presents(&self.token, ask.app(), ask.name.expose()) {
            let text = format!("{} was refused: its token is missing or wrong", ask.peer.ip());
            (self.events)(Event::Warning { who: WHO.into(), text });
            return Err("the token is missing or wrong".into());
        }
        // However the URL is divided into app and name.
        let parts = [ask.app(), ask.name.expose()].map(|part| part.split('?').next().unwrap_or_default());
        let mut words = parts.into_iter().flat_map(|part| part.split('/')).filter(|word| !word.is_empty());
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(APP), Some(id), Some(what), None) if id.len() >= 8 => Ok((id, what)),
            _ => Err("this is the far side of a bandwidth test and takes nothing else".into()),
        }
    }

    /// Begins a test, whose results are what is played.
    fn begin(self: &Arc<Self>, ask: &Ask) -> Result<Admitted<PlayOffer>, String> {
        let (id, what) = self.asked(ask)?;
        if what != RESULTS {
            return Err("nothing plays under this name".into());
        }
        let said = Said::read(ask.name.expose())?;
        let mut inner = self.inner.lock();
        if inner.test.is_some() {
            return Err("another test is running; try again in a minute".into());
        }
        let begin = Instant::now();
        let paths = (0..said.paths).map(|_| Counted::slot(begin)).collect();
        let config = StreamConfig { keep: Duration::from_secs(4), max_bytes: 4 << 20, ..StreamConfig::default() };
        let (writer, stream) = Stream::new("results", config, Arc::default());
        writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: true });
        let (closer, closing) = stopper();
        let (ending, ended) = stopper();
        let test = Arc::new(Test {
            id: id.to_owned(),
            peer: ask.peer.ip().to_canonical(),
            begin,
            paths,
            offer: Arc::new(offer(stream, closing)),
            ending,
        });
        inner.test = Some(test.clone());
        drop(inner);
        self.note(format!(
            "{} tests {} at {:.2} Mb/s for {} s",
            test.peer,
            paths_of(said.paths),
            said.bps as f64 / 1e6,
            said.lasts.as_secs()
        ));
        let telling = Telling { room: self.clone(), test: test.clone(), said, writer, _closer: closer };
        telling.tell();
        tokio::spawn(telling.run(ended));
        let to = test.offer.clone();
        Ok(Admitted { to, ticket: Some(Box::new(Held(self.clone(), test))) })
    }

    fn path(&self, ask: &Ask) -> Result<Arc<PublishSlot>, String> {
        let (id, what) = self.asked(ask)?;
        let test = self.inner.lock().test.clone();
        let test = test.filter(|test| test.id == id).ok_or("there is no such test")?;
        let place = what.parse::<usize>().ok().and_then(|number| test.paths.get(number));
        Ok(place.ok_or("the test has no such path")?.0.clone())
    }

    /// Ends this test, if it is that of now.
    fn end(&self, test: &Arc<Test>) {
        let mut inner = self.inner.lock();
        if !inner.test.as_ref().is_some_and(|now| Arc::ptr_eq(now, test)) {
            return;
        }
        inner.test = None;
        inner.used = Instant::now();
        drop(inner);
        test.ending.stop();
        test.paths.iter().for_each(|(slot, _)| Counted::let_go(slot));
        let tally = test.tally();
        let bytes: u64 = tally.paths.iter().map(|path| path.bytes).sum();
        let connected = tally.paths.iter().filter(|path| path.connections > 0).count();
        self.note(format!(
            "the test of {} is over after {:.1} s: {:.1} MB came over {}",
            test.peer,
            test.begin.elapsed().as_secs_f64(),
            bytes as f64 / 1e6,
            paths_of(connected)
        ));
    }

    fn end_all(&self) {
        let test = self.inner.lock().test.clone();
        if let Some(test) = test {
            self.end(&test);
        }
    }
}

fn paths_of(count: usize) -> String {
    if count == 1 { "1 path".into() } else { format!("{count} paths") }
}

impl Test {
    fn tally(&self) -> Tally {
        let at = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Tally::new(at, self.paths.iter().map(|(_, counted)| counted.path()).collect())
    }
}

fn offer(stream: Arc<Stream>, closing: Stop) -> PlayOffer {
    PlayOffer {
        stream,
        start: Start::Group,
        max_lag: Duration::from_secs(4),
        latency: Duration::ZERO,
        share: Default::default(),
        delay: Duration::ZERO,
        chunk_size: crate::wire::CHUNK_SIZE,
        key: None,
        stats: Arc::default(),
        output: RESULTS.into(),
        events: Arc::new(|_| {}),
        joined: Default::default(),
        left: Default::default(),
        players: Arc::default(),
        closing: Mutex::new(closing),
        nodelay: true,
        over: Arc::default(),
    }
}

/// Tells the one who tests what has come, again and again.
struct Telling {
    room: Arc<Room>,
    test: Arc<Test>,
    said: Said,
    writer: Writer,
    /// Closes the connection to who tests, when this is dropped.
    _closer: Stopper,
}

impl Telling {
    fn tell(&self) -> Tally {
        let tally = self.test.tally();
        let at = i64::try_from(tally.at_ms).unwrap_or(i64::MAX);
        self.writer.push(classify::packet(Kind::Video, at, tally.body().into(), Instant::now()));
        tally
    }

    async fn run(self, ended: Stop) {
        let mut ticks = tokio::time::interval(TOLD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = ended.stopped() => return,
                _ = ticks.tick() => {}
            }
            let tally = self.tell();
            let bytes: u64 = tally.paths.iter().map(|path| path.bytes).sum();
            let why = match () {
                () if self.test.begin.elapsed() > self.said.lasts + SLACK => "it took longer than it said",
                () if bytes > self.said.most_bytes() => "it sent more than it said",
                () => continue,
            };
            let text = format!("the test of {} is ended: {why}", self.test.peer);
            (self.room.events)(Event::Warning { who: WHO.into(), text });
            return self.room.end(&self.test);
        }
    }
}

/// The test lasts as long as somebody plays its results.
struct Held(Arc<Room>, Arc<Test>);

impl Ticket for Held {
    fn begun(self: Box<Self>) -> Box<dyn Send> {
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end(&self.1);
    }
}

struct RoomGate(Arc<Room>);

impl Gate for RoomGate {
    fn publish<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PublishSlot>, Refusal>> {
        let answer = self.0.path(ask).map(Admitted::from);
        Box::pin(std::future::ready(answer.map_err(|text| Refusal::new("NetStream.Publish.Denied", text))))
    }

    fn play<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PlayOffer>, Refusal>> {
        let answer = self.0.begin(ask);
        Box::pin(std::future::ready(answer.map_err(|text| Refusal::new("NetStream.Play.Failed", text))))
    }
}
