//! Which channel of sound is where: the data of `MultichannelConfig` (Enhanced RTMP v2 "Enhanced Audio").
use bytes::{BufMut, BytesMut};

use super::enhanced::Fields;
use crate::error::Result;

/// The channels of a track, for codecs whose own headers do not say them (Enhanced RTMP v2 `ExAudioTagBody`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultichannelConfig {
    /// How many channels there are.
    pub channels: u8,
    /// Which they are.
    pub order: ChannelOrder,
}

/// The order of channels (Enhanced RTMP v2 `AudioChannelOrder`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelOrder {
    /// 0: only their number is known.
    Unspecified,
    /// 1: in the order of [`mask`], of which these are there (`audioChannelFlags`).
    Native(u32),
    /// 2: a speaker for each channel, in the order of the channels (`AudioChannel`; 0xFE is unused, 0xFF unknown).
    Custom(Vec<u8>),
    /// 3 to 255: reserved.
    Reserved(u8),
}

/// Speakers as bits of `audioChannelFlags` (`AudioChannelMask`); the number of the bit is the `AudioChannel`.
pub mod mask {
    /// Front left.
    pub const FRONT_LEFT: u32 = 1;
    /// Front right.
    pub const FRONT_RIGHT: u32 = 1 << 1;
    /// Front center.
    pub const FRONT_CENTER: u32 = 1 << 2;
    /// The first channel for low frequencies.
    pub const LOW_FREQUENCY_1: u32 = 1 << 3;
    /// Back left.
    pub const BACK_LEFT: u32 = 1 << 4;
    /// Back right.
    pub const BACK_RIGHT: u32 = 1 << 5;
    /// Between front left and center.
    pub const FRONT_LEFT_CENTER: u32 = 1 << 6;
    /// Between front right and center.
    pub const FRONT_RIGHT_CENTER: u32 = 1 << 7;
    /// Back center.
    pub const BACK_CENTER: u32 = 1 << 8;
    /// Side left.
    pub const SIDE_LEFT: u32 = 1 << 9;
    /// Side right.
    pub const SIDE_RIGHT: u32 = 1 << 10;
    /// Top center.
    pub const TOP_CENTER: u32 = 1 << 11;
    /// Top front left.
    pub const TOP_FRONT_LEFT: u32 = 1 << 12;
    /// Top front center.
    pub const TOP_FRONT_CENTER: u32 = 1 << 13;
    /// Top front right.
    pub const TOP_FRONT_RIGHT: u32 = 1 << 14;
    /// Top back left.
    pub const TOP_BACK_LEFT: u32 = 1 << 15;
    /// Top back center.
    pub const TOP_BACK_CENTER: u32 = 1 << 16;
    /// Top back right.
    pub const TOP_BACK_RIGHT: u32 = 1 << 17;
    /// The second channel for low frequencies, of 22.2.
    pub const LOW_FREQUENCY_2: u32 = 1 << 18;
    /// Top side left.
    pub const TOP_SIDE_LEFT: u32 = 1 << 19;
    /// Top side right.
    pub const TOP_SIDE_RIGHT: u32 = 1 << 20;
    /// Bottom front center.
    pub const BOTTOM_FRONT_CENTER: u32 = 1 << 21;
    /// Bottom front left.
    pub const BOTTOM_FRONT_LEFT: u32 = 1 << 22;
    /// Bottom front right.
    pub const BOTTOM_FRONT_RIGHT: u32 = 1 << 23;
}

impl MultichannelConfig {
    /// Reads the payload of a `MultichannelConfig` packet.
    ///
    /// # Errors
    /// It ends too early.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("channel configuration", payload);
        let (order, channels) = (fields.byte()?, fields.byte()?);
        let order = match order {
            0 => ChannelOrder::Unspecified,
            1 => ChannelOrder::Native(u32::from_be_bytes(fields.array()?)),
            2 => ChannelOrder::Custom(fields.take(usize::from(channels))?.to_vec()),
            other => ChannelOrder::Reserved(other),
        };
        Ok(MultichannelConfig { channels, order })
    }

    /// Appends the payload. A custom order is as many channels as it has speakers.
    pub fn write(&self, out: &mut BytesMut) {
        match &self.order {
            ChannelOrder::Unspecified => out.put_slice(&[0, self.channels]),
            ChannelOrder::Native(flags) => {
                out.put_slice(&[1, self.channels]);
                out.put_u32(*flags);
            }
            ChannelOrder::Custom(speakers) => {
                let speakers = speakers.get(..255).unwrap_or(speakers);
                out.put_slice(&[2, speakers.len() as u8]);
                out.put_slice(speakers);
            }
            ChannelOrder::Reserved(order) => out.put_slice(&[*order, self.channels]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn written(config: &MultichannelConfig) -> Vec<u8> {
        let mut out = BytesMut::new();
        config.write(&mut out);
        out.to_vec()
    }

    /// By hand from "ExAudioTagBody": audioChannelOrder UI8, channelCount UI8, then UI32 flags or UI8 for each channel.
    #[test]
    fn every_order_in_its_bytes() {
        let surround = mask::FRONT_LEFT | mask::FRONT_RIGHT | mask::FRONT_CENTER | mask::LOW_FREQUENCY_1;
        let surround = surround | mask::SIDE_LEFT | mask::SIDE_RIGHT;
        for (bytes, channels, order) in [
            (&[0, 2][..], 2, ChannelOrder::Unspecified),
            (&[1, 6, 0, 0, 0x06, 0x0F], 6, ChannelOrder::Native(surround)),
            (&[2, 3, 1, 0, 0xFE], 3, ChannelOrder::Custom(vec![1, 0, 0xFE])),
            (&[9, 1], 1, ChannelOrder::Reserved(9)),
        ] {
            let config = MultichannelConfig { channels, order };
            assert_eq!(MultichannelConfig::parse(bytes).unwrap(), config);
            assert_eq!(written(&config), bytes);
            for cut in 0..bytes.len() {
                assert!(MultichannelConfig::parse(&bytes[..cut]).is_err(), "{cut} of {bytes:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(config) = MultichannelConfig::parse(&bytes) {
                let again = written(&config);
                prop_assert!(bytes.starts_with(&again));
            }
        }
    }
}
