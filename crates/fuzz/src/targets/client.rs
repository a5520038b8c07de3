//! The client's session, of a publisher and of a player: a server's messages, made from a plan and written with our own
//! chunk writer, with damage; the same events for every cut, no key in what it tells, and memory within its limits.
use outflow_rtmp::amf0::Value;
use outflow_rtmp::auth::{Credentials, Login};
use outflow_rtmp::command::{Command, status};
use outflow_rtmp::handshake::ServerHandshake;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::{ClientConfig, ClientEvent, ClientSession, Role, Stage};
use outflow_rtmp::{Error, Limits};

use super::chunks::bound;
use super::{dialogue, script, server};
use crate::dice::{Dice, cuts};
use crate::meter::within;

/// The key, which no event may show.
const KEY: &str = "k3y-of-the-show";

pub(super) fn run(data: &[u8]) {
    let [mode, seed, plan @ ..] = data else { return };
    let config = config(*mode);
    let hello = hello(&config);
    let mut bytes = hello.clone();
    match mode & 4 == 4 {
        true => bytes.extend_from_slice(plan),
        false => bytes.extend_from_slice(&dialogue::write(&mut Dice::new(plan), call)),
    }
    let (limits, piece) = (&config.limits, 1500);
    let allowed = 48 * 1024
        + bound(limits, bytes.len())
        + 400 * piece
        + 6 * limits.amf_bytes.min(300 * bytes.len())
        + 600 * limits.amf_nodes.min(bytes.len())
        + 4 * limits.unsent;
    within(allowed, "client session", || receive(&config, cuts(&bytes, u64::from(*seed), piece), |_| {}));
    let config = ClientConfig { limits: Limits { unsent: usize::MAX, ..config.limits.clone() }, ..config };
    let all = |cuts: &mut dyn Iterator<Item = &[u8]>| {
        let mut events = Vec::new();
        let error = receive(&config, cuts, |event| events.push(event));
        (events, error)
    };
    let whole = all(&mut std::iter::once(&bytes[..]));
    for longest in [1 + usize::from(mode >> 3), 700] {
        let dialogue = cuts(&bytes[hello.len()..], u64::from(*seed), longest);
        let cut = all(&mut std::iter::once(&hello[..]).chain(dialogue));
        let same = cut.0 == whole.0 || format!("{:?}", cut.0) == format!("{:?}", whole.0);
        assert!(same && cut.1 == whole.1, "in pieces of at most {longest}: {whole:?} became {cut:?}");
    }
}

fn config(mode: u8) -> ClientConfig {
    let role = if mode & 8 == 8 { Role::Play } else { Role::Publish };
    let limits = server::limits(mode & 1 == 1);
    let subscribe = (mode & 16 == 16).then(|| "name".into());
    let config = ClientConfig::new(role, "live", KEY, "rtmp://h/live", [9; 1528]);
    ClientConfig { limits, digest: mode & 2 == 2, subscribe, ..config }
}

/// S0, S1 and S2 of a server that knows digests.
fn hello(config: &ClientConfig) -> Vec<u8> {
    let mut server = ServerHandshake::new(&[7; 1528]);
    let client = ClientSession::new(config.clone()).take_output();
    server.read(&mut &client[..]).unwrap();
    server.take_output().to_vec()
}

/// What a server says, in an order that makes sense or none.
fn call(dice: &mut Dice<'_>, step: usize) -> (u32, Command) {
    let stream = dice.pick(&[0, 1, 1, 2]);
    let name = match dice.byte() {
        0..150 => ["_result", "_result", "onStatus"][step.min(2)],
        other => {
            let names = ["_error", "_result", "onStatus", "close", "onBWDone", "onFCPublish", "onFCSubscribe", "call"];
            names[usize::from(other) % names.len()]
        }
    };
    let transaction = [1.0, 4.0, 0.0][step.min(2)];
    let transaction = if dice.one_in(4) { f64::from(dice.byte() % 9) } else { transaction };
    let mut command = Command::new(name, transaction, Vec::new());
    command.object = if dice.one_in(3) { script::value(dice, 2) } else { Value::Null };
    let info = |dice: &mut Dice<'_>| {
        // Servers like to quote the key.
        let words = match dice.byte() {
            0..128 => dice.pick(script::TEXTS),
            _ => "no such key k3y-of-the-show!",
        };
        let mut info = status(dice.pick(&["status", "error"]), dice.pick(script::TEXTS), words);
        if let (Value::Object(fields), true) = (&mut info, dice.one_in(3)) {
            fields.extend((0..dice.below(4)).map(|_| (dice.pick(script::NAMES).to_owned(), script::value(dice, 2))));
        }
        info
    };
    command.arguments.push(match dice.byte() {
        0..60 if step == 1 => Value::Number(f64::from(dice.below(4) as u32)),
        60..90 => Value::Number(f64::from(dice.number())),
        90..110 => script::value(dice, 2),
        _ => info(dice),
    });
    command.arguments.extend((0..dice.below(2)).map(|_| script::value(dice, 2)));
    (stream, command)
}

fn receive<'a>(
    config: &ClientConfig,
    pieces: impl Iterator<Item = &'a [u8]>,
    mut told: impl FnMut(ClientEvent),
) -> Option<Error> {
    let mut session = ClientSession::new(config.clone());
    let mut login = Login::new(Credentials { user: "u".into(), password: "p".into() });
    let (mut error, mut stage) = (None, Stage::Handshake);
    for piece in pieces {
        error = session.receive(piece).err();
        assert!(session.stage() >= stage, "{stage:?} became {:?}", session.stage());
        stage = session.stage();
        while let Some(event) = session.next_event() {
            match &event {
                ClientEvent::Media(message) => {
                    assert!(config.role == Role::Play, "a publisher gets no media");
                    assert!(matches!(message.kind, kind::AUDIO | kind::VIDEO | kind::DATA));
                }
                ClientEvent::Refused(refusal) => {
                    assert!(!refusal.description.contains(KEY) && !refusal.code.contains(KEY), "{refusal:?}");
                    if let Some(demand) = &refusal.auth {
                        let _ = login.answer(demand, "live", 7);
                    }
                }
                ClientEvent::Ended { description, .. } | ClientEvent::ReconnectRequest { description, .. } => {
                    assert!(!description.contains(KEY), "{description}");
                }
                _ => {}
            }
            told(event);
        }
        if error.is_some() {
            assert!(session.receive(&[0]).is_err(), "an error is final");
            break;
        }
        let output = session.take_output();
        assert!(output.len() < 1 << 20, "{} bytes of answers", output.len());
    }
    session.finish();
    session.take_output();
    error
}
