//! The gate of the relay: who may publish and who may play, decided before the peer is told anything.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use outflow_rtmp::session::ConnectRequest;

use super::login::is_one_of;
use super::{Around, Fault, Relay};
use crate::config::{Missing, Network, StreamId, StreamRule};
use crate::hooks::Action;
use crate::monitor::{self, Event};
use crate::net::BoxFuture;
use crate::registry::{Admitted, Ask, Gate, PlayOffer, PublishSlot, Refusal, Turned};
use crate::secret::Secret;

const DENIED: &str = "NetStream.Publish.Denied";
const NO_PLAY: &str = "NetStream.Play.Failed";
const NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
const NO_LOGIN: &str = "it has not logged in as a user of this stream";

/// The gate of a relay, for its listeners.
pub struct RelayGate(pub Arc<Relay>);

impl Gate for RelayGate {
    fn connect(&self, peer: SocketAddr, connect: &ConnectRequest) -> Result<Option<String>, Turned> {
        self.0.log_in(peer.ip(), connect)
    }

    fn publish<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PublishSlot>, Refusal>> {
        Box::pin(async move {
            let (id, rule) = self.0.publisher_of(ask)?;
            if rule.pull.is_some() {
                return Err(self.0.deny(ask, &id, "this stream is pulled from elsewhere"));
            }
            let ticket = match self.0.ask_hook(ask, &id, &rule, Action::Publish).await {
                Ok(ticket) => ticket,
                Err(text) => return Err(self.0.deny(ask, &id, &text)),
            };
            let mut core = self.0.core.lock();
            match core.stream(&id, &self.0) {
                Ok(live) => Ok(Admitted { to: live.slot.clone(), ticket }),
                Err(fault) => Err(self.0.full(ask, &fault, DENIED)),
            }
        })
    }

    fn play<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admitted<PlayOffer>, Refusal>> {
        Box::pin(async move {
            let (id, rule) = self.0.player_of(ask)?;
            let ticket = match self.0.ask_hook(ask, &id, &rule, Action::Play).await {
                Ok(ticket) => ticket,
                Err(text) => return Err(Refusal::new(NO_PLAY, text)),
            };
            let mut core = self.0.core.lock();
            let there = core.streams.get(&id).is_some_and(super::Live::is_there);
            if !there && rule.missing == Missing::Refuse {
                return Err(Refusal::new(NOT_FOUND, "nobody publishes this stream now"));
            }
            let most = core.config.limits.players_per_stream;
            match core.stream(&id, &self.0) {
                Ok(live) if live.offer.players.count() >= most => {
                    let fault = Fault::Limit(format!("{id} has {most} players (limits.players_per_stream)"));
                    Err(self.0.full(ask, &fault, NO_PLAY))
                }
                Ok(live) => Ok(Admitted { to: live.offer.clone(), ticket }),
                Err(fault) => Err(self.0.full(ask, &fault, NO_PLAY)),
            }
        })
    }
}

impl Relay {
    /// What the players of a stream get, for somebody who may use the API: no token is asked for, and no hook. `None` if
    /// nobody publishes it.
    pub fn preview(&self, id: &str) -> Option<Arc<PlayOffer>> {
        let id = StreamId::parse(id)?;
        let core = self.core.lock();
        core.streams.get(&id).filter(|live| live.is_there()).map(|live| live.offer.clone())
    }

