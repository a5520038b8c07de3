//! AudioSpecificConfig, AAC's sequence header: what the sound is (ISO/IEC 14496-3 §1.6.2.1).
use super::bits::BitReader;
use crate::error::{Error, ErrorKind, Result};

/// What an AudioSpecificConfig says (ISO/IEC 14496-3 §1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AacConfig {
    /// The audio object type of the core: 2 is AAC-LC.
    pub object_type: u8,
    /// Samples a second that come out of the decoder, in Hz; twice the core's with explicit SBR.
    pub sample_rate: u32,
    /// Channels; 0 if only the bit stream says them.
    pub channels: u8,
    /// SBR is signalled (HE-AAC).
    pub sbr: bool,
    /// Parametric stereo is signalled (HE-AAC v2): one channel coded, two come out.
    pub ps: bool,
}

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

impl AacConfig {
    /// Reads the payload of an AAC sequence header.
    pub fn parse(config: &[u8]) -> Result<Self> {
        let problem = if config.is_empty() { "it is empty" } else { "it ends too early or has a reserved value" };
        let kind = ErrorKind::BadCodecConfig { record: "AudioSpecificConfig", problem };
        read(&mut BitReader::new(config)).ok_or_else(|| Error::at(kind, 0))
    }
}

fn read(bits: &mut BitReader<'_>) -> Option<AacConfig> {
    let mut object_type = read_object_type(bits)?;
    let mut sample_rate = read_rate(bits)?;
    let channels = match bits.bits(4)? {
        channels @ 0..=6 => channels as u8,
        11 => 7,
        7 | 12 | 14 => 8,
        _ => return None,
    };
    // 5: SBR, 29: SBR and PS; the core's type follows.
    let ps = object_type == 29;
    let sbr = ps || object_type == 5;
    if sbr {
        sample_rate = read_rate(bits)?;
        object_type = read_object_type(bits)?;
    }
    Some(AacConfig { object_type, sample_rate, channels, sbr, ps })
}

fn read_object_type(bits: &mut BitReader<'_>) -> Option<u8> {
    match bits.bits(5)? {
        31 => Some(32 + bits.bits(6)? as u8),
        object_type => Some(object_type as u8),
    }
}

fn read_rate(bits: &mut BitReader<'_>) -> Option<u32> {
    match bits.bits(4)? {
        15 => bits.bits(24),
        index => RATES.get(index as usize).copied(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn configurations_of_common_encoders() {
        let config =
            |object_type, sample_rate, channels, sbr, ps| AacConfig { object_type, sample_rate, channels, sbr, ps };
        assert_eq!(AacConfig::parse(&[0x12, 0x10]).unwrap(), config(2, 44_100, 2, false, false));
        assert_eq!(AacConfig::parse(&[0x11, 0x90, 0x56, 0xE5, 0]).unwrap(), config(2, 48_000, 2, false, false));
        // HE-AAC: 5, 24 kHz, stereo, 48 kHz, 2.
        assert_eq!(AacConfig::parse(&[0x2B, 0x11, 0x88]).unwrap(), config(2, 48_000, 2, true, false));
        // An escaped rate of 50000 Hz.
        assert_eq!(AacConfig::parse(&[0x17, 0x80, 0x61, 0xA8, 0x08]).unwrap(), config(2, 50_000, 1, false, false));
        assert!(AacConfig::parse(&[]).unwrap_err().to_string().contains("empty"));
        assert!(AacConfig::parse(&[0x12]).is_err());
        assert!(AacConfig::parse(&[0x16, 0x90]).is_err(), "rate index 13 is reserved");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
            let _ = AacConfig::parse(&bytes);
        }
    }
}
