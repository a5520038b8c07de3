//! Two sessions, client and server, talking to each other in one thread, their bytes cut anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use bytes::BytesMut;
use outflow_rtmp::auth::adobe::{Gate, Verdict, without_login};
use outflow_rtmp::auth::{Credentials, Login};
use outflow_rtmp::chunk::{csid, encode_delta, encode_full};
use outflow_rtmp::flv::FourCc;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::*;
use proptest::prelude::*;

fn reconnects() -> Capabilities {
    Capabilities { caps_ex: CapsEx::RECONNECT, ..Capabilities::default() }
}

struct Pair {
    client: ClientSession,
    server: ServerSession,
    client_events: Vec<ClientEvent>,
    /// Longest piece that arrives at once.
    piece: usize,
}

impl Pair {
    fn new(role: Role, piece: usize) -> Self {
        let config = ClientConfig {
            capabilities: reconnects(),
            ..ClientConfig::new(role, "live", "key", "rtmp://host/live", [1; 1528])
        };
        let server = ServerSession::new(ServerConfig::new([7; 1528]));
        Pair { client: ClientSession::new(config), server, client_events: Vec::new(), piece }
    }

    /// Carries bytes until both are silent or the server has an event.
    fn run(&mut self) -> Option<ServerEvent> {
        loop {
            while let Some(event) = self.client.next_event() {
                self.client_events.push(event);
            }
            if let Some(event) = self.server.next_event() {
                return Some(event);
            }
            let (up, down) = (self.client.take_output(), self.server.take_output());
            if up.is_empty() && down.is_empty() {
                return None;
            }
            up.chunks(self.piece).for_each(|piece| self.server.receive(piece).unwrap());
            down.chunks(self.piece).for_each(|piece| self.client.receive(piece).unwrap());
        }
    }

    /// As far as the request to publish or play.
    fn connect(&mut self) -> ServerEvent {
        assert_eq!(self.run(), Some(ServerEvent::HandshakeDone));
        assert!(matches!(self.run(), Some(ServerEvent::Connect(request)) if request.app == "live"));
        self.server.accept_connect().unwrap();
        self.run().unwrap()
    }

