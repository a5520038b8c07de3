//! What a peer says that it can do, in connect and in the answer (Enhanced RTMP v2 "Enhancing NetConnection connect
//! Command").
use std::fmt;
use std::ops::BitOr;

use crate::amf0::Value;
use crate::flv::FourCc;

/// Most codecs kept of a peer's list or map; there are a dozen.
const MOST: usize = 64;

/// What one side of a connection has announced (Enhanced RTMP v2 "Enhancing NetConnection connect Command"). Empty where it said nothing, as nearly all encoders do whatever they send:
/// it tells what may be sent to a peer, never what may be taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `fourCcList`: the codecs that it can receive.
    pub four_cc_list: Vec<Codec>,
    /// `videoFourCcInfoMap`.
    pub video: Vec<(Codec, FourCcInfo)>,
    /// `audioFourCcInfoMap`.
    pub audio: Vec<(Codec, FourCcInfo)>,
    /// `capsEx`.
    pub caps_ex: CapsEx,
}

/// A codec of a list or a map (Enhanced RTMP v2 `fourCcList`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// `*`: each and every one.
    Any,
    /// One.
    FourCc(FourCc),
}

impl Codec {
    /// Reads a codec's name; `None` for what is neither four bytes nor `*`.
    pub fn from_text(text: &str) -> Option<Self> {
        if text == "*" { Some(Self::Any) } else { FourCc::from_text(text).map(Self::FourCc) }
    }

    fn is(self, codec: FourCc) -> bool {
        self == Self::Any || self == Self::FourCc(codec)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            // A list is text: codes that are no text are never made of one.
            Self::FourCc(codec) => f.write_str(&String::from_utf8_lossy(&codec.0)),
        }
    }
}

/// What can be done with a codec (Enhanced RTMP v2 `FourCcInfoMask`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FourCcInfo(pub u32);

