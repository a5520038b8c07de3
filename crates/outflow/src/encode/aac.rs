//! `c=aac`: AAC-LC.
//!
//! Timestamps: the decoded sound of an AAC-LC packet is that of the 1024 samples *before* the newest ones that went
//! into it. So the first access unit, which holds nothing but the encoder's run-up, is not sent, and access unit `n`
//! carries the time of sample `1024 (n - 1)`: a decoder that plays each packet at its timestamp plays every sample at
//! its own time, with no edit list, which FLV doesn't have. Only the first 1024 samples of a stream lack their
//! overlap and fade in.

use bytes::{BufMut, Bytes, BytesMut};
use syom::{EncodeOptions, Encoder as Syom};

use super::{Encoder, EncoderKind, RawInput, Takes};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::media::pace::tick_millis;
use crate::media::raw::Samples;
use crate::media::{Feed, Flags, Kind, Packet};
use crate::node::Node;
use crate::options::{OptionSpec, Type};
use crate::stop::Stop;

/// Samples per access unit.
const UNIT: u64 = 1024;

/// The FLV audio byte of AAC: rate and channels are those of the AudioSpecificConfig (FLV specification 1.0, E.4.2).
const AAC: u8 = 0xaf;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("b", Type::Rate, "", "bit rate; 64k for one channel, 96k for two and 48k each for more without it")
        .alias(&["rate", "bitrate"]),
    OptionSpec::new("profile", Type::Choice(&["aac_low"]), "aac_low", "AAC profile"),
];

const IGNORED: &[OptionSpec] = &[
    OptionSpec::new("cutoff", Type::Count, "", "largest frequency").ignored(),
    OptionSpec::new("aac_coder", Type::Text, "", "FFmpeg's search for quantisers").ignored(),
    OptionSpec::new("strict", Type::Text, "", "FFmpeg's strictness").ignored(),
    OptionSpec::new("pfmt", Type::Text, "", "sample format").ignored(),
    OptionSpec::new("ls", Type::Bool, "", "log statistics").ignored(),
];

/// The record of `c=aac`.
pub const KIND: EncoderKind =
    EncoderKind { name: "aac", summary: "AAC-LC", takes: Takes::Audio, options: &[OPTIONS, IGNORED], open };

// A source's target rate is meant for its video.
fn open(node: &Node, _target_rate: Option<u64>) -> Result<Box<dyn Encoder>, SpecError> {
    let rate = match node.options.count("b") {
        None => None,
        Some(rate) => match u32::try_from(rate) {
            Ok(rate) if (8000..=2_000_000).contains(&rate) => Some(rate),
            _ => {
                let problem = format!("{rate} bits per second is out of bounds");
                return Err(node.option_error("b", problem).hint("take 8k to 2m, such as b=128k"));
            }
        },
    };
    Ok(Box::new(Aac { rate }))
}

struct Aac {
    rate: Option<u32>,
}

impl Aac {
    fn encoder(&self, like: &Samples) -> Result<Syom, Ended> {
        let channels = like.planes.len();
        let each = u32::try_from(channels).unwrap_or(u32::MAX);
        let usual = match each {
            0 | 1 => 64_000,
            2 => 96_000,
            more => more.saturating_mul(48_000),
        };
        // An access unit holds at most 6144 bits per channel, which binds at low sample rates.
        let rate = self.rate.unwrap_or_else(|| usual.min(like.rate.saturating_mul(4).saturating_mul(each)));
        Syom::new(like.rate, channels, &EncodeOptions::raw().with_bitrate_bps(rate)).map_err(|error| {
            let text = format!(
                "aac: the encoder can't take {channels} channels at {} Hz and {rate} bits per second ({error}); take \
                 ch=1 to 6 or 8, an AAC sample rate such as sr=48000, or another rate with b=",
                like.rate
            );
            Ended::new(Origin::Config, Retry::Never, Reason::Media, text)
        })
    }
}

impl Encoder for Aac {
    fn run(self: Box<Self>, input: RawInput, feed: Feed, stop: Stop) -> Ended {
        let RawInput::Audio(input) = input else {
            return Ended::internal("aac: linked to pictures, takes samples");
        };
        let mut running: Option<Syom> = None;
        let mut units = Units { count: 0, rate: 0, feed };
        let mut arrival = std::time::Instant::now();
        for samples in input {
            if stop.is_stopped() {
                return Ended::stopped();
            }
            arrival = samples.arrival;
            let encoder = match &mut running {
                Some(encoder) => encoder,
                None => match self.encoder(&samples) {
                    Ok(encoder) => {
                        units.begin(encoder.asc(), samples.rate, arrival);
                        running.insert(encoder)
                    }
                    Err(ended) => return ended,
                },
            };
            let planes: Vec<&[f32]> = samples.planes.iter().map(Vec::as_slice).collect();
            let fed = encoder.feed(&planes, |unit| {
                units.push(unit.payload, arrival);
                Ok(())
            });
            if let Err(error) = fed {
                return Ended::internal(format!("aac: {error}"));
            }
        }
        if let Some(mut encoder) = running {
            let ended = encoder.finish(|unit| {
                units.push(unit.payload, arrival);
                Ok(())
            });
            if let Err(error) = ended {
                return Ended::internal(format!("aac: {error}"));
            }
        }
        Ended::clean()
    }
}

/// Gives each access unit its time.
struct Units {
    count: u64,
    rate: u32,
    feed: Feed,
}

impl Units {
    fn begin(&mut self, configuration: &[u8], rate: u32, arrival: std::time::Instant) {
        self.rate = rate;
        self.send(0, 0, configuration, arrival);
    }

    fn push(&mut self, unit: &[u8], arrival: std::time::Instant) {
        if let Some(number) = self.count.checked_sub(1) {
            self.send(tick_millis(number * UNIT, self.rate, 1), 1, unit, arrival);
        }
        self.count += 1;
    }

    fn send(&self, dts: i64, packet_type: u8, payload: &[u8], arrival: std::time::Instant) {
        let mut body = BytesMut::with_capacity(2 + payload.len());
        body.put_slice(&[AAC, packet_type]);
        body.put_slice(payload);
        let flags = Flags { header: packet_type == 0, ..Flags::default() };
        self.feed.push(Packet { kind: Kind::Audio, track: 0, dts, cts: 0, flags, body: Bytes::from(body), arrival });
    }
}
