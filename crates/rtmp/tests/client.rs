//! The client session against servers that answer, refuse, redirect, stay silent or talk too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use common::*;
use outflow_rtmp::amf0::Value;
use outflow_rtmp::auth::{Credentials, Login, LoginError};
use outflow_rtmp::command::{Command, parse_conn, status};
use outflow_rtmp::flv::FourCc;
use outflow_rtmp::message::{Control, UserControl, kind};
use outflow_rtmp::session::*;
use outflow_rtmp::{Error, ErrorKind, Secret};

struct Client {
    session: ClientSession,
    listener: Listener,
}

fn config(role: Role) -> ClientConfig {
    ClientConfig::new(role, "live", "key-1?a=b", "rtmp://h/live", [7; 1528])
}

/// An answer or notice with an info object.
fn said(stream_id: u32, name: &str, transaction_id: f64, level: &str, code: &str) -> Vec<u8> {
    call(stream_id, name, transaction_id, vec![status(level, code, "as key-1 wishes")])
}

fn connected() -> Vec<u8> {
    said(0, "_result", 1.0, "status", "NetConnection.Connect.Success")
}

fn created(transaction_id: f64, id: f64) -> Vec<u8> {
    call(0, "_result", transaction_id, vec![Value::Number(id)])
}

impl Client {
    fn new(config: ClientConfig) -> Self {
        Client { session: ClientSession::new(config), listener: Listener::new() }
    }

