//! From one server to another without a gap: the new connection is made while the old one is read on, and takes its place
//! where both have the same pictures (Enhanced RTMP v2 "Reconnect Request").

use std::sync::Arc;
use std::time::Duration;

use outflow_rtmp::Secret;
use outflow_rtmp::session::{ClientEvent, ClientSession, Stage};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::LAST_WORDS;
use super::held::Held;
use crate::client::settings::Destination;
use crate::client::verdict::{self, Words};
use crate::client::{Client, Opened, Watcher};
use crate::error::{Ended, Reason};
use crate::monitor::{Event, State};
use crate::net::BoxFuture;
use crate::net::exchange::Exchange;
use crate::source::SourceJob;

/// From one move to the next: a server that asks at each connection must not send us round and round.
const APART: Duration = Duration::from_secs(10);
/// How long the other connection may take, and then its first key frame.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 128 * 1024;

/// A connection that plays.
pub(super) struct Line {
    pub(super) exchange: Exchange,
    pub(super) session: ClientSession,
    pub(super) peer: String,
    pub(super) destination: Destination,
}

/// Where the server wants us to go.
pub(super) struct MoveTo {
    pub(super) tc_url: Option<Secret>,
    /// The server's words, fit to be shown.
    pub(super) why: String,
}

type Opening = BoxFuture<'static, Result<Opened, Ended>>;

/// A connection whose media is held until it can take over.
pub(super) struct Next {
    pub(super) line: Line,
    pub(super) held: Held,
    buffer: Vec<u8>,
    until: Instant,
}

/// How far a move has come: one at a time.
#[derive(Default)]
pub(super) struct Moving {
    /// Asked for, and not begun.
    pub(super) asked: Option<MoveTo>,
    opening: Option<Opening>,
    pub(super) next: Option<Next>,
    leaving: Option<BoxFuture<'static, ()>>,
}

/// What happened.
pub(super) enum Step {
    /// The new server has accepted.
    Opened(Box<Opened>),
    /// It has sent something.
    Heard,
    /// The new connection came to nothing.
    Failed(Ended),
    /// The old server was told good-bye, and another move may begin.
    Left,
}

impl Moving {
    /// True if a connection is on its way that may take over.
    pub(super) fn is_under_way(&self) -> bool {
        self.asked.is_some() || self.opening.is_some() || self.next.is_some()
    }

    /// Begins what was asked for, unless another move is not over yet.
    pub(super) fn begin(&mut self, client: &Arc<Mutex<Client>>, from: &Destination, job: &SourceJob) {
        if self.opening.is_some() || self.next.is_some() || self.leaving.is_some() {
            return;
        }
        let Some(to) = self.asked.take() else { return };
        let quiet = Quiet { job: (job.events.clone(), job.name.clone()) };
        let there = to.tc_url.as_ref().map_or("itself again", |_| "another server");
        quiet.note(format!("the server asks us to connect anew, to {there} ({})", to.why));
        let (client, from, resolver, hops) = (client.clone(), from.clone(), job.env.resolver.clone(), job.feed.marks());
        self.opening = Some(Box::pin(async move {
            let mut client = client.lock().await;
            let opening = client.reopen(&from, to.tc_url.as_ref().map(Secret::expose), &*resolver, &quiet, &hops);
            let late = || Err(Ended::network(Reason::Timeout, "it does not answer"));
            tokio::time::timeout(PATIENCE, opening).await.unwrap_or_else(|_| late())
        }));
    }

    /// The new connection, whose media is to be held from now on.
    pub(super) fn hold(&mut self, opened: Opened, words: &Words) -> Result<(), Ended> {
        let Opened { connection, session, early, peer, destination, .. } = opened;
        let mut held = Held::default();
        early.into_iter().for_each(|message| held.push(message));
        let line = Line { exchange: Exchange::new(connection), session, peer, destination };
        let mut next = Next { line, held, buffer: vec![0; READ_BYTES], until: Instant::now() + PATIENCE };
        let listened = next.listen(words);
        self.next = Some(next);
        listened
    }

    /// The old connection has been replaced: it is told good-bye. No other move begins before [`APART`] is over.
    pub(super) fn leave(&mut self, mut old: Line) {
        old.session.finish();
        self.leaving = Some(Box::pin(async move {
            tokio::join!(old.exchange.part(&mut old.session, LAST_WORDS), tokio::time::sleep(APART));
        }));
    }

    /// The next thing to happen; never, if nothing is under way. May be dropped and called again without loss.
    pub(super) async fn step(&mut self, words: &Words) -> Step {
        if let Some(opening) = &mut self.opening {
            let opened = opening.await;
            self.opening = None;
            return match opened {
                Ok(opened) => Step::Opened(Box::new(opened)),
                Err(ended) => Step::Failed(ended),
            };
        }
        if let Some(next) = &mut self.next {
            return match next.read(words).await {
                Ok(()) => Step::Heard,
                Err(ended) => {
                    self.next = None;
                    Step::Failed(ended)
                }
            };
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.await;
            self.leaving = None;
            return Step::Left;
        }
        std::future::pending().await
    }
}

impl Next {
    async fn read(&mut self, words: &Words) -> Result<(), Ended> {
        let Self { line, buffer, until, .. } = self;
        let reading = line.exchange.read(&mut line.session, buffer);
        let Ok(read) = tokio::time::timeout_at(*until, reading).await else {
            return Err(Ended::network(Reason::Timeout, "it sends nothing to go on with"));
        };
        let bytes = match read {
            Ok(0) => return Err(Ended::network(Reason::Disconnected, "it closed the connection")),
            Ok(read) => self.buffer.get(..read).unwrap_or_default(),
            Err(error) => return Err(verdict::lost(&error)),
        };
        let received = self.line.session.receive(bytes);
        self.listen(words)?;
        received.map_err(|error| verdict::protocol(&error))
    }

    fn listen(&mut self, words: &Words) -> Result<(), Ended> {
        while let Some(event) = self.line.session.next_event() {
            match event {
                ClientEvent::Media(message) => self.held.push(message),
                ClientEvent::StreamEof => return Err(Ended::network(Reason::InputEnded, "it ended the broadcast")),
                ClientEvent::Ended { code, description } => {
                    return Err(verdict::refused(Stage::Over, &code, &description, words));
                }
                ClientEvent::Refused(refusal) => {
                    return Err(verdict::refused(refusal.stage, &refusal.code, &refusal.description, words));
                }
                _ => {}
            }
        }
        match self.held.is_full() {
            true => Err(Ended::network(Reason::Timeout, "it sends too much without anything to go on with")),
            false => Ok(()),
        }
    }
}

/// Passes on what there is to know of the new connection; the old one's deadlines go on.
struct Quiet {
    job: (crate::monitor::Sink, String),
}

impl Watcher for Quiet {
    fn enter(&self, _state: State) {}

    fn note(&self, text: String) {
        let (events, who) = &self.job;
        events(Event::Note { who: who.clone(), text });
    }
}
