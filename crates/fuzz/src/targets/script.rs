//! Generated AMF values, for what wants some that are valid.
use outflow_rtmp::amf0::Value;
use outflow_rtmp::amf3;

use crate::dice::Dice;

/// Names that sessions and metadata look for.
pub(super) const NAMES: &[&str] = &[
    "app",
    "tcUrl",
    "flashVer",
    "swfUrl",
    "pageUrl",
    "objectEncoding",
    "fourCcList",
    "videoFourCcInfoMap",
    "audioFourCcInfoMap",
    "capsEx",
    "code",
    "level",
    "description",
    "ex",
    "redirect",
    "redirect2",
    "duration",
    "colorInfo",
    "colorConfig",
    "hdrCll",
    "x",
    "",
];

/// Texts that mean something to a session.
pub(super) const TEXTS: &[&str] = &[
    "live",
    "rtmp://h/live",
    "key",
    "status",
    "error",
    "NetConnection.Connect.Success",
    "NetConnection.Connect.Rejected",
    "NetConnection.Connect.ReconnectRequest",
    "NetConnection.Connect.Closed",
    "NetStream.Publish.Start",
    "NetStream.Publish.BadName",
    "NetStream.Play.Start",
    "NetStream.Play.Reset",
    "NetStream.Play.UnpublishNotify",
    "NetStream.Play.StreamNotFound",
    "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ",
    "[ authmod=llnw ] : ?reason=needauth&user=u&nonce=n",
    "[ authmod=adobe ] : ?reason=needauth&user=u&salt=s&challenge=c",
    "onMetaData",
    "@setDataFrame",
    "record",
    "append",
    "*",
    "hvc1",
    "Opus",
    "//h2/app",
    "/app2?k=v",
    "rtmps://h3/a",
    "",
];

/// Any value; `deep` containers may hold others.
pub(super) fn value(dice: &mut Dice<'_>, deep: u8) -> Value {
    match dice.below(if deep == 0 { 7 } else { 13 }) {
        0 => Value::Null,
        1 => Value::String(dice.pick(TEXTS).to_owned()),
        2 => Value::Number(f64::from(dice.number())),
        3 => Value::Boolean(dice.one_in(2)),
        4 => Value::String(dice.text()),
        5 => Value::Undefined,
        6 => Value::Number(f64::from_bits(u64::from(dice.word()) << 32)),
        7 | 8 => Value::Object(fields(dice, deep)),
        9 => Value::EcmaArray(fields(dice, deep)),
        10 => Value::StrictArray((0..dice.below(4)).map(|_| value(dice, deep - 1)).collect()),
        11 => Value::TypedObject { class: "c".to_owned(), fields: fields(dice, deep) },
        _ => Value::Amf3(amf3::Value::Object {
            class: String::new(),
            fields: (0..dice.below(4)).map(|_| (name(dice), flat(dice))).collect(),
        }),
    }
}

fn fields(dice: &mut Dice<'_>, deep: u8) -> Vec<(String, Value)> {
    (0..dice.below(6)).map(|_| (name(dice), value(dice, deep - 1))).collect()
}

fn name(dice: &mut Dice<'_>) -> String {
    dice.pick(NAMES).to_owned()
}

fn flat(dice: &mut Dice<'_>) -> amf3::Value {
    match dice.below(4) {
        0 => amf3::Value::Null,
        1 => amf3::Value::String(dice.pick(TEXTS).to_owned()),
        2 => amf3::Value::Integer(dice.number() as i32),
        _ => amf3::Value::Double(f64::from(dice.number())),
    }
}
