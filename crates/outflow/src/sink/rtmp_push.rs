//! The push: connects to a server, publishes, and hands the connection to the pump. One run is one attempt.

mod fits;
mod link;
mod moving;
mod settings;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outflow_rtmp::session::{ClientSession, Role};
use tokio::sync::Mutex;

use super::{BoxFuture, Sink, SinkJob, SinkKind};
use crate::client::settings::Destination;
use crate::client::verdict::{self, Words};
use crate::client::{self, Client, Opened, Watcher};
use crate::error::{Ended, Reason, SpecError};
use crate::hub::{Cursor, Start};
use crate::monitor::{Event, OutputStats, State};
use crate::net::connection::Connection;
use crate::net::pump::Order;
use crate::node::Node;
use crate::options::rtmp;
use crate::stream::{Selection, Stream};
use crate::wire::Form;
use link::{MoveTo, PushLink, Said};
use moving::{APART, Line, Moving, Opening, Quiet, Step};
use settings::Settings;

/// `-o rtmp://...` and `-o rtmps://...`.
pub const KIND: SinkKind = SinkKind {
    name: "rtmp_push",
    summary: "publishes to an RTMP server: `-o rtmp://HOST/app/key`, `-o rtmps://HOST/app:key=KEY`",
    options: rtmp::PUSH,
    accepts: |url, listening| !listening && matches!(url.scheme.as_deref(), Some("rtmp" | "rtmps")),
    live: true,
    open,
};

/// A server that has not refused and has taken media for so long has accepted: some never say so.
const SILENT_MEDIA: Duration = Duration::from_secs(5);
/// How often a server that stays silent is looked at.
const SILENT_LOOK: Duration = Duration::from_millis(200);
/// A close without a word this soon after publish is how many servers refuse a key.
const TELLING: Duration = Duration::from_secs(10);

/// How long another connection may take that a server has asked for.
const MOVE_PATIENCE: Duration = Duration::from_secs(30);
/// The key frame that made the input ready is still the one to begin with if it is no older.
const FRESH: Duration = Duration::from_secs(1);

fn open(node: &Node) -> Result<Box<dyn Sink>, SpecError> {
    let client = Client::new(client::settings::read(node, Role::Publish)?);
    let words = client.settings.words.clone();
    let client = Arc::new(Mutex::new(client));
    Ok(Box::new(RtmpPush { client, words, settings: settings::read(node)?, selected: None, proven: false }))
}

struct RtmpPush {
    /// Dials one connection at a time.
    client: Arc<Mutex<Client>>,
    words: Arc<Words>,
    settings: Settings,
    selected: Option<Arc<Stream>>,
    /// The server has once taken media for long enough: its key is right, and a close is no refusal.
    proven: bool,
}

impl Sink for RtmpPush {
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let told = Told(&job);
            // Taken now: a key frame that comes while we connect is one to begin with.
            let stream = self.select(&job.stream).await;
            let mark = stream.hub().next_entry(Instant::now(), FRESH);
            let hops = job.stream.hops();
            let client = self.client.clone();
            let mut client = client.lock().await;
            client.settings.limits.clone_from(&job.env.limits.get().rtmp);
            let opened = tokio::select! {
                biased;
                // While nothing is published there is nobody to say good-bye to.
                () = job.stop.stopped() => return Ended::stopped(),
                opened = client.open(&*job.env.resolver, &told, &hops) => opened,
            };
            drop(client);
            match opened {
                Ok(opened) => self.send(&job, stream, opened, mark).await,
                Err(ended) => ended,
            }
        })
    }
}

impl RtmpPush {
    /// What is sent of a stream. It is kept between attempts too: what is made for this output goes on.
    async fn select(&mut self, stream: &Arc<Stream>) -> Arc<Stream> {
        let selection = self.settings.selection.clone();
        let selected = if selection.is_all() {
            stream.clone()
        } else {
            // What the stream still has may be much, where outputs are held back.
            let (whole, again) = (stream.clone(), selection.clone());
            let made = tokio::task::spawn_blocking(move || whole.select(&selection)).await;
            made.unwrap_or_else(|_| stream.select(&again))
        };
        selected.hub().keep_at_least(self.settings.max_lag + self.settings.delay);
        self.selected = Some(selected.clone());
        selected
    }

