//! Dialling an RTMP server, to publish or to play: from the name to the accepted request, redirects and TLS included.

mod destination;
mod dialogue;
pub mod greet;
pub mod settings;
pub mod verdict;

use std::net::SocketAddr;
use std::time::Instant;

use outflow_rtmp::auth::Login;
use outflow_rtmp::message::Message;
use outflow_rtmp::session::ClientSession;

use crate::error::{Ended, Origin, Reason, Retry};
use crate::monitor::State;
use crate::net::connection::Connection;
use crate::net::dial::{self, Lookup, Resolver};
use crate::net::tls::{self, TlsClient};
use dialogue::Failure;
use settings::{Destination, Settings};

/// Redirects followed in one attempt.
const REDIRECTS: u32 = 3;
/// Connections that a login takes before the one that is accepted: the server asks for the user, then for the proof.
const LOGINS: u32 = 2;

/// One server, dialled again and again.
pub struct Client {
    /// What was asked for.
    pub settings: Settings,
    /// At most one look-up is under way; one that hangs outlives the attempt.
    lookup: Lookup,
    /// The addresses of the server that the URL names, as of the last attempt.
    home: Vec<SocketAddr>,
}

/// A connection on which media may flow.
pub struct Opened {
    /// The connection.
    pub connection: Connection,
    /// Its session: the request is granted, or was not answered.
    pub session: ClientSession,
    /// False where the server has not said yes.
    pub accepted: bool,
    /// When publish or play was asked for.
    pub asked: Instant,
    /// Data messages that came before the server said yes.
    pub early: Vec<Message>,
    /// Host and port of the server, as errors show them.
    pub peer: String,
    /// The server that it is: not the one of the URL, if that has sent us on.
    pub destination: Destination,
}

/// Who wants to know how far an attempt has come.
pub trait Watcher: Sync {
    /// The attempt has come to `Resolving`, `Connecting`, `Handshaking` or `Publishing` (publish or play was asked for).
    fn enter(&self, state: State);
    /// Something to know that is no failure.
    fn note(&self, text: String);
}

impl Client {
    /// A client that has not dialled yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, lookup: Lookup::default(), home: Vec::new() }
    }

    /// Connects and asks, wherever the server sends us, and logs in where it asks for that; `hops` tell it of loops. Sets no
    /// deadlines; may be dropped at any time.
    pub async fn open(
        &mut self,
        resolver: &dyn Resolver,
        watcher: &dyn Watcher,
        hops: &[String],
    ) -> Result<Opened, Ended> {
        let destination = self.settings.destination.clone();
        self.home.clear();
        self.dial(destination, 0, resolver, watcher, hops).await
    }

    /// The same once more, where a server wants us to go that we are connected to (Enhanced RTMP v2 "Reconnect Request"):
    /// to `tc_url`, or to itself again. Where that leads is bounded as for redirects.
    pub async fn reopen(
        &mut self,
        from: &Destination,
        tc_url: Option<&str>,
        resolver: &dyn Resolver,
        watcher: &dyn Watcher,
        hops: &[String],
    ) -> Result<Opened, Ended> {
        let there = from.moved(tc_url).map_err(redirect_refused)?;
        let redirects = u32::from(there.host != self.settings.destination.host);
        self.dial(there, redirects, resolver, watcher, hops).await
    }

    async fn dial(
        &mut self,
        mut destination: Destination,
        mut redirects: u32,
        resolver: &dyn Resolver,
        watcher: &dyn Watcher,
        hops: &[String],
    ) -> Result<Opened, Ended> {
        let mut login = self.settings.login().filter(|_| redirects == 0);
        for _ in 0..=REDIRECTS + LOGINS {
            let peer = destination.shown();
            watcher.enter(State::Resolving);
            let mut addresses = self.lookup.resolve(resolver, &destination.host, destination.port).await?;
            match redirects {
                0 => self.home.clone_from(&addresses),
                _ => addresses = destination::allowed(&self.home, addresses),
            }
            if addresses.is_empty() {
                return Err(redirect_refused("into the local network"));
            }
            watcher.enter(State::Connecting);
            let tcp = dial::connect(&addresses, &self.settings.dial, &peer).await?;
            let mut connection = match destination.tls {
                false => Connection::Plain(tcp),
                true => tls::connect(tcp, self.trust()?, &destination.host, &peer).await?,
            };
            watcher.enter(State::Handshaking);
            let mut config = self.settings.session(&destination, redirects, hops);
            config.auth = login.as_ref().and_then(Login::query).cloned();
            let session = ClientSession::new(config);
            match dialogue::open(&mut connection, session, watcher, &self.settings.words).await {
                Ok(granted) => {
                    let dialogue::Granted { session, accepted, asked, early } = granted;
                    return Ok(Opened { connection, session, accepted, asked, early, peer, destination });
                }
                Err(Failure::Ended(ended)) => return Err(ended),
                Err(Failure::Redirected(redirect)) => {
                    redirects += 1;
                    if redirects > REDIRECTS {
                        break;
                    }
                    let there = destination.redirected(&redirect).map_err(redirect_refused)?;
                    // Who we are is for the server that the URL names: with what is sent, passwords can be guessed.
                    login = login.filter(|_| there.host == destination.host);
                    destination = there;
                    watcher.note(format!("{peer} sends us on to {}", destination.shown()));
                }
                Err(Failure::Login(demand)) => {
                    let login = login.as_mut().ok_or_else(verdict::user_wanted)?;
                    settings::answer(login, &demand, &destination.target.app).map_err(verdict::login)?;
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
}

fn redirect_refused(whither: &str) -> Ended {
    let text = format!("the server sends us {whither}, which is not followed");
    Ended::new(Origin::Peer, Retry::Slow, Reason::Refused, text)
}

#[cfg(test)]
#[path = "client/redirect_tests.rs"]
mod redirect_tests;
