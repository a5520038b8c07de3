//! Silence for a stream without sound (`silence=on`): AAC that keeps step with the pictures, until there is sound.

use bytes::{Bytes, BytesMut};
use outflow_rtmp::Limits;
use outflow_rtmp::amf0::{self, Value};
use outflow_rtmp::flv::audio::{AudioHeader, PacketType};

use crate::media::{Flags, Kind, Packet};

/// AAC-LC, 44.1 kHz, two channels (FLV 10.1 §E.4.2 `AACAUDIODATA`; AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1).
const HEADER: &[u8] = b"\xAF\x00\x12\x10";
/// A frame of 1024 samples of nothing in each of two channels.
const FRAME: &[u8] = b"\xAF\x01\x21\x10\x04\x60\x8C\x1C";
const RATE: i64 = 44_100;
const SAMPLES: i64 = 1_024;
/// How long sound is waited for that the metadata announces, in milliseconds.
const ANNOUNCED: i64 = 1_000;
/// A gap between two pictures beyond this is not filled.
const LONGEST: i64 = 10_000;
/// Most bytes of headers that wait for their sound. Real ones have some bytes.
const MOST_HELD: usize = 256 * 1024;
const ON_META_DATA: &str = "onMetaData";

/// Puts silence among the packets of one selection.
#[derive(Default)]
pub(super) struct Silence {
    state: State,
    /// The metadata says that there is sound.
    announced: bool,
    /// The metadata as it came.
    metadata: Option<Packet>,
    /// The latest headers of sound that has not come yet: they go out before its first frame.
    held: Vec<Packet>,
    /// Until when there has been silence: sound from before that has no place any more.
    until: i64,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    /// Nothing is known.
    #[default]
    New,
    /// Sound is announced; since the picture of this time it is waited for.
    Waiting(i64),
    /// Silence since this time, so many frames of it.
    Silent(i64, i64),
    /// There is sound.
    Sound,
}

impl Silence {
    /// A source begins, and says whether it will have sound.
    pub(super) fn start(&mut self, audio: Option<bool>) {
        self.state = if audio == Some(true) { State::Sound } else { State::New };
        self.announced = false;
        self.metadata = None;
        self.held.clear();
    }

    /// There is sound.
    pub(super) fn heard(&mut self) {
        self.state = State::Sound;
    }

    /// The source's metadata.
    pub(super) fn metadata(&mut self, packet: &Packet) {
        if packet.flags.header {
            self.announced = announces_sound(&packet.body);
            self.metadata = Some(packet.clone());
        }
    }

    /// What the metadata said no longer holds.
    pub(super) fn forget_metadata(&mut self) {
        self.announced = false;
        self.metadata = None;
    }

    /// Keeps a header for the sound that may follow; false if it is to go out now. A header alone is no sound: many a camera
    /// sends one for a microphone that it does not have.
    pub(super) fn hold(&mut self, header: &Packet) -> bool {
        if self.state == State::Sound {
            return false;
        }
        let place = |packet: &Packet| {
            let header = AudioHeader::parse(&packet.body);
            (packet.track, header.is_ok_and(|header| header.is_multichannel_config()))
        };
        let own = place(header);
        self.held.retain(|packet| place(packet) != own);
        let bytes: usize = self.held.iter().map(|packet| packet.body.len()).sum();
        let is_held = bytes + header.body.len() <= MOST_HELD;
        if is_held {
            self.held.push(header.clone());
        }
        is_held
    }

    /// Adds a packet to `out`, and silence before it where it is due. True where the silence is over: what was said of its
    /// codec no longer holds.
    pub(super) fn take(&mut self, packet: Packet, out: &mut Vec<Packet>) -> bool {
        match packet.kind {
            Kind::Data => {
                self.metadata(&packet);
                let told = matches!(self.state, State::Silent(..)) && packet.flags.header;
                out.push(if told { with_silence(packet) } else { packet });
                false
            }
            Kind::Audio if packet.flags.header && self.hold(&packet) => false,
            Kind::Audio if self.state != State::Sound && !packet.flags.header && !is_sound(&packet) => false,
            Kind::Audio => {
                let was_silent = matches!(self.state, State::Silent(..));
                self.state = State::Sound;
                let (dts, arrival) = (packet.dts, packet.arrival);
                if let (true, Some(metadata)) = (was_silent, &self.metadata) {
                    out.push(Packet { dts, arrival, ..metadata.clone() });
                }
                let since = dts.max(self.until);
                out.extend(self.held.drain(..).map(|header| Packet { dts: since, arrival, ..header }));
                if packet.flags.header || dts >= self.until {
                    out.push(Packet { dts: since, ..packet });
                }
                was_silent
            }
            Kind::Video => {
                self.keep_up(&packet, out);
                out.push(packet);
                false
            }
        }
    }