    fn events(&mut self, bytes: &[u8]) -> Vec<ClientEvent> {
        self.session.receive(bytes).unwrap();
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    fn heard(&mut self) -> Vec<String> {
        let output = self.session.take_output();
        self.listener.lines(output)
    }

    /// At the stage where publish or play has been sent.
    fn asking(role: Role) -> Self {
        let mut client = Client::new(config(role));
        client.events(&handshake());
        client.events(&connected());
        client.events(&created(if role == Role::Publish { 4.0 } else { 2.0 }, 1.0));
        client.heard();
        client
    }

    fn started(role: Role) -> Self {
        let mut client = Client::asking(role);
        let code = if role == Role::Publish { "NetStream.Publish.Start" } else { "NetStream.Play.Start" };
        assert_eq!(client.events(&said(1, "onStatus", 0.0, "status", code)), [ClientEvent::Started]);
        client
    }
}

#[test]
fn the_order_of_a_push() {
    let mut client = Client::new(config(Role::Publish));
    assert_eq!((client.session.stage(), client.session.chunk_size()), (Stage::Handshake, 128));
    assert!(client.session.has_output());
    assert_eq!(client.events(&handshake()), [ClientEvent::HandshakeDone]);
    assert_eq!(client.session.stage(), Stage::Connect);
    assert_eq!(client.heard(), ["0 connect 1 {app,type,flashVer,tcUrl}"]);
    let events = client.events(&connected());
    assert!(matches!(&events[..], [ClientEvent::Connected(_)]), "{events:?}");
    assert_eq!(client.session.stage(), Stage::CreateStream);
    let calls = [
        "WindowAckSize(2500000)",
        "SetChunkSize(4096)",
        "0 releaseStream 2 null key-1?a=b",
        "0 FCPublish 3 null key-1?a=b",
        "0 createStream 4 null",
    ];
    assert_eq!(client.heard(), calls);
    assert_eq!((client.session.chunk_size(), client.session.stream_id()), (4096, None));
    // Answers to the other calls, whatever they say, and a call of the server.
    let mut answers = call(0, "_error", 2.0, vec![status("error", "NetConnection.Call.Failed", "")]);
    answers.extend(call(0, "_result", 3.0, vec![Value::Number(99.0)]));
    answers.extend(call(0, "onBWDone", 0.0, vec![]));
    assert!(client.events(&answers).is_empty());
    assert_eq!(client.events(&created(4.0, 7.0)), [ClientEvent::StreamCreated(7)]);
    assert_eq!((client.session.stage(), client.session.stream_id()), (Stage::Publish, Some(7)));
    assert_eq!(client.heard(), ["7 publish 5 null key-1?a=b live"]);
    let start = said(7, "onStatus", 0.0, "status", "NetStream.Publish.Start");
    assert_eq!(client.events(&start), [ClientEvent::Started]);
    assert!(client.events(&start).is_empty(), "once");
    client.session.finish();
    client.session.finish();
    assert_eq!(client.heard(), ["0 FCUnpublish 6 null key-1?a=b", "0 deleteStream 7 null 7"]);
}

#[test]
fn the_order_of_a_pull() {
    let config = ClientConfig { subscribe: Some(Secret::from("sub")), start: -1.0, ..config(Role::Play) };
    let mut client = Client::new(config);
    client.events(&handshake());
    let object = "{app,flashVer,tcUrl,fpad,capabilities,audioCodecs,videoCodecs,videoFunction}";
    assert_eq!(client.heard(), [format!("0 connect 1 {object}")]);
    client.events(&connected());
    assert_eq!(client.heard(), ["WindowAckSize(2500000)", "0 createStream 2 null", "0 FCSubscribe 3 null sub"]);
    client.events(&created(2.0, 1.0));
    let calls = ["1 play 4 null key-1?a=b -1", "SetBufferLength { stream_id: 1, milliseconds: 3000 }"];
    assert_eq!(client.heard(), calls);
    assert_eq!(client.session.stage(), Stage::Play);
    client.session.finish();
    assert_eq!(client.heard(), ["0 deleteStream 7 null 1"]);
}

#[test]
fn every_option_is_seen_in_the_bytes() {
    let config = ClientConfig {
        flash_ver: "my program".into(),
        swf_url: "http://swf".into(),
        page_url: "http://page".into(),
        conn: parse_conn("B:1 S:x O:1 NN:n:2 O:0").unwrap(),
        capabilities: Capabilities {
            four_cc_list: [FourCc::HVC1, FourCc::AV01].map(Codec::FourCc).to_vec(),
            caps_ex: CapsEx::RECONNECT | CapsEx::MULTITRACK,
            ..Capabilities::default()
        },
        hops: vec!["a:1".into(), "no mark".into(), "b:2".into()],
        buffer_ms: 500,
        start: 4.0,
        window_ack_size: 0,
        ..config(Role::Play)
    };
    let mut client = Client::new(config);
    client.events(&handshake());
    let output = client.session.take_output();
    let message = client.listener.messages(output).remove(0);
    let connect = Command::decode(&message, &Default::default()).unwrap();
    let text = |name| connect.object.get_str(name).unwrap();
    assert_eq!(
        ["flashVer", "swfUrl", "pageUrl", "tcUrl", "app"].map(text),
        ["my program", "http://swf", "http://page", "rtmp://h/live", "live"]
    );
    assert_eq!(connect.object.get_f64("capsEx"), Some(3.0));
    assert_eq!(text("outflowHops"), "a:1 b:2");
    let list = Value::StrictArray(vec!["hvc1".into(), "av01".into()]);
    assert_eq!(connect.object.get("fourCcList"), Some(&list));
    let arguments = [Value::Boolean(true), "x".into(), Value::object([("n", Value::Number(2.0))])];
    assert_eq!(connect.arguments, arguments);
    client.events(&connected());
    client.events(&created(2.0, 1.0));
    let calls =
        ["0 createStream 2 null", "1 play 4 null key-1?a=b 4", "SetBufferLength { stream_id: 1, milliseconds: 500 }"];
    assert_eq!(client.heard(), calls);

    let mut client = Client::new(ClientConfig { chunk_size: 1 << 20, ..self::config(Role::Publish) });
    client.events(&handshake());
    client.events(&connected());
    assert_eq!(client.heard()[2], "SetChunkSize(65536)", "more is refused by some servers");

    let plain = ClientSession::new(self::config(Role::Play)).take_output();
    let signed = ClientSession::new(ClientConfig { digest: true, ..self::config(Role::Play) }).take_output();
    assert_eq!((&plain[5..9], &signed[5..9]), (&[0; 4][..], &[9, 0, 124, 2][..]));
}

fn refusal(client: &mut Client, bytes: &[u8]) -> Refusal {
    match client.events(bytes).pop() {
        Some(ClientEvent::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn refusals_at_each_stage() {
    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    let refused = refusal(&mut client, &said(0, "_error", 1.0, "error", "NetConnection.Connect.Rejected"));
    assert_eq!((refused.stage, refused.code.as_str()), (Stage::Connect, "NetConnection.Connect.Rejected"));
    assert_eq!(refused.description, "as **** wishes", "the name is not repeated");
    assert_eq!((refused.level.as_str(), refused.redirect.clone()), ("error", None));
    let error = Error::from(refused);
    assert_eq!(error.to_string(), "the peer refused connect: NetConnection.Connect.Rejected, as **** wishes");
    assert_eq!(client.session.stage(), Stage::Over);
    assert!(client.events(&connected()).is_empty(), "nothing follows");

    // In the wrapping of a success, and without an info object.
    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    let bytes = said(0, "_result", 1.0, "error", "NetConnection.Connect.InvalidApp");
    assert_eq!(refusal(&mut client, &bytes).code, "NetConnection.Connect.InvalidApp");
    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    assert_eq!(refusal(&mut client, &call(0, "_error", 1.0, vec![])).code, "");

    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    client.events(&connected());
    let refused = refusal(&mut client, &call(0, "_error", 4.0, vec![Value::Null]));
    assert_eq!(refused.stage, Stage::CreateStream);
    for id in [Value::Null, Value::Number(-1.0), Value::Number(f64::NAN), Value::Number(1e12), text("1")] {
        let mut client = Client::new(config(Role::Publish));
        client.events(&handshake());
        client.events(&connected());
        assert_eq!(refusal(&mut client, &call(0, "_result", 4.0, vec![id])).stage, Stage::CreateStream);
    }

    let mut client = Client::asking(Role::Publish);
    let refused = refusal(&mut client, &said(1, "onStatus", 0.0, "error", "NetStream.Publish.BadName"));
    assert_eq!((refused.stage, refused.code.as_str()), (Stage::Publish, "NetStream.Publish.BadName"));
    // A known no with an odd level; an unknown code with level error.
    let mut client = Client::asking(Role::Play);
    let bytes = said(1, "onStatus", 0.0, "status", "NetStream.Play.StreamNotFound");
    assert_eq!(refusal(&mut client, &bytes).stage, Stage::Play);
    let mut client = Client::asking(Role::Play);
    assert_eq!(refusal(&mut client, &said(1, "onStatus", 0.0, "error", "What.Ever")).code, "What.Ever");
}

/// A login over three connections: what the client appends, and what is shown of it.
#[test]
fn a_login_is_appended_to_app_and_tc_url() {
    let mut login = Login::new(Credentials { user: "us&er".into(), password: "secret".into() });
    let demand = |query: Option<&Secret>, description: &str| {
        let mut client = Client::new(ClientConfig { auth: query.cloned(), ..config(Role::Publish) });
        client.events(&handshake());
        let output = client.session.take_output();
        let connect = Command::decode(&client.listener.messages(output)[0], &Default::default()).unwrap();
        let query = query.map(Secret::expose).unwrap_or_default();
        assert_eq!(connect.object.get_str("app").unwrap(), format!("live{query}"));
        assert_eq!(connect.object.get_str("tcUrl").unwrap(), format!("rtmp://h/live{query}"));
        let info = status("error", "NetConnection.Connect.Rejected", description);
        let refused = refusal(&mut client, &call(0, "_error", 1.0, vec![info]));
        assert!(!format!("{refused:?}").contains("response="), "{refused:?}");
        refused.auth
    };
    assert_eq!(demand(login.query(), "no such app"), None);
    let first = demand(login.query(), "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ").unwrap();
    login.answer(&first, "live", 1).unwrap();
    let asked = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=us&salt=S&challenge=C&opaque=O";
    let second = demand(login.query(), asked).unwrap();
    login.answer(&second, "live", 1).unwrap();
    let query = login.query().unwrap().clone();
    let third = demand(Some(&query), &format!("authmod=adobe ?reason=authfailed {}", query.expose())).unwrap();
    assert_eq!(login.answer(&third, "live", 1), Err(LoginError::Failed));
}

/// What librtmp and GStreamer answer, before the stream is made; see `auth::secure_token` for the text.
#[test]
fn a_secure_token_is_given_back_in_the_clear() {
    let asks = |deep: bool, challenge: &str| {
        let property = ("secureToken".to_owned(), Value::from(challenge));
        let mut info = status("status", "NetConnection.Connect.Success", "");
        if let (true, Value::Object(fields)) = (deep, &mut info) {
            fields.push(("data".into(), Value::EcmaArray(vec![property.clone()])));
        }
        let mut answer = Command::new("_result", 1.0, vec![info]);
        answer.object = Value::Object(if deep { Vec::new() } else { vec![property] });
        message(3, kind::COMMAND, 0, &answer.encode())
    };
    let told = |config: ClientConfig, answer: &[u8]| {
        let mut client = Client::new(config);
        client.events(&handshake());
        client.heard();
        let events = client.events(answer);
        let Some(ClientEvent::Connected(connected)) = events.first() else { panic!("{events:?}") };
        (connected.secure_token().is_some(), client.heard())
    };
    let with = || ClientConfig { token: Some(Secret::from("k")), ..config(Role::Play) };
    let calls = ["WindowAckSize(2500000)", "0 createStream 2 null"];
    for deep in [false, true] {
        let (asked, said) = told(with(), &asks(deep, "3e68c50ec98d17ea"));
        assert!(asked);
        assert_eq!(said[0], "0 secureTokenResponse 0 null 12345678");
        assert_eq!(said[1..], calls);
        // Without a secret, and where it makes no sense, the client goes on as ever.
        assert_eq!(told(config(Role::Play), &asks(deep, "3e68c50ec98d17ea")), (true, calls.map(String::from).to_vec()));
        assert_eq!(told(with(), &asks(deep, "no hexadecimal")), (true, calls.map(String::from).to_vec()));
    }
    assert_eq!(told(with(), &connected()), (false, calls.map(String::from).to_vec()));
}

#[test]
fn redirects() {
    let ex = |fields: Vec<(&str, Value)>| {
        let mut info = status("error", "NetConnection.Connect.Rejected", "elsewhere");
        if let Value::Object(all) = &mut info {
            all.push(("ex".into(), Value::object(fields)));
        }
        info
    };
    let fms = ex(vec![("code", Value::Number(302.0)), ("redirect", text("rtmp://b/live"))]);
    let srs = ex(vec![("redirect", text("rtmp://b/live")), ("redirect2", text("rtmp://b/live/key-1"))]);
    for (name, transaction_id, info, url) in
        [("_error", 1.0, fms, None), ("onStatus", 0.0, srs, Some(Secret::from("rtmp://b/live/key-1")))]
    {
        let mut client = Client::new(config(Role::Publish));
        client.events(&handshake());
        let refused = refusal(&mut client, &call(0, name, transaction_id, vec![info]));
        assert_eq!(refused.redirect, Some(Redirect { tc_url: Secret::from("rtmp://b/live"), url }));
        assert!(!format!("{refused:?}").contains("key-1"));
    }
    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    let nowhere = ex(vec![("redirect", Value::Number(3.0))]);
    assert_eq!(refusal(&mut client, &call(0, "_error", 1.0, vec![nowhere])).redirect, None);
}

#[test]
fn ends() {
    let ended = |client: &mut Client, bytes: &[u8]| match client.events(bytes).pop() {
        Some(ClientEvent::Ended { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    for code in ["NetStream.Play.Complete", "NetStream.Play.Stop", "NetStream.Play.UnpublishNotify"] {
        let mut client = Client::started(Role::Play);
        assert_eq!(ended(&mut client, &said(1, "onStatus", 0.0, "status", code)), code);
        assert_eq!(client.session.stage(), Stage::Over);
    }
    let mut client = Client::started(Role::Publish);
    let bytes = said(1, "onStatus", 0.0, "error", "NetStream.Publish.BadName");
    assert_eq!(ended(&mut client, &bytes), "NetStream.Publish.BadName", "thrown out later");
    let mut client = Client::started(Role::Publish);
    assert_eq!(ended(&mut client, &call(0, "close", 0.0, vec![])), "NetConnection.Connect.Closed");
    let mut client = Client::started(Role::Play);
    let eof = control(Control::User(UserControl::StreamEof(1)));
    assert_eq!(client.events(&eof), [ClientEvent::StreamEof]);
    assert!(client.events(&control(Control::User(UserControl::StreamEof(9)))).is_empty());
    assert_eq!(client.session.stage(), Stage::Started);
}

#[test]
fn a_reconnect_request_leaves_the_session_running() {
    let mut client = Client::started(Role::Publish);
    let mut info = status("status", "NetConnection.Connect.ReconnectRequest", "maintenance");
    let without = call(0, "onStatus", 0.0, vec![info.clone()]);
    if let Value::Object(fields) = &mut info {
        fields.push(("tcUrl".into(), text("//other/live")));
    }
    let description = "maintenance".to_owned();
    assert_eq!(
        client.events(&call(0, "onStatus", 0.0, vec![info])),
        [ClientEvent::ReconnectRequest { tc_url: Some("//other/live".into()), description: description.clone() }]
    );
    assert_eq!(client.events(&without), [ClientEvent::ReconnectRequest { tc_url: None, description }]);
    assert_eq!(client.session.stage(), Stage::Started);
}

#[test]
fn media_of_a_pull() {
    let mut client = Client::asking(Role::Play);
    // Data may come before the answer; pictures and sound are an answer.
    let events = client.events(&message(5, kind::DATA, 1, b"\x02\0\x01a"));
    assert!(matches!(&events[..], [ClientEvent::Media(_)]), "{events:?}");
    assert_eq!(client.session.stage(), Stage::Play);
    let events = client.events(&message(6, kind::VIDEO, 1, b"picture"));
    assert!(matches!(&events[..], [ClientEvent::Started, ClientEvent::Media(_)]), "{events:?}");
    let aggregate = [8, 0, 0, 1, 0, 0, 5, 0, 0, 0, 0, 0xAA, 0, 0, 0, 12];
    let events = client.events(&message(6, kind::AGGREGATE, 1, &aggregate));
    assert!(matches!(&events[..], [ClientEvent::Media(message)] if message.kind == kind::AUDIO), "{events:?}");
    assert!(client.events(&message(6, kind::VIDEO, 1, b"")).is_empty());
    let mut client = Client::started(Role::Publish);
    assert!(client.events(&message(6, kind::VIDEO, 1, b"picture")).is_empty(), "a publisher wants none");
    let mut client = Client::asking(Role::Play);
    let notify = said(1, "onStatus", 0.0, "status", "NetStream.Play.PublishNotify");
    assert_eq!(client.events(&notify), [ClientEvent::Started]);
}

#[test]
fn a_silent_server_can_be_taken_as_willing() {
    let mut client = Client::new(config(Role::Publish));
    client.session.assume_started();
    assert_eq!(client.session.stage(), Stage::Handshake, "too early");
    let mut client = Client::asking(Role::Publish);
    client.session.assume_started();
    assert_eq!(client.session.stage(), Stage::Started);
    assert!(client.events(&said(1, "onStatus", 0.0, "status", "NetStream.Publish.Start")).is_empty());
    let bytes = said(1, "onStatus", 0.0, "error", "NetStream.Publish.BadName");
    assert!(matches!(client.events(&bytes)[..], [ClientEvent::Ended { .. }]));
}

#[test]
fn control_messages() {
    let mut client = Client::started(Role::Publish);
    client.heard();
    assert_eq!(client.events(&control(Control::Ack(5000))), [ClientEvent::Acknowledged(5000)]);
    client.session.ping(4);
    assert_eq!(client.heard(), ["PingRequest(4)"]);
    let pong = control(Control::User(UserControl::PingResponse(4)));
    assert_eq!(client.events(&pong), [ClientEvent::Pong(4)]);
    client.events(&control(Control::User(UserControl::PingRequest(8))));
    assert_eq!(client.heard(), ["PingResponse(8)"]);
    client.events(&control(Control::SetPeerBandwidth { size: 2_500_000, limit: 2 }));
    assert!(client.heard().is_empty(), "told before");
    client.events(&control(Control::SetPeerBandwidth { size: 9999, limit: 2 }));
    assert_eq!(client.heard(), ["WindowAckSize(9999)"]);
    client.events(&call(0, "ping", 0.0, vec![]));
    assert_eq!(client.heard(), ["0 pong 0 null"]);
    let error = client.session.receive(&control(Control::SetChunkSize(0))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadChunkSize(0));
    assert!(client.session.receive(&[]).is_err(), "an error stays");
}

#[test]
fn stream_id_zero_is_taken() {
    let mut client = Client::new(config(Role::Publish));
    client.events(&handshake());
    client.events(&connected());
    assert_eq!(client.events(&created(4.0, 0.0)), [ClientEvent::StreamCreated(0)]);
}
