//! The pull: plays a stream from a server and feeds it, for as long as the server sends it. One run is one connection.

mod deadlines;
mod held;
mod media;
mod moving;

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow_rtmp::session::{ClientEvent, Role, Stage};
use tokio::sync::Mutex;

use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::client::verdict::{self, Words};
use crate::client::{self, Client, Opened};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::hub::Cork;
use crate::limits::{Limits, shown};
use crate::monitor::Event;
use crate::net::exchange::{Exchange, Turn, Underway};
use crate::node::Node;
use crate::options::rtmp;
use deadlines::Deadlines;
use media::Media;
use moving::{Line, MoveTo, Moving, Step};

/// `-i rtmp://...` and `-i rtmps://...`.
pub const KIND: SourceKind = SourceKind {
    name: "rtmp_pull",
    summary: "plays from an RTMP server, and again whenever it ends: `-i rtmp://HOST/app/name`, `-i rtmps://HOST/app/name`",
    options: rtmp::PULL,
    accepts: |url, listening| !listening && matches!(url.scheme.as_deref(), Some("rtmp" | "rtmps")),
    produces: Produces::Encoded,
    may_run_free: false,
    open,
};

/// Media for so long makes a run a success: its end is no reason to wait before the next.
const LASTING: Duration = Duration::from_secs(10);
/// How long a server may take to read our good-bye.
const LAST_WORDS: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 128 * 1024;
/// How often it is looked whether the server is still there, at least.
const TICK: Duration = Duration::from_millis(250);

/// The deadline for looking up the name, and for connecting where no word says otherwise.
const STAGE: Duration = Duration::from_secs(10);

fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let client = Arc::new(Mutex::new(Client::new(client::settings::read(node, Role::Play)?)));
    let connect = node.options.duration("timeout").filter(|timeout| !timeout.is_zero());
    Ok(Box::new(RtmpPull { client, connect: connect.unwrap_or(STAGE) }))
}

struct RtmpPull {
    /// Dials one connection at a time.
    client: Arc<Mutex<Client>>,
    /// The deadline for connecting.
    connect: Duration,
}

impl Source for RtmpPull {
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let limits = job.env.limits.get();
            let deadlines = Deadlines::new(&job, self.connect, limits.clone());
            let hops = job.feed.marks();
            let mut client = self.client.lock().await;
            client.settings.limits.clone_from(&limits.rtmp);
            let words = client.settings.words.clone();
            let opened = tokio::select! {
                biased;
                // While nothing plays there is nobody to say good-bye to.
                () = job.stop.stopped() => return Ended::stopped(),
                opened = client.open(&*job.env.resolver, &deadlines, &hops) => opened,
                ended = deadlines.passed() => return ended,
            };
            drop(client);
            match opened {
                Ok(opened) => play(&job, opened, &self.client, words, &limits).await,
                Err(ended) => ended,
            }
        })
    }
}

/// Takes media until the stream or the connection ends, or we are to stop.
async fn play(
    job: &SourceJob,
    opened: Opened,
    client: &Arc<Mutex<Client>>,
    words: Arc<Words>,
    limits: &Limits,
) -> Ended {
    let Opened { connection, session, early, peer, destination, .. } = opened;
    let media = Media::new(job, peer.clone(), early);
    let line = Line { exchange: Exchange::new(connection), session, peer, destination };
    let (now, moving) = (Instant::now(), Moving::default());
    let mut playing = Playing {
        line,
        moving,
        gone: None,
        media,
        words,
        limits,
        heard: now,
        underway: Underway::default(),
        pinged: now,
        told_waiting: false,
    };
    let ended = tokio::select! {
        // The stop first: a server that sends without a pause must not hide it.
        biased;
        () = job.stop.stopped() => Ended::stopped(),
        ended = playing.run(client, job) => ended,
    };
    // What came last is sent on while the server reads our good-bye.
    let Playing { line: Line { exchange, mut session, .. }, media, .. } = playing;
    media.end(ended.reason == Reason::InputEnded);
    session.finish();
    exchange.part(&mut session, LAST_WORDS).await;
    ended
}

struct Playing<'a> {
    line: Line,
    moving: Moving,
    /// Why the connection sends no more, while another is to take its place.
    gone: Option<Ended>,
    media: Media<'a>,
    words: Arc<Words>,
    limits: &'a Limits,
    /// When the last byte came.
    heard: Instant,
    underway: Underway,
    pinged: Instant,
    told_waiting: bool,
}

