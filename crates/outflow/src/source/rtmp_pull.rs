//! The pull: plays a stream from a server and feeds it, for as long as the server sends it. One run is one connection.

mod deadlines;
mod media;

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow_rtmp::session::{ClientEvent, ClientSession, Role, Stage};

use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::client::verdict::{self, Words};
use crate::client::{self, Client, Opened};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::limits::{Limits, shown};
use crate::monitor::Event;
use crate::net::exchange::{Exchange, Turn, Underway};
use crate::node::Node;
use crate::options::rtmp;
use deadlines::Deadlines;
use media::Media;

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

/// How long a server may be silent.
/// How often the server is looked at, if not oftener for short limits.
const LOOK: Duration = Duration::from_secs(1);
/// The deadline for looking up the name, and for connecting where no word says otherwise.
const STAGE: Duration = Duration::from_secs(10);

fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let client = Client::new(client::settings::read(node, Role::Play)?);
    let connect = node.options.duration("timeout").filter(|timeout| !timeout.is_zero());
    Ok(Box::new(RtmpPull { client, connect: connect.unwrap_or(STAGE) }))
}

struct RtmpPull {
    client: Client,
    /// The deadline for connecting.
    connect: Duration,
}

impl Source for RtmpPull {
    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let limits = job.env.limits.get();
            self.client.settings.limits.clone_from(&limits.rtmp);
            let deadlines = Deadlines::new(&job, self.connect, limits.clone());
            let hops = job.feed.marks();
            let opened = tokio::select! {
                biased;
                // While nothing plays there is nobody to say good-bye to.
                () = job.stop.stopped() => return Ended::stopped(),
                opened = self.client.open(&*job.env.resolver, &deadlines, &hops) => opened,
                ended = deadlines.passed() => return ended,
            };
            match opened {
                Ok(opened) => play(&job, opened, self.client.settings.words.clone(), &limits).await,
                Err(ended) => ended,
            }
        })
    }
}

/// Takes media until the stream or the connection ends, or we are to stop.
async fn play(job: &SourceJob, opened: Opened, words: Arc<Words>, limits: &Limits) -> Ended {
    let Opened { connection, session, early, peer, .. } = opened;
    let mut exchange = Exchange::new(connection);
    let media = Media::new(job, &peer, early);
    let now = Instant::now();
    let mut playing = Playing {
        session,
        media,
        words,
        limits,
        peer: &peer,
        heard: now,
        underway: Underway::default(),
        pinged: now,
        told_waiting: false,
    };
    let ended = tokio::select! {
        // The stop first: a server that sends without a pause must not hide it.
        biased;
        () = job.stop.stopped() => Ended::stopped(),
        ended = playing.run(&mut exchange, job) => ended,
    };
    // What came last is sent on while the server reads our good-bye.
    let Playing { mut session, media, .. } = playing;
    media.end(ended.reason == Reason::InputEnded);
    session.finish();
    exchange.part(&mut session, LAST_WORDS).await;
    ended
}

struct Playing<'a> {
    session: ClientSession,
    media: Media<'a>,
    words: Arc<Words>,
    limits: &'a Limits,
    peer: &'a str,
    /// When the last byte came.
    heard: Instant,
    underway: Underway,
    pinged: Instant,
    told_waiting: bool,
}

impl Playing<'_> {
    async fn run(&mut self, exchange: &mut Exchange, job: &SourceJob) -> Ended {
        // The answer to play may have come together with media, or with the end.
        if let Some(ended) = self.obey(Instant::now()) {
            return ended;
        }
        let (mut buffer, mut turn) = (vec![0; READ_BYTES], Turn::default());
        let mut ticks = tokio::time::interval((self.limits.pull_idle.min(self.limits.message) / 30).min(LOOK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.reset();
        loop {
            let read = tokio::select! {
                biased;
                _ = ticks.tick() => {
                    if let Some(ended) = self.look(job) {
                        return ended;
                    }
                    continue;
                }
                read = exchange.read(&mut self.session, &mut buffer) => read,
            };
            let bytes = match read {
                Ok(0) => return Ended::network(Reason::Disconnected, "the server closed the connection"),
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) => return verdict::lost(&error),
            };
            self.heard = Instant::now();
            let received = self.session.receive(bytes);
            if let Some(ended) = self.obey(self.heard) {
                return ended;
            }
            if let Err(error) = received {
                return verdict::protocol(&error);
            }
            self.underway.note(self.session.messages(), self.heard);
            turn.over(self.heard).await;
        }
    }

    /// Takes what the server said; `Some` when it is over.
    fn obey(&mut self, arrival: Instant) -> Option<Ended> {
        while let Some(event) = self.session.next_event() {
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
                ClientEvent::ReconnectRequest { description, .. } => {
                    let said = self.words.clean(&description);
                    let text = format!("the server asked us to connect anew ({said})");
                    return Some(Ended::new(Origin::Peer, self.again(), Reason::Disconnected, text));
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
            self.session.ping(0);
        }
        if !self.told_waiting && self.media.silent().is_none() {
            self.told_waiting = true;
            let text = format!("{} accepts; waiting for media", self.peer);
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
