//! The server's session: a client's messages, made from a plan and written with our own chunk writer, with damage; the same
//! events for every cut, and no more memory than its limits say.
use outflow_rtmp::amf0::Value;
use outflow_rtmp::command::Command;
use outflow_rtmp::handshake::ClientHandshake;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use outflow_rtmp::{Error, Limits};

use super::chunks::{bound, tight};
use super::{dialogue, script};
use crate::dice::{Dice, cuts};
use crate::meter::within;

pub(super) fn run(data: &[u8]) {
    let [mode, seed, plan @ ..] = data else { return };
    let limits = limits(mode & 1 == 1);
    let hello = hello(mode & 2 == 2);
    let mut bytes = hello.clone();
    match mode & 4 == 4 {
        // What was recorded, or is to be read as it is.
        true => bytes.extend_from_slice(plan),
        false => bytes.extend_from_slice(&dialogue::write(&mut Dice::new(plan), call)),
    }
    // Each event and each value of a command costs some hundred bytes, for a message of a few.
    let piece = 1500;
    let allowed = 48 * 1024
        + bound(&limits, bytes.len())
        + 400 * piece
        + 6 * limits.amf_bytes.min(300 * bytes.len())
        + 600 * limits.amf_nodes.min(bytes.len())
        + 4 * limits.unsent;
    within(allowed, "server session", || serve(&limits, *mode, cuts(&bytes, u64::from(*seed), piece), |_| {}));
    // What comes before a refusal is taken, and how much that is depends on the cuts.
    if mode & 0x30 == 0x30 {
        return;
    }
    // What is too much unread depends on how often it is read.
    let limits = Limits { unsent: usize::MAX, ..limits };
    let all = |cuts: &mut dyn Iterator<Item = &[u8]>| {
        let mut events = Vec::new();
        let error = serve(&limits, *mode, cuts, |event| events.push(event));
        (events, error)
    };
    let whole = all(&mut std::iter::once(&bytes[..]));
    for longest in [1 + usize::from(mode >> 3), 700] {
        let dialogue = cuts(&bytes[hello.len()..], u64::from(*seed), longest);
        let cut = all(&mut std::iter::once(&hello[..]).chain(dialogue));
        assert!(same(&cut.0, &whole.0) && cut.1 == whole.1, "in pieces of at most {longest}: {whole:?} became {cut:?}");
    }
}

/// NaN in a request is not equal to itself.
fn same(one: &[ServerEvent], other: &[ServerEvent]) -> bool {
    one == other || (one.len() == other.len() && format!("{one:?}") == format!("{other:?}"))
}

pub(super) fn limits(are_tight: bool) -> Limits {
    if !are_tight {
        return Limits::default();
    }
    Limits { streams: 3, amf_depth: 5, amf_nodes: 60, amf_bytes: 1000, name: 40, tc_url: 60, unsent: 4096, ..tight() }
}

fn hello(digest: bool) -> Vec<u8> {
    let mut client = if digest { ClientHandshake::with_digest(&[7; 1528]) } else { ClientHandshake::new(&[7; 1528]) };
    let mut bytes = client.take_output().to_vec();
    bytes.resize(3073, 0);
    bytes
}

/// What a client says, in an order that makes sense or none.
fn call(dice: &mut Dice<'_>, step: usize) -> (u32, Command) {
    let name = match (step, dice.byte()) {
        (0, 0..250) => "connect",
        (1, 0..200) => "createStream",
        (2, 0..100) => "publish",
        (2, 100..200) => "play",
        (_, byte) => {
            let names = [
                "createStream",
                "publish",
                "play",
                "releaseStream",
                "FCPublish",
                "FCUnpublish",
                "FCSubscribe",
                "closeStream",
                "deleteStream",
                "pause",
                "seek",
                "receiveAudio",
                "receiveVideo",
                "getStreamLength",
                "_result",
                "_error",
                "onStatus",
                "connect",
                "unheard",
            ];
            names[usize::from(byte) % names.len()]
        }
    };
    let stream = dice.pick(&[0, 1, 1, 1, 2, 3, u32::MAX]);
    let mut command = Command::new(name, f64::from(dice.byte()), Vec::new());
    if name == "connect" {
        let url = Value::from(dice.pick(&["rtmp://h/live", "'rtmp://h/a?k=v", "", "rtmp://h"]));
        let mut fields = vec![("app".to_owned(), Value::from(dice.pick(script::TEXTS))), ("tcUrl".to_owned(), url)];
        fields.extend((0..dice.below(5)).map(|_| (dice.pick(script::NAMES).to_owned(), script::value(dice, 2))));
        command.object = Value::Object(fields);
    }
    if !dice.one_in(8) {
        command.arguments.push(match name {
            "publish" | "play" => Value::from(dice.pick(&["key", "key?a=b", "", "other"])),
            _ => script::value(dice, 2),
        });
    }
    command.arguments.extend((0..dice.below(3)).map(|_| script::value(dice, 2)));
    (stream, command)
}

/// A server that says yes or no as the mode has it; gives the first error.
fn serve<'a>(
    limits: &Limits,
    mode: u8,
    pieces: impl Iterator<Item = &'a [u8]>,
    mut told: impl FnMut(ServerEvent),
) -> Option<Error> {
    let mut session = ServerSession::new(ServerConfig { limits: limits.clone(), ..ServerConfig::new([7; 1528]) });
    let (mut error, mut open) = (None, 0i32);
    for piece in pieces {
        error = session.receive(piece).err();
        while let Some(event) = session.next_event() {
            match &event {
                ServerEvent::Connect(_) if mode & 0xF0 == 0xF0 => {
                    let _ = session.reject_connect("NetConnection.Connect.Rejected", "no");
                }
                ServerEvent::Connect(_) => error = session.accept_connect().err().or(error),
                ServerEvent::Publish(request) if mode & 0x30 == 0x30 => {
                    open += 1;
                    open -= i32::from(session.refuse_publish(request.stream_id, "NetStream.Publish.BadName", "no"));
                }
                ServerEvent::Publish(request) => {
                    open += 1;
                    session.accept_publish(request.stream_id);
                }
                ServerEvent::Play(request) => {
                    open += 1;
                    if session.accept_play(request.stream_id) {
                        session.reconnect_request(Some("/app"), "go");
                    }
                }
                ServerEvent::PublishEnd { .. } | ServerEvent::PlayEnd { .. } => open -= 1,
                ServerEvent::Media(message) => {
                    assert!(matches!(message.kind, kind::AUDIO | kind::VIDEO | kind::DATA));
                    assert!(message.kind == kind::AUDIO || !message.payload.is_empty());
                }
                _ => {}
            }
            told(event);
        }
        assert!(open <= limits.streams as i32, "{open} requests are open");
        if error.is_some() {
            assert!(session.receive(&[0]).is_err(), "an error is final");
            break;
        }
        readable(&session.take_output());
    }
    session.close();
    while let Some(event) = session.next_event() {
        open -= i32::from(matches!(event, ServerEvent::PublishEnd { .. } | ServerEvent::PlayEnd { .. }));
        told(event);
    }
    assert_eq!(open, 0, "each publish and each play ends once");
    readable(&session.take_output());
    error
}

fn readable(output: &[u8]) {
    assert!(output.len() < 1 << 20, "{} bytes of answers", output.len());
}