impl Playing<'_> {
    async fn run(&mut self, client: &Arc<Mutex<Client>>, job: &SourceJob) -> Ended {
        // The answer to play may have come together with media, or with the end.
        if let Some(ended) = self.obey(Instant::now()).and_then(|ended| self.over_for(ended)) {
            return ended;
        }
        let (mut buffer, mut turn) = (vec![0; READ_BYTES], Turn::default());
        let often = self.limits.pull_idle.min(self.limits.message) / 30;
        let mut ticks = tokio::time::interval(often.clamp(Duration::from_millis(1), TICK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.reset();
        loop {
            self.moving.begin(client, &self.line.destination, job);
            let Line { exchange, session, .. } = &mut self.line;
            let ended = tokio::select! {
                _ = ticks.tick() => {
                    self.join();
                    if self.gone.is_none() { self.look(job) } else { None }
                }
                step = self.moving.step(&self.words) => self.moved(step, job),
                read = exchange.read(session, &mut buffer), if self.gone.is_none() => {
                    self.heard = Instant::now();
                    let ended = match read {
                        Ok(0) => Some(Ended::network(Reason::Disconnected, "the server closed the connection")),
                        Ok(read) => self.take(buffer.get(..read).unwrap_or_default()),
                        Err(error) => Some(verdict::lost(&error)),
                    };
                    self.underway.note(self.line.session.under_way(), self.heard);
                    self.join();
                    turn.over(self.heard).await;
                    ended
                }
            };
            if let Some(ended) = ended.and_then(|ended| self.over_for(ended)) {
                return ended;
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Option<Ended> {
        let received = self.line.session.receive(bytes);
        self.obey(self.heard).or_else(|| received.err().map(|error| verdict::protocol(&error)))
    }

    /// The end, unless another connection is on its way that can take over: that is waited for.
    fn over_for(&mut self, ended: Ended) -> Option<Ended> {
        if self.gone.is_some() || !self.moving.is_under_way() {
            return Some(self.gone.take().unwrap_or(ended));
        }
        self.gone = Some(ended);
        self.join();
        None
    }

    /// A step of a move; `Some` when it has failed and nothing is left.
    fn moved(&mut self, step: Step, job: &SourceJob) -> Option<Ended> {
        let failed = match step {
            Step::Opened(opened) => self.moving.hold(*opened, &self.words).err(),
            Step::Failed(ended) => Some(ended),
            Step::Heard | Step::Left => None,
        };
        match failed {
            Some(ended) => {
                self.moving.next = None;
                let text = format!("the other connection failed: {}", ended.text);
                (job.events)(Event::Note { who: job.name.clone(), text });
                self.gone.take()
            }
            None => {
                self.join();
                None
            }
        }
    }

    /// Lets another connection take over, if it can.
    fn join(&mut self) {
        let Some(next) = &mut self.moving.next else { return };
        let now = Instant::now();
        let Some(joint) = next.held.joint(self.media.memory(), self.gone.is_some(), now) else { return };
        let Some(next) = self.moving.next.take() else { return };
        self.media.go_on(&next.line.peer, next.held, &joint, now);
        let old = std::mem::replace(&mut self.line, next.line);
        (self.heard, self.gone, self.underway) = (now, None, Underway::default());
        self.moving.leave(old);
    }

    /// Takes what the server said; `Some` when it is over.
    fn obey(&mut self, arrival: Instant) -> Option<Ended> {
        let _cork = Cork::hold();
        while let Some(event) = self.line.session.next_event() {
            match event {
                ClientEvent::Media(message) => self.media.take(message, arrival),
                ClientEvent::StreamEof => return Some(self.over()),
                ClientEvent::Ended { code, .. } if ends_the_broadcast(&code) => return Some(self.over()),
                ClientEvent::Ended { code, description } => {
                    return Some(verdict::refused(Stage::Over, &code, &description, &self.words));
                }
                ClientEvent::Refused(refusal) => {
                    let words = &self.words;
                    return Some(verdict::refused(refusal.stage, &refusal.code, &refusal.description, words));
                }
                ClientEvent::ReconnectRequest { tc_url, description } => {
                    // It goes on sending until we are there.
                    self.moving.asked = Some(MoveTo { tc_url, why: self.words.clean(&description) });
                }
                _ => {}
            }
        }
        None
    }

    /// The server says that the broadcast is over.
    fn over(&self) -> Ended {
        Ended::new(Origin::Peer, self.again(), Reason::InputEnded, "the server ended the broadcast")
    }

    /// At once after a run that was worth it; else a server that always ends at once would be dialled without a pause.
    fn again(&self) -> Retry {
        if self.media.lasted() >= LASTING { Retry::Now } else { Retry::Backoff }
    }

    /// Looks whether the server is still there.
    fn look(&mut self, job: &SourceJob) -> Option<Ended> {
        let silent = self.limits.pull_idle;
        let ping = silent / 3;
        let timeout = |what: &str| {
            Ended::network(Reason::Timeout, format!("{what} for {} s (limits.pull_idle)", silent.as_secs_f32()))
        };
        if self.underway.has_lasted(self.limits.message, Instant::now()) {
            let text =
                format!("a message of the server took longer than {} (limits.message)", shown(self.limits.message));
            return Some(Ended::network(Reason::Timeout, text));
        }
        if self.heard.elapsed() >= silent {
            return Some(timeout("the server sent nothing, not even the answer to a ping,"));
        }
        // Before the first media it is waited for as long as the server answers; after that it may be a relay that has
        // lost its source, and another connection may find it again.
        if self.media.silent().is_some_and(|since| since >= silent) {
            return Some(timeout("the server sent no media"));
        }
        if self.heard.elapsed() >= ping && self.pinged.elapsed() >= ping {
            self.pinged = Instant::now();
            self.line.session.ping(0);
        }
        if !self.told_waiting && self.media.silent().is_none() {
            self.told_waiting = true;
            let text = format!("{} accepts; waiting for media", self.line.peer);
            (job.events)(Event::Note { who: job.name.clone(), text });
        }
        None
    }
}

/// Status codes after which the server has nothing more to send of this broadcast.
fn ends_the_broadcast(code: &str) -> bool {
    matches!(
        code,
        "NetStream.Play.UnpublishNotify"
            | "NetStream.Play.Stop"
            | "NetStream.Play.Complete"
            | "NetStream.Unpublish.Success"
    )
}

#[cfg(test)]
#[path = "rtmp_pull/tests.rs"]
mod tests;