    /// Adds the silence that belongs before a picture: never ahead of it.
    fn keep_up(&mut self, picture: &Packet, out: &mut Vec<Packet>) {
        if picture.flags.header {
            return;
        }
        let now = picture.dts;
        self.state = match self.state {
            // Where readers can begin: what was before is in nobody's way.
            State::New if !picture.flags.keyframe => State::New,
            State::New if self.announced || !self.held.is_empty() => State::Waiting(now),
            State::New => self.begin(picture, out),
            State::Waiting(since) if now - since >= ANNOUNCED => self.begin(picture, out),
            other => other,
        };
        let State::Silent(mut origin, mut frames) = self.state else { return };
        if now - time(origin, frames) > LONGEST {
            (origin, frames) = (now, 0);
        }
        while time(origin, frames) < now {
            out.push(sound(picture, time(origin, frames), FRAME, false));
            frames += 1;
            self.until = time(origin, frames);
        }
        self.state = State::Silent(origin, frames);
    }

    fn begin(&self, picture: &Packet, out: &mut Vec<Packet>) -> State {
        let origin = picture.dts.max(self.until);
        if let Some(metadata) = &self.metadata {
            let (dts, arrival) = (picture.dts, picture.arrival);
            out.push(with_silence(Packet { dts, arrival, ..metadata.clone() }));
        }
        out.push(sound(picture, origin, HEADER, true));
        State::Silent(origin, 0)
    }
}

/// True for frames: not what tells of sound, nor messages with nothing in them, which some send who have none.
pub(super) fn is_sound(packet: &Packet) -> bool {
    if packet.flags.header {
        return false;
    }
    let Ok(header) = AudioHeader::parse(&packet.body) else {
        // What nobody here can read may be sound, if it is not just cut short.
        return packet.body.len() > 2;
    };
    header.packet_type != PacketType::SequenceEnd
        && header.tracks(&packet.body).any(|track| track.is_ok_and(|track| !track.payload.is_empty()))
}

/// The time of the frame with this number.
fn time(origin: i64, frames: i64) -> i64 {
    origin + frames * SAMPLES * 1_000 / RATE
}

fn sound(picture: &Packet, dts: i64, body: &'static [u8], header: bool) -> Packet {
    let flags = Flags { header, ..Flags::default() };
    let (body, arrival) = (Bytes::from_static(body), picture.arrival);
    Packet { kind: Kind::Audio, track: 0, dts, cts: 0, flags, body, arrival }
}

/// The properties of `onMetaData`, and what stands before them; nothing where it is not as it should be.
fn properties(body: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut values = amf0::decode_all(body, &Limits::default()).ok()?.into_iter();
    match (values.next()?, values.next()?, values.next()) {
        (Value::String(name), Value::EcmaArray(fields) | Value::Object(fields), None) if name == ON_META_DATA => {
            Some(fields)
        }
        _ => None,
    }
}

fn announces_sound(body: &[u8]) -> bool {
    properties(body).is_some_and(|fields| {
        fields.iter().any(|(name, value)| {
            // 0 is a codec nobody has, and what some write who have none.
            name == "audiocodecid" && !matches!(value, Value::Null | Value::Undefined | Value::Number(0.0))
        })
    })
}

/// Metadata that tells of the silence. What can't be read stays as it is.
fn with_silence(packet: Packet) -> Packet {
    let Some(mut fields) = properties(&packet.body) else { return packet };
    let facts = [
        ("audiocodecid", Value::Number(10.0)),
        ("audiosamplerate", Value::Number(44_100.0)),
        ("audiosamplesize", Value::Number(16.0)),
        ("audiochannels", Value::Number(2.0)),
        ("stereo", Value::Boolean(true)),
    ];
    fields.retain(|(name, _)| name != "audiodatarate" && facts.iter().all(|(fact, _)| fact != name));
    fields.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    let mut body = BytesMut::with_capacity(packet.body.len() + 128);
    amf0::encode_all(&[Value::String(ON_META_DATA.into()), Value::EcmaArray(fields)], &mut body);
    Packet { body: body.freeze(), ..packet }
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
