//! The server session against clients that follow no rule but the wire's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;

use common::*;
use outflow_rtmp::amf0::Value;
use outflow_rtmp::flv::FourCc;
use outflow_rtmp::message::{Control, UserControl};
use outflow_rtmp::session::*;
use outflow_rtmp::{ErrorKind, Secret};

struct Server {
    session: ServerSession,
    listener: Listener,
}

impl Server {
    /// Just greeted.
    fn greeted() -> Self {
        let mut server =
            Server { session: ServerSession::new(ServerConfig::new([7; 1528])), listener: Listener::new() };
        assert_eq!(server.events(&handshake()), [ServerEvent::HandshakeDone]);
        server
    }

    /// With a client that is connected, and what was said about it read.
    fn connected() -> Self {
        let mut server = Server::greeted();
        server.events(&connect(Value::object([("app", text("live"))])));
        server.session.accept_connect().unwrap();
        server.heard();
        server
    }

    fn events(&mut self, bytes: &[u8]) -> Vec<ServerEvent> {
        self.session.receive(bytes).unwrap();
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    fn heard(&mut self) -> Vec<String> {
        let output = self.session.take_output();
        assert!(!self.session.has_output());
        self.listener.lines(output)
    }

    /// Publishes `name` on a new stream; gives the stream's id.
    fn publish(&mut self, name: &str) -> u32 {
        self.events(&call(0, "createStream", 4.0, vec![]));
        let id = self.heard()[0].rsplit(' ').next().unwrap().parse().unwrap();
        let events = self.events(&call(id, "publish", 5.0, vec![text(name), text("live")]));
        assert!(matches!(events[..], [ServerEvent::Publish(_)]), "{events:?}");
        assert!(self.session.accept_publish(id));
        self.heard();
        id
    }

    fn play(&mut self, name: &str) -> u32 {
        self.events(&call(0, "createStream", 4.0, vec![]));
        let id = self.heard()[0].rsplit(' ').next().unwrap().parse().unwrap();
        self.events(&call(id, "play", 0.0, vec![text(name)]));
        assert!(self.session.accept_play(id));
        self.heard();
        id
    }
}

fn connect_request(object: Value) -> ConnectRequest {
    match Server::greeted().events(&connect(object)).pop() {
        Some(ServerEvent::Connect(request)) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_whole_dialogue_of_a_publisher() {
    let mut server = Server::greeted();
    let object = Value::object([("app", text("live")), ("tcUrl", text("rtmp://h/live")), ("type", text("nonprivate"))]);
    let events = server.events(&connect(object));
    assert!(matches!(&events[..], [ServerEvent::Connect(request)] if request.app == "live"));
    assert!(server.heard().is_empty(), "nothing before the answer");
    server.session.accept_connect().unwrap();
    let answers = [
        "WindowAckSize(5000000)",
        "SetPeerBandwidth { size: 5000000, limit: 2 }",
        "SetChunkSize(4096)",
        "0 _result 1 {fmsVer,capabilities} NetConnection.Connect.Success",
    ];
    assert_eq!(server.heard(), answers);

    server.events(&call(0, "releaseStream", 2.0, vec![text("key")]));
    assert_eq!(server.heard(), ["0 _result 2 null null"]);
    server.events(&call(0, "FCPublish", 3.0, vec![text("key")]));
    assert_eq!(server.heard(), ["0 _result 3 null null", "0 onFCPublish 0 null NetStream.Publish.Start"]);
    server.events(&call(0, "createStream", 4.0, vec![]));
    assert_eq!(server.heard(), ["0 _result 4 null 1"]);
    let events = server.events(&call(1, "publish", 5.0, vec![text("key?a=b"), text("RECORD")]));
    let [ServerEvent::Publish(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((request.stream_id, request.kind), (1, PublishKind::Record));
    assert_eq!(request.name, Secret::from("key?a=b"));
    assert!(server.heard().is_empty(), "Publish.Start only after the caller's yes");
    assert!(server.session.accept_publish(1));
    assert_eq!(server.heard(), ["StreamBegin(1)", "1 onStatus 0 null NetStream.Publish.Start"]);
    assert!(!server.session.accept_publish(1), "once");

    let events = server.events(&call(0, "FCUnpublish", 6.0, vec![text("key?a=b")]));
    assert_eq!(events, [ServerEvent::PublishEnd { stream_id: 1, clean: true }]);
    assert_eq!(server.heard(), ["0 _result 6 null null", "1 onStatus 0 null NetStream.Unpublish.Success"]);
    assert!(server.events(&call(0, "deleteStream", 7.0, vec![Value::Number(1.0)])).is_empty(), "ended once");
    server.session.close();
    assert_eq!(server.session.next_event(), None);
}

#[test]
fn the_whole_dialogue_of_a_player() {
    let mut server = Server::connected();
    server.events(&call(0, "createStream", 2.0, vec![]));
    server.events(&call(0, "getStreamLength", 3.0, vec![text("s")]));
    server.events(&call(0, "FCSubscribe", 0.0, vec![text("s")]));
    assert_eq!(
        server.heard(),
        ["0 _result 2 null 1", "0 _result 3 null 0", "0 onFCSubscribe 0 null NetStream.Play.Start"]
    );
    let arguments = vec![text("s"), Value::Number(-2000.0), Value::Number(-1.0), Value::Boolean(true)];
    let events = server.events(&call(1, "play", 4.0, arguments));
    let [ServerEvent::Play(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((request.start, request.duration, request.reset), (-2000.0, -1.0, true));
    assert!(server.session.accept_play(1));
    let answers = [
        "StreamBegin(1)",
        "1 onStatus 0 null NetStream.Play.Reset",
        "1 onStatus 0 null NetStream.Play.Start",
        "1 onStatus 0 null NetStream.Data.Start",
    ];
    assert_eq!(server.heard(), answers);

    assert_eq!(
        server.events(&call(1, "pause", 0.0, vec![Value::Boolean(true), Value::Number(0.0)])),
        [ServerEvent::Pause { stream_id: 1, paused: true }]
    );
    assert_eq!(
        server.events(&call(1, "pause", 0.0, vec![Value::Boolean(false), Value::Number(0.0)])),
        [ServerEvent::Pause { stream_id: 1, paused: false }]
    );
    assert!(server.events(&call(1, "seek", 0.0, vec![Value::Number(5.0)])).is_empty());
    let codes = ["NetStream.Pause.Notify", "NetStream.Unpause.Notify", "NetStream.Seek.Notify"];
    assert_eq!(server.heard(), codes.map(|code| format!("1 onStatus 0 null {code}")));

    assert!(server.events(&call(1, "receiveVideo", 0.0, vec![Value::Boolean(true)])).is_empty(), "no change");
    let off = server.events(&call(1, "receiveVideo", 0.0, vec![Value::Boolean(false)]));
    assert_eq!(off, [ServerEvent::ReceiveVideo { stream_id: 1, receive: false }]);
    assert!(server.heard().is_empty());
    let on = server.events(&call(1, "receiveVideo", 0.0, vec![Value::Boolean(true)]));
    assert_eq!(on, [ServerEvent::ReceiveVideo { stream_id: 1, receive: true }]);
    let codes = ["NetStream.Seek.Notify", "NetStream.Play.Start"];
    assert_eq!(server.heard(), codes.map(|code| format!("1 onStatus 0 null {code}")));

    server.session.unpublish_notify(1);
    server.session.publish_notify(1);
    server.session.app_shutdown("bye");
    server.session.ping(9);
    let notices = [
        "1 onStatus 0 null NetStream.Play.UnpublishNotify",
        "StreamEof(1)",
        "1 onStatus 0 null NetStream.Play.PublishNotify",
        "0 onStatus 0 null NetConnection.Connect.AppShutdown",
        "PingRequest(9)",
    ];
    assert_eq!(server.heard(), notices);
    let pong = server.events(&control(Control::User(UserControl::PingResponse(9))));
    assert_eq!(pong, [ServerEvent::Pong(9)]);
    server.session.close();
    assert_eq!(server.session.next_event(), Some(ServerEvent::PlayEnd { stream_id: 1 }));
}

#[test]
fn calls_sent_before_the_answer_to_connect_wait_for_it() {
    let mut server = Server::greeted();
    let mut bytes = connect(Value::object([("app", text("live"))]));
    bytes.extend(call(0, "createStream", 2.0, vec![]));
    bytes.extend(call(1, "publish", 3.0, vec![text("key")]));
    assert_eq!(server.events(&bytes).len(), 1);
    assert!(server.events(&control(Control::User(UserControl::PingRequest(3)))).is_empty());
    server.session.accept_connect().unwrap();
    assert!(matches!(server.session.next_event(), Some(ServerEvent::Publish(_))));
    let heard = server.heard();
    assert!(heard[3].starts_with("0 _result 1") && heard[4] == "0 _result 2 null 1", "{heard:?}");
    assert_eq!(heard[5], "PingResponse(3)");
    assert_eq!(server.session.accept_connect().unwrap_err().kind, ErrorKind::Misuse("answer a connect"));
}

#[test]
fn a_client_that_does_not_wait_is_bounded() {
    let mut server = Server::greeted();
    server.events(&connect(Value::object([("app", text("live"))])));
    for _ in 0..5 {
        server.session.receive(&[0; 65_536]).unwrap();
    }
    let error = server.session.receive(&[0]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OutOfOrder { .. }), "{error}");
}

#[test]
fn what_connect_may_hold() {
    let request = connect_request(Value::object([("tcUrl", text("'rtmp://h:1935/a/b?k=v'"))]));
    assert_eq!((request.app.as_str(), request.tc_url.as_str()), ("a/b?k=v", "rtmp://h:1935/a/b?k=v"));
    let request = connect_request(Value::object([("tcurl", text("rtmp://h")), ("app", Value::Null)]));
    assert_eq!((request.app.as_str(), request.tc_url.as_str()), ("", "rtmp://h"));
    let caps = |number| {
        connect_request(Value::object([("app", text("a")), ("capsEx", Value::Number(number))])).capabilities.caps_ex.0
    };
    assert_eq!([f64::NAN, 1e308, -1.0, 3.0].map(caps), [0, 0, 0, 3]);
    let request = connect_request(Value::object([
        ("app", text("a")),
        ("fourCcList", Value::StrictArray(vec![text("hvc1"), Value::Number(7.0), text("av01")])),
        ("videoFourCcInfoMap", Value::object([("*", Value::Number(4.0))])),
        ("audioFourCcInfoMap", Value::Number(1.0)),
    ]));
    let capabilities = &request.capabilities;
    assert_eq!(capabilities.four_cc_list, [FourCc::HVC1, FourCc::AV01].map(Codec::FourCc));
    assert_eq!(capabilities.video, [(Codec::Any, FourCcInfo::CAN_FORWARD)]);
    assert!(capabilities.audio.is_empty());
    assert!(request.hops.is_empty());
    let hops = |value| connect_request(Value::object([("app", text("a")), ("outflowHops", value)])).hops;
    assert_eq!(hops(text("a:1 b:2")), ["a:1", "b:2"]);
    assert!(hops(text("a/1 \u{7f}")).is_empty() && hops(Value::Number(1.0)).is_empty());
    assert_eq!(hops(Value::from("m ".repeat(1000))).len(), 32);
    let shown = format!("{:?}", ServerEvent::Connect(Box::new(request)));
    assert!(!shown.contains("\"a\""), "{shown}");

    for object in [Value::Null, Value::Number(1.0), Value::StrictArray(vec![]), Value::object([("x", text("y"))])] {
        let error = Server::greeted().session.receive(&connect(object)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BadCommand { command: "connect", .. }), "{error}");
    }
    for length in [255, 256, 257, 4096] {
        assert_eq!(connect_request(Value::object([("app", Value::from("a".repeat(length)))])).app.len(), length);
    }
    let error = Server::greeted().session.receive(&connect(Value::object([("app", Value::from("a".repeat(4097)))])));
    assert!(matches!(error.unwrap_err().kind, ErrorKind::NameTooLong { .. }));
}

#[test]
fn enhanced_properties_are_answered_to_those_who_send_some() {
    let mut server = Server::greeted();
    let object = Value::object([("app", text("a")), ("capsEx", Value::Number(1.0))]);
    server.events(&connect(object));
    server.session.accept_connect().unwrap();
    let properties = "{fmsVer,capabilities,fourCcList,videoFourCcInfoMap,audioFourCcInfoMap,capsEx}";
    assert_eq!(server.heard()[3], format!("0 _result 1 {properties} NetConnection.Connect.Success"));
    assert!(server.session.reconnect_request(Some("/other"), "moved"));
    assert_eq!(server.heard(), ["0 onStatus 0 null NetConnection.Connect.ReconnectRequest"]);
    let mut legacy = Server::connected();
    assert!(!legacy.session.reconnect_request(None, "moved"), "would not be understood");
    assert!(legacy.heard().is_empty());
}

#[test]
fn rejected_clients_are_heard_no_more() {
    let mut server = Server::greeted();
    server.events(&connect(Value::object([("app", text("a"))])));
    server.session.reject_connect("NetConnection.Connect.InvalidApp", "no such app").unwrap();
    assert_eq!(server.heard(), ["0 _error 1 null !NetConnection.Connect.InvalidApp"]);
    assert!(server.events(&call(0, "createStream", 2.0, vec![])).is_empty());
    assert!(server.events(&[0xFF; 1000]).is_empty());
    assert!(server.heard().is_empty());
    assert!(server.session.reject_connect("x", "y").is_err());
}

#[test]
fn refusals() {
    let mut server = Server::connected();
    server.events(&call(0, "createStream", 2.0, vec![]));
    server.events(&call(1, "publish", 0.0, vec![text("key")]));
    server.heard();
    assert!(server.session.refuse_publish(1, "NetStream.Publish.BadName", "in use"));
    assert_eq!(server.heard(), ["1 onStatus 0 null !NetStream.Publish.BadName"]);
    assert!(!server.session.accept_publish(1));
    server.events(&call(1, "play", 0.0, vec![text("s")]));
    assert!(server.session.refuse_play(1, "NetStream.Play.StreamNotFound", "nothing there"));
    assert_eq!(server.heard(), ["1 onStatus 0 null !NetStream.Play.StreamNotFound"]);
    server.session.close();
    assert_eq!(server.session.next_event(), None, "what was refused does not end");
}

#[test]
fn every_way_to_end_a_publish_ends_it_once() {
    let ends: [fn(u32) -> Vec<u8>; 8] = [
        |id| call(id, "closeStream", 0.0, vec![]),
        |id| call(0, "closeStream", 0.0, vec![Value::Number(f64::from(id))]),
        |id| call(0, "deleteStream", 0.0, vec![Value::Number(f64::from(id))]),
        |id| call(id, "deleteStream", 0.0, vec![]),
        // The stream's name instead of its number, as a known client does.
        |_| call(0, "deleteStream", 0.0, vec![text("key")]),
        |_| call(0, "FCUnpublish", 0.0, vec![text("key")]),
        |_| call(0, "FCUnpublish", 0.0, vec![text("another")]),
        |id| call(id, "publish", 0.0, vec![Value::Boolean(false)]),
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let mut server = Server::connected();
        for _ in 0..3 {
            let id = server.publish("key");
            let expected = [ServerEvent::PublishEnd { stream_id: id, clean: true }];
            assert_eq!(server.events(&end(id)), expected, "way {index}");
            assert_eq!(server.heard().last().unwrap().rsplit(' ').next(), Some("NetStream.Unpublish.Success"));
            assert!(server.events(&end(id)).is_empty(), "way {index}, again");
            server.heard();
        }
        server.session.close();
        assert_eq!(server.session.next_event(), None);
    }
    let mut server = Server::connected();
    let id = server.publish("key");
    server.session.close();
    server.session.close();
    assert_eq!(server.session.next_event(), Some(ServerEvent::PublishEnd { stream_id: id, clean: false }));
    assert_eq!(server.session.next_event(), None);
}

#[test]
fn an_answer_never_reaches_a_later_request() {
    let mut server = Server::connected();
    let mut bytes = call(1, "publish", 0.0, vec![text("mine")]);
    bytes.extend(call(1, "publish", 0.0, vec![text("yours")]));
    server.session.receive(&bytes).unwrap();
    assert!(matches!(server.session.next_event(), Some(ServerEvent::Publish(request)) if request.name.matches("mine")));
    assert!(!server.session.accept_publish(1), "meant for another name");
    assert_eq!(server.session.next_event(), Some(ServerEvent::PublishEnd { stream_id: 1, clean: true }));
    assert!(!server.session.accept_publish(1));
    assert!(
        matches!(server.session.next_event(), Some(ServerEvent::Publish(request)) if request.name.matches("yours"))
    );
    assert!(server.session.accept_publish(1));
}

#[test]
fn publish_and_play_on_one_connection() {
    let mut server = Server::connected();
    let (publish, play) = (server.publish("a"), server.play("b"));
    assert_eq!((publish, play), (1, 2));
    let media = server.events(&message(4, 8, publish, b"sound"));
    assert!(matches!(&media[..], [ServerEvent::Media(message)] if message.stream_id == 1));
    // On a stream id that nobody publishes on: of the only publisher.
    let media = server.events(&message(4, 9, 77, b"picture"));
    assert!(matches!(&media[..], [ServerEvent::Media(message)] if message.stream_id == 1));
    server.publish("c");
    assert!(server.events(&message(4, 9, 77, b"picture")).is_empty(), "of one of two");
    assert_eq!(server.events(&call(play, "closeStream", 0.0, vec![])), [ServerEvent::PlayEnd { stream_id: play }]);
    assert!(server.heard().is_empty());
}

#[test]
fn media_as_it_is_given_out() {
    let mut server = Server::connected();
    server.publish("key");
    let mut media = |kind, payload: &[u8]| -> Vec<(u8, u32, Vec<u8>)> {
        let events = server.events(&message(6, kind, 1, payload)).into_iter();
        let parts = events.map(|event| match event {
            ServerEvent::Media(message) => (message.kind, message.timestamp, message.payload.to_vec()),
            other => panic!("{other:?}"),
        });
        parts.collect()
    };
    assert_eq!(media(8, b""), [(8, 0, vec![])], "silence");
    assert!(media(9, b"").is_empty() && media(18, b"").is_empty());
    assert_eq!(media(18, b"\x02\0\x01a"), [(18, 0, b"\x02\0\x01a".to_vec())]);
    assert_eq!(media(15, b"\0\x02\0\x01a"), [(18, 0, b"\x02\0\x01a".to_vec())]);
    assert_eq!(media(15, b"\x02\0\x01a"), [(18, 0, b"\x02\0\x01a".to_vec())]);
    assert!(media(15, b"\0").is_empty());
    for unknown in [0, 7, 16, 19, 23, 135, 255] {
        assert!(media(unknown, b"whatever").is_empty());
    }
    let mut aggregate = vec![8, 0, 0, 1, 0, 0, 5, 0, 0, 0, 0, 0xAA, 0, 0, 0, 12];
    aggregate.extend([9, 0, 0, 1, 0, 0, 7, 0, 0, 0, 0, 0xBB]);
    assert_eq!(media(22, &aggregate), [(8, 0, vec![0xAA]), (9, 2, vec![0xBB])]);
}

/// Enhanced RTMP v2 "AMF3": a format byte, AMF0 values, and AMF3 behind the marker 0x11 for one value each.
#[test]
fn amf3_is_read_within_limits_and_given_out_as_amf0() {
    let mut server = Server::greeted();
    // `connect`, 1, and an AMF3 object {app: "live", capsEx: 1}: U29 0x23 is an inline class with two sealed names.
    let object = b"\x11\x0A\x23\x01\x07app\x0DcapsEx\x06\x09live\x04\x01";
    let payload = [&b"\0\x02\0\x07connect\0\x3F\xF0\0\0\0\0\0\0"[..], object].concat();
    let Some(ServerEvent::Connect(request)) = server.events(&message(3, 17, 0, &payload)).pop() else { panic!() };
    assert_eq!((request.app.as_str(), request.capabilities.caps_ex), ("live", CapsEx::RECONNECT));
    server.session.accept_connect().unwrap();
    server.heard();
    server.publish("key");
    let mut data = |payload: &[u8]| match server.events(&message(4, 15, 1, payload)).pop() {
        Some(ServerEvent::Media(message)) => (message.kind, message.payload.to_vec()),
        other => panic!("{other:?}"),
    };
    // An AMF3 array of the integer 1 is a strict array of the number 1.
    assert_eq!(data(b"\0\x02\0\x01a\x11\x09\x03\x01\x04\x01").1, b"\x02\0\x01a\x0A\0\0\0\x01\0\x3F\xF0\0\0\0\0\0\0");
    // Arrays in arrays beyond the limit: passed on as it came, the connection stays.
    let deep = [&b"\x02\0\x01a\x11"[..], &[9, 3, 1].repeat(100), &[1]].concat();
    assert_eq!(data(&[&[0][..], &deep].concat()), (18, deep.clone()));
    // In a command it is an error of this connection.
    let deep = [&b"\0\x02\0\x01a\0\0\0\0\0\0\0\0\0\x11"[..], &[9, 3, 1].repeat(100), &[1]].concat();
    let error = server.session.receive(&message(3, 17, 0, &deep)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::AmfLimit { .. }), "{error}");
}

#[test]
fn media_before_connect_and_without_publish_is_dropped() {
    let mut server = Server::greeted();
    assert!(server.events(&message(4, 8, 1, b"x")).is_empty());
    let mut server = Server::connected();
    assert!(server.events(&message(4, 8, 1, b"x")).is_empty());
}

#[test]
fn control_messages_on_any_chunk_stream_and_before_connect() {
    let mut server = Server::greeted();
    let window = [0, 0, 0x10, 0];
    assert!(server.events(&message(3, 5, 1, &window)).is_empty());
    server.events(&message(9, 4, 5, &[0, 6, 1, 2, 3, 4]));
    assert_eq!(server.heard(), ["PingResponse(16909060)"]);
    // 4096 bytes is the window; half of it has come.
    server.events(&message(6, 99, 0, &[0; 3000]));
    let received = 3 * 12 + 4 + 6 + 3000 + 3000 / 128;
    assert_eq!(server.heard(), [format!("Ack({received})")]);
    assert_eq!(server.events(&control(Control::Ack(u32::MAX))), [ServerEvent::Acknowledged(u32::MAX)]);
    assert_eq!(server.events(&control(Control::Ack(0))), [ServerEvent::Acknowledged(0)]);
    server.events(&control(Control::SetPeerBandwidth { size: 1, limit: 9 }));
    assert_eq!(server.heard(), ["WindowAckSize(1)"]);
    assert_eq!(server.session.peer_bandwidth(), Some(1));
}

#[test]
fn sent_bytes_are_counted() {
    let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
    session.receive(&handshake()).unwrap();
    assert_eq!(session.sent(), 0);
    assert_eq!(session.take_output().len(), 3073);
    session.note_sent(1000);
    assert_eq!(session.sent(), 4073);
}

#[test]
fn calls_without_a_transaction_get_no_answer() {
    let mut server = Server::connected();
    for name in ["releaseStream", "createStream", "_checkbw", "getStreamLength", "no such call"] {
        server.events(&call(0, name, 0.0, vec![text("x")]));
        assert!(server.heard().is_empty(), "{name}");
        server.events(&call(0, name, 7.25, vec![]));
        assert!(server.heard()[0].starts_with("0 _result 7.25 null"), "{name}");
    }
    for name in ["_result", "_error", "onStatus"] {
        server.events(&call(0, name, 5.0, vec![]));
        assert!(server.heard().is_empty(), "{name}");
    }
}

#[test]
fn streams_are_bounded() {
    let mut server = Server::connected();
    for id in 1..=1000 {
        server.events(&call(0, "createStream", 2.0, vec![]));
        assert_eq!(server.heard(), [format!("0 _result 2 null {id}")], "unused ones make room");
    }
    for _ in 0..8 {
        server.publish("x");
    }
    server.events(&call(0, "createStream", 2.0, vec![]));
    assert_eq!(server.heard(), ["0 _error 2 null !NetConnection.Call.Failed"]);
    let error = server.session.receive(&call(5000, "publish", 0.0, vec![])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooManyStreams { limit: 8 });
    assert_eq!(server.session.receive(&[]).unwrap_err(), error, "an error stays");
}

#[test]
fn odd_requests_harm_nobody() {
    let mut server = Server::connected();
    let odd = [Value::Null, Value::Number(f64::NAN), Value::StrictArray(vec![]), Value::object([("a", Value::Null)])];
    for value in odd {
        for name in [
            "publish",
            "play",
            "closeStream",
            "pause",
            "seek",
            "receiveAudio",
            "deleteStream",
            "FCUnpublish",
            "FCPublish",
        ] {
            server.events(&call(3, name, 1.0, vec![value.clone(); 4]));
            server.heard();
        }
    }
    let events = server.events(&call(0, "publish", 0.0, vec![]));
    assert!(
        matches!(&events[..], [ServerEvent::Publish(request)] if request.name.is_empty() && request.stream_id == 0)
    );
    let long = Value::from("n".repeat(1025));
    let error = server.session.receive(&call(1, "play", 0.0, vec![long])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NameTooLong { what: "the stream name", limit: 1024 });
}

#[test]
fn order_is_kept() {
    let mut server = Server::greeted();
    let error = server.session.receive(&call(0, "createStream", 1.0, vec![])).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OutOfOrder { .. }));
    assert_eq!((error.at.csid, error.at.message_type), (Some(3), Some(20)));
    let mut server = Server::connected();
    let error = server.session.receive(&connect(Value::object([("app", text("b"))]))).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OutOfOrder { what: "connect", .. }));
}