    fn said(&mut self) -> Vec<ClientEvent> {
        assert_eq!(self.run(), None);
        std::mem::take(&mut self.client_events)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn publish(piece in 1usize..5000, start: u32, steps in prop::collection::vec(0u32..0xFF_FFFF, 1..20)) {
        let mut pair = Pair::new(Role::Publish, piece);
        prop_assert!(matches!(pair.connect(), ServerEvent::Publish(request) if request.name.matches("key")));
        prop_assert!(pair.server.accept_publish(1));
        prop_assert_eq!(pair.said().pop(), Some(ClientEvent::Started));

        // Media from the pump goes beside the session.
        let stream_id = pair.client.stream_id().unwrap();
        let (mut out, mut time, mut expected) = (BytesMut::new(), start, Vec::new());
        for (index, step) in steps.into_iter().enumerate() {
            let body = vec![index as u8; 1 + step as usize % 10_000];
            let size = pair.client.chunk_size();
            if index == 0 {
                encode_full(&mut out, csid::VIDEO, kind::VIDEO, stream_id, time, &body, size).unwrap();
            } else {
                time = time.wrapping_add(step);
                encode_delta(&mut out, csid::VIDEO, kind::VIDEO, step, &body, size).unwrap();
            }
            expected.push((time, body));
        }
        for piece in out.chunks(piece) {
            pair.server.receive(piece).unwrap();
        }
        pair.client.note_sent(out.len() as u64);
        for (timestamp, body) in expected {
            let Some(ServerEvent::Media(message)) = pair.server.next_event() else { panic!() };
            prop_assert_eq!((message.kind, message.stream_id, message.timestamp), (kind::VIDEO, 1, timestamp));
            prop_assert_eq!(message.payload, body);
        }
        pair.client.finish();
        prop_assert_eq!(pair.run(), Some(ServerEvent::PublishEnd { stream_id: 1, clean: true }));
        prop_assert_eq!(pair.run(), None);
    }

    #[test]
    fn play(piece in 1usize..5000) {
        let mut pair = Pair::new(Role::Play, piece);
        prop_assert!(matches!(pair.connect(), ServerEvent::Play(request) if request.name.matches("key")));
        prop_assert!(pair.server.accept_play(1));
        prop_assert_eq!(pair.run(), Some(ServerEvent::BufferLength { stream_id: 1, milliseconds: 3000 }));
        // Nothing of the server's answer is taken for media.
        let said = pair.said();
        let media = said.iter().filter(|event| matches!(event, ClientEvent::Media(_))).count();
        prop_assert!(said.contains(&ClientEvent::Started) && media == 0, "{said:?}");
        pair.server.unpublish_notify(1);
        let said = pair.said();
        prop_assert!(matches!(&said[..], [ClientEvent::Ended { code, .. }, ClientEvent::StreamEof]
            if code == "NetStream.Play.UnpublishNotify"), "{said:?}");
        pair.client.finish();
        prop_assert_eq!(pair.run(), Some(ServerEvent::PlayEnd { stream_id: 1 }));
    }
}

#[test]
fn refusal() {
    for role in [Role::Publish, Role::Play] {
        let mut pair = Pair::new(role, 100);
        pair.connect();
        let (code, stage) = match role {
            Role::Publish => ("NetStream.Publish.BadName", Stage::Publish),
            Role::Play => ("NetStream.Play.StreamNotFound", Stage::Play),
        };
        match role {
            Role::Publish => assert!(pair.server.refuse_publish(1, code, "no key")),
            Role::Play => assert!(pair.server.refuse_play(1, code, "no key")),
        }
        while pair.run().is_some() {}
        let Some(ClientEvent::Refused(refusal)) = pair.client_events.pop() else { panic!() };
        assert_eq!((refusal.stage, refusal.code.as_str(), refusal.redirect), (stage, code, None));
    }
}

#[test]
fn redirect() {
    let mut pair = Pair::new(Role::Publish, 100);
    pair.run();
    pair.run();
    pair.server.redirect_connect("rtmp://elsewhere/live").unwrap();
    let said = pair.said();
    let Some(ClientEvent::Refused(refusal)) = said.last() else { panic!("{said:?}") };
    assert_eq!(refusal.stage, Stage::Connect);
    assert_eq!(refusal.redirect.as_ref().unwrap().tc_url.expose(), "rtmp://elsewhere/live");
}

#[test]
fn reconnect_request_and_pings() {
    let mut pair = Pair::new(Role::Publish, 100);
    pair.connect();
    pair.server.accept_publish(1);
    let said = pair.said();
    let connected = said.iter().find_map(|event| match event {
        ClientEvent::Connected(connected) => Some(connected),
        _ => None,
    });
    assert_eq!(connected.unwrap().capabilities(), Capabilities::relay());
    assert_eq!(pair.client.peer_capabilities().takes(FourCc::HVC1), Takes::Yes);
    assert_eq!(pair.server.peer_capabilities(), &reconnects());
    assert!(pair.server.reconnect_request(Some("/other"), "update"));
    let expected = ClientEvent::ReconnectRequest { tc_url: Some("/other".into()), description: "update".into() };
    assert_eq!(pair.said(), [expected]);
    pair.server.ping(1);
    assert_eq!(pair.run(), Some(ServerEvent::Pong(1)));
    pair.client.ping(2);
    assert_eq!(pair.said(), [ClientEvent::Pong(2)]);
}

/// Adobe's login between our own client and our own server, from the first refusal to the accepted connect.
#[test]
fn a_login_of_three_connections() {
    let gate = Gate::new([7; 32]);
    let mut login = Login::new(Credentials { user: "user".into(), password: "pass".into() });
    for round in 1..=3 {
        let mut pair = Pair::new(Role::Publish, 100);
        let config = ClientConfig::new(Role::Publish, "live", "key", "rtmp://host/live", [1; 1528]);
        pair.client = ClientSession::new(ClientConfig { auth: login.query().cloned(), ..config });
        pair.run();
        let Some(ServerEvent::Connect(request)) = pair.run() else { panic!() };
        assert_eq!(without_login(&request.app), "live");
        assert_eq!(without_login(&request.tc_url), "rtmp://host/live");
        match gate.judge(&request.app, &request.tc_url, 100, round, |user| (user == "user").then(|| "pass".into())) {
            Verdict::Accept { user } => {
                assert_eq!((user.as_str(), round), ("user", 3));
                pair.server.accept_connect().unwrap();
                assert!(matches!(pair.run(), Some(ServerEvent::Publish(_))));
                return;
            }
            Verdict::Refuse { description, wrong } => {
                assert_eq!(wrong, None);
                pair.server.reject_connect("NetConnection.Connect.Rejected", &description).unwrap();
                let Some(ClientEvent::Refused(refusal)) = pair.said().pop() else { panic!() };
                login.answer(&refusal.auth.unwrap(), "live", round as u32).unwrap();
            }
        }
    }
    panic!("not let in");
}

/// Both count the same bytes, and the acknowledgement says so.
#[test]
fn acknowledgements_match_what_was_sent() {
    let mut pair = Pair::new(Role::Publish, 1 << 20);
    pair.connect();
    pair.server.accept_publish(1);
    pair.said();
    let mut out = BytesMut::new();
    encode_full(&mut out, csid::VIDEO, kind::VIDEO, 1, 0, &vec![0; 3_000_000], 4096).unwrap();
    pair.server.receive(&out).unwrap();
    pair.client.note_sent(out.len() as u64);
    assert!(matches!(pair.run(), Some(ServerEvent::Media(_))));
    let said = pair.said();
    // The handshake is not counted in acknowledgements.
    let sent = pair.client.sent() - 3073;
    assert_eq!(said, [ClientEvent::Acknowledged(sent as u32)]);
}
