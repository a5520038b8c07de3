//! The push: connects to a server, publishes, and hands the connection to the pump. One run is one attempt.

mod dialogue;
mod settings;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outflow_rtmp::session::ClientSession;

use super::{BoxFuture, Sink, SinkJob, SinkKind};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::hub::Cursor;
use crate::monitor::{Event, OutputStats, State};
use crate::net::connection::Connection;
use crate::net::dial::{self, Lookup};
use crate::net::pump::{Attached, Order};
use crate::net::tls::{self, TlsClient};
use crate::node::Node;
use crate::options::rtmp;
use crate::wire::Form;
use dialogue::{Failure, Published};
use settings::Settings;
use verdict::PushLink;

/// `-o rtmp://...` and `-o rtmps://...`.
pub const KIND: SinkKind = SinkKind {
    name: "rtmp_push",
    summary: "publishes to an RTMP server: `-o rtmp://HOST/app/key`, `-o rtmps://HOST/app:key=KEY`",
    options: rtmp::PUSH,
    accepts: |url, listening| !listening && matches!(url.scheme.as_deref(), Some("rtmp" | "rtmps")),
    live: true,
    open,
};

/// Redirects followed in one attempt.
const HOPS: u32 = 3;
/// A server that has not refused and has taken media for so long has accepted: some never say so.
const SILENT_MEDIA: Duration = Duration::from_secs(5);
/// How often a server that stays silent is looked at.
const SILENT_LOOK: Duration = Duration::from_millis(200);
/// A close without a word this soon after publish is how many servers refuse a key.
const TELLING: Duration = Duration::from_secs(10);

fn open(node: &Node) -> Result<Box<dyn Sink>, SpecError> {
    Ok(Box::new(RtmpPush { settings: settings::read(node)?, lookup: Lookup::default(), proven: false }))
}

struct RtmpPush {
    settings: Settings,
    /// At most one look-up is under way; one that hangs outlives the attempt.
    lookup: Lookup,
    /// The server has once taken media for long enough: its key is right, and a close is no refusal.
    proven: bool,
}

impl Sink for RtmpPush {
    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let published = tokio::select! {
                biased;
                // While nothing is published there is nobody to say good-bye to.
                () = job.stop.stopped() => return Ended::stopped(),
                published = self.publish(&job) => published,
            };
            match published {
                Ok((connection, published)) => self.send(&job, connection, published).await,
                Err(ended) => ended,
            }
        })
    }
}

impl RtmpPush {
    /// Connects and publishes, wherever the server sends us.
    async fn publish(&mut self, job: &SinkJob) -> Result<(Connection, Published), Ended> {
        let mut destination = self.settings.destination.clone();
        let mut home: Option<Vec<SocketAddr>> = None;
        for hops in 0..=HOPS {
            let peer = destination.shown();
            job.progress.enter(State::Resolving);
            let mut addresses = self.lookup.resolve(&*job.env.resolver, &destination.host, destination.port).await?;
            match &home {
                None => home = Some(addresses.clone()),
                Some(home) => addresses = settings::allowed(home, addresses),
            }
            if addresses.is_empty() {
                return Err(redirect_refused("into the local network"));
            }
            job.progress.enter(State::Connecting);
            let tcp = dial::connect(&addresses, &self.settings.dial, &peer).await?;
            let mut connection = match destination.tls {
                false => Connection::Plain(tcp),
                true => tls::connect(tcp, self.trust()?, &destination.host, &peer).await?,
            };
            job.progress.enter(State::Handshaking);
            let session = ClientSession::new(self.settings.session(&destination, hops));
            match dialogue::publish(&mut connection, session, &job.progress, &self.settings.words).await {
                Ok(published) => return Ok((connection, published)),
                Err(Failure::Ended(ended)) => return Err(ended),
                Err(Failure::Redirected(redirect)) => {
                    destination = destination.redirected(&redirect).map_err(redirect_refused)?;
                    let text = format!("{peer} sends us on to {}", destination.shown());
                    (job.events)(Event::Note { who: job.name.clone(), text });
                }
            }
        }
        Err(redirect_refused("again and again"))
    }

    /// What we trust; read now only if it was a redirect that led to TLS.
    fn trust(&mut self) -> Result<TlsClient, Ended> {
        if self.settings.tls.is_none() {
            let made = tls::client_config(None);
            self.settings.tls = Some(made.map_err(|text| Ended::network(Reason::Tls, text))?);
        }
        self.settings.tls.clone().ok_or_else(|| Ended::internal("no TLS"))
    }

    /// Hands the connection to the pump, and waits for its end.
    async fn send(&mut self, job: &SinkJob, connection: Connection, published: Published) -> Ended {
        let (asked, mut accepted) = (published.asked, published.accepted);
        job.progress.enter(if accepted { State::Live } else { State::Publishing });
        let spoken = Arc::new(AtomicBool::new(false));
        let before = OutputStats::get(&job.stats.bytes);
        let _connected = Connected::new(&job.stats);
        let mut attached = self.attach(job, connection, published.session, spoken.clone());
        let mut stopping = false;
        let mut taking_since = None;
        let mut look = tokio::time::interval(SILENT_LOOK);
        let ended = loop {
            tokio::select! {
                ended = &mut attached => break ended,
                () = job.stop.stopped(), if !stopping => {
                    stopping = true;
                    attached.finish();
                }
                now = look.tick(), if !accepted => {
                    if OutputStats::get(&job.stats.bytes) == before {
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
        if stopping && (ended.is_clean() || ended.reason == Reason::Disconnected) {
            // A server that closes first when it is told good-bye does no wrong.
            return Ended::stopped();
        }
        self.proven |= asked.elapsed() >= TELLING;
        if ended.reason == Reason::Disconnected && !self.proven && !spoken.load(Ordering::Relaxed) {
            return verdict::after_publish("closed the connection");
        }
        ended
    }

    fn attach(
        &self,
        job: &SinkJob,
        connection: Connection,
        session: ClientSession,
        spoken: Arc<AtomicBool>,
    ) -> Attached {
        let settings = &self.settings;
        job.stream.hub().keep_at_least(settings.max_lag + settings.delay);
        let order = Order {
            stream: job.stream.clone(),
            cursor: Cursor::new(settings.start, settings.max_lag, settings.delay),
            form: Form::Publish,
            stream_id: session.stream_id().unwrap_or(1),
            chunk_size: session.chunk_size(),
            tracks: settings.tracks.clone(),
            latency: settings.latency,
            patience: None,
            stats: job.stats.clone(),
            events: job.events.clone(),
            output: job.name.clone(),
            peer: None,
        };
        let link = PushLink { session, words: settings.words.clone(), spoken };
        job.env.pumps.attach(connection, Box::new(link), order)
    }
}

fn redirect_refused(whither: &str) -> Ended {
    let text = format!("the server sends us {whither}, which is not followed");
    Ended::new(Origin::Peer, Retry::Slow, Reason::Refused, text)
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