#[test]
fn a_client_that_asks_and_does_not_read_is_bounded() {
    let mut server = Server::connected();
    let calls = call(0, "releaseStream", 2.0, vec![]).repeat(50);
    let error = (0..1000).find_map(|_| server.session.receive(&calls).err()).unwrap();
    assert!(matches!(error.kind, ErrorKind::OutOfOrder { .. }), "{error}");
    assert!(server.session.take_output().len() < 100_000);
    // Pings and windows are not answered one by one.
    let mut server = Server::connected();
    let pings = control(Control::User(UserControl::PingRequest(1))).repeat(1000);
    for _ in 0..1000 {
        server.session.receive(&pings).unwrap();
    }
    assert!(server.session.take_output().len() < 100);
}

#[test]
fn names_are_not_shown() {
    let mut server = Server::connected();
    let publish = server.events(&call(1, "publish", 0.0, vec![text("hush-hush")]));
    let play = server.events(&call(2, "play", 0.0, vec![text("hush-hush")]));
    for events in [publish, play] {
        let shown = format!("{events:?}");
        assert!(shown.contains("****") && !shown.contains("hush"), "{shown}");
    }
}

#[test]
fn other_protocols_are_named() {
    for (bytes, kind) in [
        (&b"GET / HTTP/1.1\r\n"[..], ErrorKind::Http),
        (&[0x16, 3, 1], ErrorKind::Tls),
        (&[6], ErrorKind::Rtmpe(6)),
        (&[0], ErrorKind::NotRtmp(0)),
    ] {
        let error = ServerSession::new(ServerConfig::new([0; 1528])).receive(bytes).unwrap_err();
        assert_eq!(error.kind, kind);
    }
}

#[test]
fn another_chunk_size_is_announced_before_it_is_used() {
    let mut server = Server::connected();
    server.session.set_chunk_size(4096);
    assert!(server.heard().is_empty(), "no news");
    server.session.set_chunk_size(1);
    assert_eq!((server.heard(), server.session.chunk_size()), (vec!["SetChunkSize(128)".to_owned()], 128));
    // Longer than a chunk: read correctly only if both ends have the same size.
    server.play("s");
    assert_eq!(server.session.chunk_size(), 128);
}