    /// Hands the connection to the pump, and waits for its end.
    async fn send(&mut self, job: &SinkJob, mut stream: Arc<Stream>, opened: Opened, mark: u64) -> Ended {
        let Opened { connection, session, mut accepted, asked, mut destination, .. } = opened;
        // Live is when bytes of media leave, not before.
        job.progress.enter(if accepted { State::WaitingInput } else { State::Publishing });
        let mut sending = false;
        let before = OutputStats::get(&job.stats.packets);
        let _connected = Connected::new(&job.stats);
        let mut line = self.attach(job, &stream, connection, session, Some(mark));
        let mut moving = Moving::default();
        let mut switches = job.switches.clone();
        let mut stopping = false;
        let mut taking_since = None;
        let mut look = tokio::time::interval(SILENT_LOOK);
        let ended = loop {
            tokio::select! {
                ended = &mut line.attached => match moving.next.take() {
                    // It went before the other one had begun.
                    Some((next, there)) => (line, destination) = (next, there),
                    None => break ended,
                },
                asked = line.said.move_asked(), if !stopping && moving.is_over() => {
                    let there = asked.tc_url.as_ref().map_or("itself again", |_| "another server");
                    Told(job).note(format!("the server asks us to connect anew, to {there} ({})", asked.why));
                    moving.opening = Some(self.reopen(job, &stream, &destination, asked));
                }
                step = moving.step(), if !stopping => match step {
                    Step::Opened(opened) => {
                        let Opened { connection, session, destination, .. } = *opened;
                        moving.next = Some((self.attach(job, &stream, connection, session, None), destination));
                    }
                    Step::Begun(next, there) => {
                        destination = there;
                        let old = std::mem::replace(&mut line, next);
                        old.attached.finish();
                        moving.leave(old.attached, APART);
                    }
                    Step::Failed(ended) => Told(job).note(format!("the other connection failed: {}", ended.text)),
                    Step::Left => {}
                },
                () = job.stop.stopped(), if !stopping => {
                    stopping = true;
                    line.attached.finish();
                }
                next = switches.next(), if !stopping => {
                    stream = self.select(&next).await;
                    stream.hub().keep_at_least(self.settings.max_lag + self.settings.delay);
                    // With the cached group of pictures, or with the next: as it is said for the first.
                    let fresh = if self.settings.start == Start::Next { FRESH } else { Duration::MAX };
                    moving.next = None;
                    line.doubt(job, &stream, &self.settings.selection);
                    line.attached.switch(stream.clone(), fresh);
                }
                now = look.tick(), if !accepted || !sending => {
                    if OutputStats::get(&job.stats.packets) == before {
                        continue;
                    }
                    sending = true;
                    line.doubt(job, &stream, &self.settings.selection);
                    if accepted {
                        job.progress.enter(State::Live);
                        continue;
                    }
                    let since = *taking_since.get_or_insert_with(|| {
                        // Its deadline begins with the first media: a group of pictures may last as long as it does.
                        job.progress.enter(State::Publishing);
                        now
                    });
                    if now.duration_since(since) >= SILENT_MEDIA {
                        accepted = true;
                        job.progress.enter(State::Live);
                    }
                }
            }
        };
        if accepted && !sending && OutputStats::get(&job.stats.packets) != before {
            job.progress.enter(State::Live);
        }
        if stopping && (ended.is_clean() || ended.reason == Reason::Disconnected) {
            // A server that closes first when it is told good-bye does no wrong.
            return Ended::stopped();
        }
        // It may have ended before anybody looked.
        line.doubt(job, &stream, &self.settings.selection);
        self.proven |= asked.elapsed() >= TELLING;
        if ended.reason == Reason::Disconnected && !self.proven && !line.said.spoken.load(Ordering::Relaxed) {
            return line.doubtful(verdict::after_publish("closed the connection"));
        }
        line.doubtful(ended)
    }

