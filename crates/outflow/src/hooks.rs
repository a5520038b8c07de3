//! Hooks: the outside asked over HTTP whether a peer may come in, asked for outputs, and told who left and of alerts.
//!
//! A call is bounded in every way: its time, its answer, how many run at once, and how long a server that does not answer
//! is asked again. What a failure means is the hook's own setting.

mod breaker;
mod form;
mod line;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::config::Hook;
use crate::monitor::alerts::Change;
use crate::monitor::{self, Event};
use crate::net::dial::Resolver;
use crate::net::http_client::Answer;
use crate::net::tls::TlsClient;
use crate::secret::Secret;
use form::{Body, Judged};
use line::{Kind, Line};

/// How long a server that failed again and again is left alone.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// Before a further call, when one has failed.
const PAUSE: Duration = Duration::from_millis(200);
/// URLs whose state is kept; a configuration has fewer.
const MOST_LINES: usize = 256;

/// What a hook is called about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A publisher came.
    Publish,
    /// A player came.
    Play,
    /// A publisher left.
    PublishDone,
    /// A player left.
    PlayDone,
    /// A publisher was let in: where is its stream to be sent?
    Forward,
}

/// What a hook is told about a peer.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is about.
    pub action: Action,
    /// The peer's number.
    pub client_id: String,
    /// The peer's address.
    pub ip: IpAddr,
    /// The app of the stream's public id.
    pub app: String,
    /// The name of the stream's public id.
    pub stream: String,
    /// What followed the `?` of the stream name, as the peer sent it.
    pub query: Secret,
    /// The peer's `tcUrl`.
    pub tc_url: Secret,
    /// The peer's `flashVer`.
    pub flash_ver: String,
    /// The peer's `swfUrl`.
    pub swf_url: String,
    /// The peer's `pageUrl`.
    pub page_url: String,
}

/// What a hook decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Allow,
    /// Kept out.
    Refuse {
        /// Why, for the peer and the log: it names no URL and holds no secret.
        text: String,
    },
}

/// Calls hooks. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    resolver: Arc<dyn Resolver>,
    tls: Option<TlsClient>,
    events: monitor::Sink,
    /// Where calls run that nobody waits for.
    runtime: Handle,
    /// SRS's `server_id`: new with every start.
    server_id: String,
    lines: Mutex<HashMap<Secret, Arc<Line>>>,
    open_for: Duration,
}

impl Caller {
    /// A caller whose hooks of [`Caller::tell`] run on `runtime`. `tls` is what is trusted; the system's roots if `None`.
    pub fn new(resolver: Arc<dyn Resolver>, tls: Option<TlsClient>, events: monitor::Sink, runtime: Handle) -> Self {
        Self::with(resolver, tls, events, runtime, OPEN_FOR)
    }

    fn with(
        resolver: Arc<dyn Resolver>,
        tls: Option<TlsClient>,
        events: monitor::Sink,
        runtime: Handle,
        open_for: Duration,
    ) -> Self {
        let mut random = [0; 8];
        // Without randomness it is a name that others may have too, which harms nobody.
        let _ = getrandom::fill(&mut random);
        let server_id = format!("vid-{:016x}", u64::from_be_bytes(random));
        Self(Arc::new(Inner { resolver, tls, events, runtime, server_id, lines: Mutex::default(), open_for }))
    }

    /// Asks whether a peer may come in. May be dropped at any time; it takes `(retries + 1) * timeout` and the pauses
    /// between at most.
    pub async fn ask(&self, hook: &Hook, asked: &Asked) -> Verdict {
        let body = form::body(hook.form, asked, &self.0.server_id);
        let judged = match self.call(hook, body, Kind::Ask).await {
            Ok(answer) => form::verdict(hook.form, &answer),
            Err(failure) => Judged::Failed(failure),
        };
        match judged {
            Judged::Allowed => Verdict::Allow,
            Judged::Refused(text) => Verdict::Refuse { text },
            Judged::Failed(_) if hook.allow_on_failure => Verdict::Allow,
            Judged::Failed(text) => Verdict::Refuse { text },
        }
    }

    /// Tells that a peer has left; returns at once. The call runs by itself; where too many wait already it is left out,
    /// which is reported.
    pub fn tell(&self, hook: &Hook, asked: Asked) {
        let body = form::body(hook.form, &asked, &self.0.server_id);
        self.tell_of(hook, body, false, "the end of a peer");
    }

    /// Tells of an alert that was raised or cleared; returns at once, as [`Caller::tell`] does. Alerts are told one after
    /// the other, in their order. Called from the runtime that calls run on, or that order is left to chance.
    pub fn alert(&self, hook: &Hook, app: &str, stream: &str, change: &Change) {
        let body = form::alert(hook.form, app, stream, change, &self.0.server_id);
        self.tell_of(hook, body, true, "an alert");
    }

    fn tell_of(&self, hook: &Hook, body: Body, in_order: bool, what: &str) {
        let line = self.line(&hook.url);
        let Some(place) = Line::queue(&line) else {
            let text = format!("too many calls wait for the hook already: {what} was not told");
            return (self.0.events)(Event::Warning { who: "hook".into(), text });
        };
        let (caller, hook) = (self.clone(), hook.clone());
        self.0.runtime.spawn(async move {
            let turn = if in_order { Some(line.in_order().await) } else { None };
            // What goes wrong was reported, and there is nothing to decide.
            let _ = caller.call(&hook, body, Kind::Tell).await;
            drop((turn, place));
        });
    }

    /// Asks where a stream is to be sent: URLs with all that they hold, in the order of the answer.
    ///
    /// # Errors
    /// What went wrong, as a sentence; it holds no secret.
    pub async fn forward(&self, hook: &Hook, asked: &Asked) -> Result<Vec<Secret>, String> {
        let body = form::body(hook.form, asked, &self.0.server_id);
        form::outputs(hook.form, &self.call(hook, body, Kind::Ask).await?)
    }

    /// One question with its retries; the answer may be anything but a 5xx. The error says why there is none.
    async fn call(&self, hook: &Hook, (content_type, body): Body, kind: Kind) -> Result<Answer, String> {
        let line = self.line(&hook.url);
        let mut last = String::new();
        for attempt in 0..=hook.retries {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let request = line::Request { content_type, body: body.clone(), timeout: hook.timeout, kind };
            let called = line.call(&*self.0.resolver, self.0.tls.clone(), request, self.0.open_for).await;
            if let Some(text) = called.report {
                let who = "hook".to_owned();
                (self.0.events)(match called.answer {
                    Ok(_) => Event::Note { who, text },
                    Err(_) => Event::Warning { who, text: format!("{text}{}", meanwhile(hook, kind)) },
                });
            }
            match called.answer {
                Ok(answer) => return Ok(answer),
                Err(text) => last = text,
            }
            if called.hopeless {
                break;
            }
        }
        Err(last)
    }

    fn line(&self, url: &Secret) -> Arc<Line> {
        let mut lines = self.0.lines.lock();
        if let Some(line) = lines.get(url) {
            return line.clone();
        }
        if lines.len() >= MOST_LINES {
            // Those of configurations that are gone.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = Arc::new(Line::new(url));
        lines.insert(url.clone(), line.clone());
        line
    }
}

fn meanwhile(hook: &Hook, kind: Kind) -> &'static str {
    match (kind, hook.allow_on_failure) {
        (Kind::Tell, _) => "",
        (Kind::Ask, true) => "; who would need its word is let in (on_failure is allow)",
        (Kind::Ask, false) => "; who needs its word is refused",
    }
}