impl FourCcInfo {
    /// `CanDecode`.
    pub const CAN_DECODE: Self = Self(1);
    /// `CanEncode`.
    pub const CAN_ENCODE: Self = Self(2);
    /// `CanForward`.
    pub const CAN_FORWARD: Self = Self(4);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FourCcInfo {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Abilities beside codecs (Enhanced RTMP v2 `CapsExMask`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapsEx(pub u32);

impl CapsEx {
    /// `Reconnect`: understands a reconnect request.
    pub const RECONNECT: Self = Self(1);
    /// `Multitrack`.
    pub const MULTITRACK: Self = Self(2);
    /// `ModEx`: can parse ModEx prefixes.
    pub const MOD_EX: Self = Self(4);
    /// `TimestampNanoOffset`.
    pub const TIMESTAMP_NANO_OFFSET: Self = Self(8);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for CapsEx {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether a peer takes something, as its Enhanced RTMP capabilities say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It says so.
    Yes,
    /// It says what it takes, and this is not among it.
    No,
    /// It does not say: most who take it do not either.
    Unsaid,
}

impl Capabilities {
    /// Those of a relay that looks into no codec: any codec is forwarded, and everything of Enhanced RTMP v2 is parsed.
    pub fn relay() -> Self {
        Capabilities {
            four_cc_list: vec![Codec::Any],
            video: vec![(Codec::Any, FourCcInfo::CAN_FORWARD)],
            audio: vec![(Codec::Any, FourCcInfo::CAN_FORWARD)],
            caps_ex: CapsEx::RECONNECT | CapsEx::MULTITRACK | CapsEx::MOD_EX | CapsEx::TIMESTAMP_NANO_OFFSET,
        }
    }

    /// Those of a client that plays for a relay: any codec and any tracks. The codecs are named one by one as well, for
    /// servers that do not know `*`.
    pub fn player() -> Self {
        let named = FourCc::VIDEO.into_iter().chain(FourCc::AUDIO).map(Codec::FourCc);
        Capabilities { four_cc_list: named.chain([Codec::Any]).collect(), ..Self::relay() }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the peer takes media of this codec in its enhanced form. H.264, AAC and MP3 have an older form too, which
    /// needs no announcement.
    pub fn takes(&self, codec: FourCc) -> Takes {
        let maps = match (FourCc::VIDEO.contains(&codec), FourCc::AUDIO.contains(&codec)) {
            (true, _) => [&self.video[..], &[]],
            (_, true) => [&self.audio[..], &[]],
            // A code of neither: it stands in one of the maps, or in none.
            _ => [&self.video[..], &self.audio[..]],
        };
        let info = maps.iter().flat_map(|map| map.iter()).filter(|(known, _)| known.is(codec));
        // "*" adds to what is said of a codec by name.
        let info = info.fold(FourCcInfo::default(), |all, (_, info)| all | *info);
        let receives = info.contains(FourCcInfo::CAN_DECODE) || info.contains(FourCcInfo::CAN_FORWARD);
        if receives || self.four_cc_list.iter().any(|known| known.is(codec)) {
            return Takes::Yes;
        }
        let said = !self.four_cc_list.is_empty() || maps.iter().any(|map| !map.is_empty());
        if said { Takes::No } else { Takes::Unsaid }
    }

    /// Whether the peer takes multitrack bodies.
    pub fn takes_multitrack(&self) -> Takes {
        match self.caps_ex {
            caps if caps.contains(CapsEx::MULTITRACK) => Takes::Yes,
            _ if self.is_empty() => Takes::Unsaid,
            _ => Takes::No,
        }
    }

    /// Reads the properties of a connect object, or of the answer to one. What is of another type than it should be, or no
    /// codec, is as if it was not there.
    pub fn read(object: &Value) -> Self {
        Capabilities {
            four_cc_list: read_list(object.get("fourCcList")),
            video: read_map(object.get("videoFourCcInfoMap")),
            audio: read_map(object.get("audioFourCcInfoMap")),
            caps_ex: CapsEx(flags(object.get_f64("capsEx"))),
        }
    }

    /// The properties to send; none for what is empty.
    pub fn write(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let list = self.four_cc_list.iter().map(|codec| codec.to_string().into()).collect();
        let map = |map: &[(Codec, FourCcInfo)]| {
            Value::object(map.iter().map(|(codec, info)| (codec.to_string(), Value::from(f64::from(info.0)))))
        };
        [
            (!self.four_cc_list.is_empty()).then_some(("fourCcList", Value::StrictArray(list))),
            (!self.video.is_empty()).then(|| ("videoFourCcInfoMap", map(&self.video))),
            (!self.audio.is_empty()).then(|| ("audioFourCcInfoMap", map(&self.audio))),
            (self.caps_ex.0 != 0).then(|| ("capsEx", Value::from(f64::from(self.caps_ex.0)))),
        ]
        .into_iter()
        .flatten()
    }
}

/// A strict array of text; objects by position are taken too, anything else in it is left out.
fn read_list(value: Option<&Value>) -> Vec<Codec> {
    let Some(value) = value else { return Vec::new() };
    let fields = value.fields().unwrap_or_default().iter().map(|(_, value)| value);
    let items = value.items().unwrap_or_default().iter().chain(fields);
    items.filter_map(|item| Codec::from_text(item.as_str()?)).take(MOST).collect()
}

fn read_map(value: Option<&Value>) -> Vec<(Codec, FourCcInfo)> {
    let fields = value.and_then(Value::fields).unwrap_or_default();
    let codec = |(name, value): &(String, Value)| Some((Codec::from_text(name)?, FourCcInfo(flags(value.as_f64()))));
    fields.iter().filter_map(codec).take(MOST).collect()
}

/// Bits sent as a double: nothing sensible (NaN, negative, too large) is no bits.
fn flags(number: Option<f64>) -> u32 {
    number.filter(|number| (0.0..4_294_967_296.0).contains(number)).map_or(0, |number| number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: Vec<(&str, Value)>) -> Capabilities {
        Capabilities::read(&Value::object(fields))
    }

    fn list(codecs: &[&str]) -> Value {
        Value::StrictArray(codecs.iter().map(|codec| Value::from(*codec)).collect())
    }

    /// The examples of the specification's table.
    #[test]
    fn what_is_announced_is_known() {
        let nobody = Capabilities::default();
        assert_eq!((nobody.takes(FourCc::HVC1), nobody.takes_multitrack()), (Takes::Unsaid, Takes::Unsaid));
        let old = read(vec![("fourCcList", list(&["av01", "vp09", "hvc1", "Opus"]))]);
        assert_eq!(old.takes(FourCc::HVC1), Takes::Yes);
        assert_eq!([FourCc::VVC1, FourCc::FLAC].map(|codec| old.takes(codec)), [Takes::No; 2]);
        assert_eq!(old.takes_multitrack(), Takes::No);
        let any = read(vec![("fourCcList", list(&["*"])), ("capsEx", 2.0.into())]);
        assert_eq!((any.takes(FourCc(*b"neww")), any.takes_multitrack()), (Takes::Yes, Takes::Yes));
        let map = read(vec![(
            "videoFourCcInfoMap",
            Value::object([("vp09", 3.0), ("hvc1", 2.0)].map(|(name, info)| (name, Value::from(info)))),
        )]);
        assert_eq!(map.takes(FourCc::VP09), Takes::Yes);
        assert_eq!(map.takes(FourCc::HVC1), Takes::No, "encodes it only");
        assert_eq!(map.takes(FourCc::OPUS), Takes::Unsaid, "speaks of video only");
        let forward = read(vec![("audioFourCcInfoMap", Value::object([("*", Value::from(4.0))]))]);
        assert_eq!((forward.takes(FourCc::OPUS), forward.takes(FourCc::AV01)), (Takes::Yes, Takes::Unsaid));
    }

    #[test]
    fn what_is_written_is_read() {
        let relay = Capabilities::relay();
        let written: Vec<_> = relay.write().collect();
        let names: Vec<_> = written.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"]);
        assert_eq!(read(written), relay);
        assert_eq!(relay.caps_ex, CapsEx(15));
        assert_eq!(Capabilities::default().write().count(), 0);
        let player = Capabilities::player();
        assert_eq!(read(player.write().collect()), player);
        assert!(player.caps_ex.contains(CapsEx::RECONNECT) && player.four_cc_list.len() == 13);
    }

    #[test]
    fn nonsense_is_not_there() {
        let map = Value::EcmaArray(vec![("hevc1".into(), 1.0.into()), ("av01".into(), "one".into())]);
        let odd = read(vec![
            ("fourCcList", Value::StrictArray(vec![7.0.into(), "hvc1".into(), "toolong".into(), Value::Null])),
            ("videoFourCcInfoMap", map),
            ("audioFourCcInfoMap", 1.0.into()),
            ("capsEx", f64::NAN.into()),
        ]);
        assert_eq!(odd.four_cc_list, [Codec::FourCc(FourCc::HVC1)]);
        assert_eq!(odd.video, [(Codec::FourCc(FourCc::AV01), FourCcInfo(0))]);
        assert!(odd.audio.is_empty() && odd.caps_ex == CapsEx(0));
        for number in [1e308, -1.0, f64::INFINITY] {
            assert_eq!(read(vec![("capsEx", number.into())]).caps_ex, CapsEx(0));
        }
        let long = read(vec![("fourCcList", list(&["av01"; 1000]))]);
        assert_eq!(long.four_cc_list.len(), MOST);
        assert!(Capabilities::read(&Value::Null).is_empty());
    }
}