    /// Connects once more while the connection in use goes on.
    fn reopen(&self, job: &SinkJob, stream: &Arc<Stream>, from: &Destination, to: MoveTo) -> Opening {
        let (client, from, resolver) = (self.client.clone(), from.clone(), job.env.resolver.clone());
        let (hops, quiet) = (stream.hops(), Quiet { events: job.events.clone(), name: job.name.clone() });
        Box::pin(async move {
            let mut client = client.lock().await;
            let tc_url = to.tc_url.as_ref().map(outflow_rtmp::Secret::expose);
            let opening = client.reopen(&from, tc_url, &*resolver, &quiet, &hops);
            match tokio::time::timeout(MOVE_PATIENCE, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(Ended::network(Reason::Timeout, "it does not answer")),
            }
        })
    }

    /// Hands a connection to the pump: the first one of an attempt begins as the settings say, from `mark` on; one that
    /// takes the place of another at the next key frame.
    fn attach(
        &self,
        job: &SinkJob,
        stream: &Arc<Stream>,
        connection: Connection,
        session: ClientSession,
        mark: Option<u64>,
    ) -> Line {
        let settings = &self.settings;
        stream.hub().keep_at_least(settings.max_lag + settings.delay);
        let order = Order {
            stream: stream.clone(),
            cursor: match (mark, settings.start) {
                (None, _) => {
                    let next = stream.hub().next_entry(Instant::now(), Duration::ZERO);
                    Cursor::since(next, settings.max_lag, settings.delay)
                }
                (Some(mark), Start::Next) => Cursor::since(mark, settings.max_lag, settings.delay),
                (Some(_), start) => Cursor::new(start, settings.max_lag, settings.delay),
            },
            form: Form::Publish,
            stream_id: session.stream_id().unwrap_or(1),
            chunk_size: session.chunk_size(),
            latency: settings.latency,
            share: settings.share,
            patience: None,
            stats: job.stats.clone(),
            events: job.events.clone(),
            output: job.name.clone(),
            peer: None,
        };
        let said = Arc::<Said>::default();
        let peer = Box::new(session.peer_capabilities().clone());
        let link = PushLink { session, words: self.words.clone(), said: said.clone() };
        let attached = job.env.pumps.attach(connection, Box::new(link), order);
        let mut line = Line { attached, said, peer, doubts: Vec::new() };
        line.doubt(job, stream, &settings.selection);
        line
    }
}

impl Line {
    /// Tells what of the stream does not fit what the server has announced, and what it lacks that is asked for, each once.
    fn doubt(&mut self, job: &SinkJob, stream: &Arc<Stream>, selection: &Selection) {
        let headers = stream.headers();
        let missing = fits::missing(&stream.select(&Selection::default()).headers(), selection);
        for text in fits::misfits(&self.peer, &headers).into_iter().chain(missing) {
            if !self.doubts.contains(&text) {
                (job.events)(Event::Warning { who: job.name.clone(), text: text.clone() });
                self.doubts.push(text);
            }
        }
    }

    /// The end of a connection, with what may well be why.
    fn doubtful(&self, mut ended: Ended) -> Ended {
        let by_media = matches!(
            ended.reason,
            Reason::Disconnected
                | Reason::ClosedAfterPublish
                | Reason::Refused
                | Reason::CodecRefused
                | Reason::Stalled
        );
        if let (Some(doubt), true, false) = (self.doubts.first(), by_media, ended.is_clean()) {
            ended.text = format!("{}; {doubt}", ended.text);
        }
        ended
    }
}

/// Shows the supervisor how far the client has come.
struct Told<'a>(&'a SinkJob);

impl Watcher for Told<'_> {
    fn enter(&self, state: State) {
        self.0.progress.enter(state);
    }

    fn note(&self, text: String) {
        (self.0.events)(Event::Note { who: self.0.name.clone(), text });
    }
}

/// Counts a connection as long as it lives.
struct Connected(Arc<OutputStats>);

impl Connected {
    fn new(stats: &Arc<OutputStats>) -> Self {
        stats.connections.fetch_add(1, Ordering::Relaxed);
        Self(stats.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "rtmp_push/tests.rs"]
mod tests;