    /// The stream that a publisher means, if its key lets it in.
    fn publisher_of(&self, ask: &Ask) -> Result<(StreamId, Arc<StreamRule>), Refusal> {
        let core = self.core.lock();
        if core.draining {
            return Err(Refusal::new(DENIED, "the server is ending"));
        }
        // A key in the place of the name comes first: it must never become a name itself.
        let name = ask.name.expose().split('?').next().unwrap_or_default();
        let mut by_key = None;
        for rule in core.config.streams.iter().filter(|rule| rule.name.is_exact() && rule.name.fits_app(ask.app())) {
            // All are looked at, however early one fits: how long it takes tells nothing of the keys.
            if any(&rule.publish_keys, name) {
                by_key = by_key.or(Some(rule));
            }
        }
        if let Some((rule, id)) = by_key.and_then(|rule| Some((rule, rule.name.exact()?))) {
            let rule = Arc::new(rule.clone());
            return match comes_from(&rule.publish_from, ask.peer.ip()) {
                false => Err(self.deny(ask, &id, "its address is not in publish_from")),
                true if !is_one_of(&rule.publish_users, ask) => Err(self.deny(ask, &id, NO_LOGIN)),
                true => Ok((id, rule)),
            };
        }
        let Some(id) = StreamId::of_peer(ask.app(), ask.name.expose()) else {
            return Err(self.stranger(ask));
        };
        let Some(rule) = core.rule_of(&id) else { return Err(self.stranger(ask)) };
        if !comes_from(&rule.publish_from, ask.peer.ip()) {
            return Err(self.deny(ask, &id, "its address is not in publish_from"));
        }
        if !rule.publish_open && !rule.publish_keys.is_empty() && !presents(&rule.publish_keys, ask) {
            // With a wrong key the name may be a mistyped key: it is not told.
            return Err(self.stranger(ask));
        }
        if !is_one_of(&rule.publish_users, ask) {
            return Err(self.deny(ask, &id, NO_LOGIN));
        }
        Ok((id, rule))
    }

    /// The stream that a player means, if it may see it.
    fn player_of(&self, ask: &Ask) -> Result<(StreamId, Arc<StreamRule>), Refusal> {
        let core = self.core.lock();
        if core.draining {
            return Err(Refusal::new(NO_PLAY, "the server is ending"));
        }
        let not_found = || Refusal::new(NOT_FOUND, "nothing plays under this name");
        let id = StreamId::of_peer(ask.app(), ask.name.expose()).ok_or_else(not_found)?;
        let rule = core.rule_of(&id).ok_or_else(not_found)?;
        if !comes_from(&rule.play_from, ask.peer.ip()) {
            return Err(Refusal::new(NO_PLAY, "not from this address"));
        }
        if !rule.play_tokens.is_empty() && !presents(&rule.play_tokens, ask) {
            return Err(Refusal::new(NO_PLAY, "the token is missing or wrong"));
        }
        if !is_one_of(&rule.play_users, ask) {
            return Err(Refusal::new(NO_PLAY, NO_LOGIN));
        }
        Ok((id, rule))
    }

    /// A no to a publisher of a stream that is known, and why.
    fn deny(&self, ask: &Ask, id: &StreamId, why: &str) -> Refusal {
        let text = format!("a publisher from {} was refused: {why}", ask.peer.ip());
        (self.around.events)(Event::Warning { who: id.to_string(), text });
        Refusal::new(DENIED, why)
    }

    /// A no to a publisher whose stream can't be told: what it said may be a key.
    fn stranger(&self, ask: &Ask) -> Refusal {
        let text =
            format!("a publisher from {} was refused: unknown stream, or its key is missing or wrong", ask.peer.ip());
        (self.around.events)(Event::Warning { who: "relay".into(), text });
        Refusal::new(DENIED, "unknown stream, or the key is missing or wrong")
    }

    /// A no because of a limit.
    fn full(&self, ask: &Ask, fault: &Fault, code: &'static str) -> Refusal {
        let text = format!("a peer from {} was refused: {fault}", ask.peer.ip());
        (self.around.events)(Event::Warning { who: "relay".into(), text });
        Refusal::new(code, "the server is full")
    }
}

impl Around {
    /// Where the events of a stream's publishers and players go.
    pub(super) fn stream_events(&self, _relay: &Arc<Relay>, _id: &StreamId) -> monitor::Sink {
        self.events.clone()
    }
}

/// True if one of the secrets is this text; all are compared.
fn any(secrets: &[Secret], text: &str) -> bool {
    secrets.iter().fold(false, |found, secret| found | secret.matches(text))
}

/// True if a peer presented one of these secrets, as `key=` or `token=` in the query of app or name.
fn presents(secrets: &[Secret], ask: &Ask) -> bool {
    let parts = [ask.app(), ask.name.expose()];
    let queries = parts.into_iter().filter_map(|part| part.split_once('?').map(|(_, query)| query));
    let pairs = queries.flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(field, _)| matches!(*field, "key" | "token"))
        .fold(false, |found, (_, value)| found | any(secrets, value))
}

/// True if an address is in one of the networks, or there are none.
fn comes_from(networks: &[Network], address: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.holds(address))
}
