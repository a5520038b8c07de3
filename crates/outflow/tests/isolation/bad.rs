//! Twenty outputs that misbehave in every way the testkit knows, and what the program has to say of each.

use std::collections::BTreeSet;

use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest, Refusing, Setup, Stage};
use outflow_testkit::peers;
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::resolver::Hanging;
use outflow_testkit::tls::Authority;

use crate::program::{PANICS_IN_PUMP, PANICS_IN_SINK};
use crate::said::Told;

/// One of them.
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    url: String,
    /// Every reason to end an attempt that is right: at least one is told, and no other.
    reasons: &'static [&'static str],
    /// Whether it is to be called live at some time.
    live: bool,
    /// The stage at which a time-out is to come.
    times_out_in: Option<&'static str>,
}

impl Bad {
    /// The word.
    pub(crate) fn word(&self) -> String {
        format!("{}:gpac:name={}", self.url, self.name)
    }

    /// Whether what was told of it is right.
    pub(crate) fn judge(&self, told: &[Told]) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{}: {what}: {told:?}", self.name));
        let reasons: BTreeSet<&str> = told.iter().filter_map(|it| it.reason.as_deref()).collect();
        if self.reasons.is_empty() != reasons.is_empty() {
            return wrong("its reasons are there or not as they should not be");
        }
        if let Some(other) = reasons.iter().find(|reason| !self.reasons.contains(reason)) {
            return wrong(&format!("the reason {other} is not one of {:?}", self.reasons));
        }
        if told.iter().any(|it| it.state == "live") != self.live {
            return wrong(if self.live { "it never was live" } else { "it was called live" });
        }
        // The state in which it was when its time was over.
        for pair in told.windows(2).filter(|pair| pair[1].reason.as_deref() == Some("timeout")) {
            if let Some(stage) = self.times_out_in.filter(|stage| pair[0].state != *stage) {
                return wrong(&format!("its time was over in {} and not in {stage}", pair[0].state));
            }
        }
        if told.iter().any(|it| it.state == "failed") {
            return wrong("nobody said that it is final");
        }
        Ok(())
    }
}

/// All of them, with what they need to live.
pub(crate) struct Crowd {
    pub(crate) list: Vec<Bad>,
    /// A server in a process of its own, to be stopped.
    pub(crate) stopped: Child,
    _servers: Vec<Ingest>,
    _refusing: Refusing,
    _authority: Authority,
}

impl Crowd {
    /// Starts them; `rate` is that of the stream, in bytes a second.
    pub(crate) async fn start(rate: u64, resolver: &Hanging) -> Self {
        let refusing = Refusing::new();
        let authority = Authority::new();
        let mut crowd = Builder { list: Vec::new(), servers: Vec::new() };
        crowd.add("refuses-tcp", refusing.url("live/k"), &["connect"], false, None);
        let hangs = resolver.hangs();
        crowd.add(
            "never-resolves",
            "rtmp://nowhere.example/live/k".into(),
            if hangs { &["timeout"] } else { &["resolve", "timeout"] },
            false,
            hangs.then_some("resolving"),
        );

        let mute = |stage| Setup::new([Behaviour::Mute(stage)]);
        for (name, stage) in [
            ("mute-at-accept", Stage::Accept),
            ("mute-at-handshake", Stage::Handshake),
            ("mute-at-connect", Stage::Connect),
        ] {
            crowd.serve(name, mute(stage), &["timeout"], false, Some("handshaking")).await;
        }
        // These two read, and never answer publish: some servers are like that, and it counts as live after a while.
        crowd.serve("mute-at-create", mute(Stage::CreateStream), &[], true, None).await;
        crowd.serve("mute-at-publish", Setup::new([Behaviour::SilentPublish]).without_bodies(), &[], true, None).await;
        let tls = mute(Stage::Accept).tls(&authority.identity(&["localhost"]));
        crowd.serve("mute-at-tls", tls, &["timeout"], false, Some("connecting")).await;

        let refuse = |code| Setup::new([Behaviour::RefusePublish(code)]);
        crowd.serve("refuses-the-key", refuse("NetStream.Publish.Denied"), &["refused"], false, None).await;
        crowd.serve("has-the-name", refuse("NetStream.Publish.BadName"), &["busy"], false, None).await;
        let closes = Setup::new([Behaviour::CloseAfterPublish]);
        crowd.serve("closes-after-publish", closes, &["closed_after_publish"], false, None).await;
        let resets = |seconds| Setup::new([Behaviour::ResetAt(rate * seconds)]).without_bodies();
        crowd.serve("resets-early", resets(2), &["closed_after_publish"], true, None).await;
        // Long after publish it is no refusal any more. On a busy machine the media may come late, but never sooner.
        crowd.serve("resets-late", resets(12), &["disconnected"], true, None).await;
        for (name, stage) in [("garbage-at-accept", Stage::Accept), ("garbage-at-connect", Stage::Connect)] {
            crowd.serve(name, Setup::new([Behaviour::Garbage(stage)]), &["protocol"], false, None).await;
        }

        let slow = |behaviour| Setup::new([behaviour]).receive_buffer(16 << 10).without_bodies();
        crowd.serve("drains-at-1-kilobyte", slow(Behaviour::DrainSlowly(1024)), &["stalled"], true, None).await;
        crowd.serve("stops-reading", slow(Behaviour::StopReading(rate * 2)), &["stalled"], true, None).await;
        let good = || Setup::new([Behaviour::Good]).without_bodies();
        crowd.serve(PANICS_IN_SINK, good(), &["internal"], true, None).await;
        crowd.serve(PANICS_IN_PUMP, good(), &["internal"], true, None).await;

        let port = free_port();
        let url = format!("rtmp://127.0.0.1:{port}/live/k");
        let mut stopped = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .arg("-i")
            .arg(format!("{url}:gpac:rtmp_listen=1"))
            .line("-o null")
            .start();
        peers::wait_listening(port, &mut stopped).await;
        // A stopped process takes connections and no byte: at first it stalls, then its handshake is never answered.
        crowd.add("stopped-process", url, &["stalled", "timeout"], true, Some("handshaking"));
        let Builder { list, servers } = crowd;
        Self { list, stopped, _servers: servers, _refusing: refusing, _authority: authority }
    }
}

struct Builder {
    list: Vec<Bad>,
    servers: Vec<Ingest>,
}

impl Builder {
    fn add(
        &mut self,
        name: &'static str,
        url: String,
        reasons: &'static [&'static str],
        live: bool,
        times_out_in: Option<&'static str>,
    ) {
        self.list.push(Bad { name, url, reasons, live, times_out_in });
    }

    async fn serve(
        &mut self,
        name: &'static str,
        setup: Setup,
        reasons: &'static [&'static str],
        live: bool,
        times_out_in: Option<&'static str>,
    ) {
        let server = setup.start().await;
        self.add(name, server.url("live/k"), reasons, live, times_out_in);
        self.servers.push(server);
    }
}
