//! AVCDecoderConfigurationRecord, H.264's sequence header: profile, level and picture size
//! (ISO/IEC 14496-15 §5.3.3, 14496-10 §7.3.2.1).
use super::bits::BitReader;
use crate::error::{Error, ErrorKind, Result};

/// No real sequence parameter set is longer; the rest of a longer one is not looked at.
const MAX_SPS: usize = 1024;

/// What an AVCDecoderConfigurationRecord says (ISO/IEC 14496-15 §5.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvcConfig {
    /// profile_idc: 66 baseline, 77 main, 100 high ...
    pub profile: u8,
    /// The constraint flags; with profile 66 and bit 0x40 constrained baseline.
    pub constraints: u8,
    /// level_idc: ten times the level.
    pub level: u8,
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_size: u8,
    /// Width and height in pixels after cropping; `None` if the parameter set cannot be read.
    pub size: Option<(u32, u32)>,
}

impl AvcConfig {
    /// Reads the payload of an H.264 sequence header.
    pub fn parse(record: &[u8]) -> Result<Self> {
        let fail = |problem, offset| {
            Err(Error::at(ErrorKind::BadCodecConfig { record: "AVCDecoderConfigurationRecord", problem }, offset))
        };
        let [version, profile, constraints, level, length_size, count, rest @ ..] = record else {
            return fail("it ends too early", record.len() as u64);
        };
        if *version != 1 {
            return fail("its version is not 1", 0);
        }
        let size = match rest {
            [a, b, units @ ..] if count & 0x1F > 0 => {
                let length = usize::from(u16::from_be_bytes([*a, *b]));
                let Some(unit) = units.get(..length) else {
                    return fail("its parameter set ends too early", 6);
                };
                picture_size(unit)
            }
            _ => None,
        };
        Ok(Self {
            profile: *profile,
            constraints: *constraints,
            level: *level,
            nal_length_size: (length_size & 3) + 1,
            size,
        })
    }

    /// The name of the profile, if it is a common one.
    pub fn profile_name(&self) -> Option<&'static str> {
        Some(match self.profile {
            66 if self.constraints & 0x40 != 0 => "Constrained Baseline",
            66 => "Baseline",
            77 => "Main",
            88 => "Extended",
            100 => "High",
            110 => "High 10",
            122 => "High 4:2:2",
            244 => "High 4:4:4 Predictive",
            _ => return None,
        })
    }
}

/// Width and height of the pictures that a sequence parameter set (a whole NAL unit) describes.
pub fn picture_size(unit: &[u8]) -> Option<(u32, u32)> {
    let (header, payload) = unit.split_first()?;
    if header & 0x1F != 7 {
        return None;
    }
    read_sps(&mut BitReader::new(&without_emulation(payload)))
}

/// Takes out the 3 of each 0 0 3 (14496-10 §7.3.1).
fn without_emulation(payload: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let keep = |byte: &&u8| {
        let dropped = zeros >= 2 && **byte == 3;
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        !dropped
    };
    payload.iter().take(MAX_SPS).filter(keep).copied().collect()
}

fn read_sps(bits: &mut BitReader<'_>) -> Option<(u32, u32)> {
    let profile = bits.bits(8)?;
    bits.bits(16)?; // constraint flags, level
    bits.unsigned()?; // seq_parameter_set_id
    let mut chroma_format = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = bits.unsigned()?;
        let mut lists = 8;
        if chroma_format == 3 {
            lists = 12;
            if bits.bit()? {
                // separate_colour_plane_flag: cropped like monochrome.
                chroma_format = 0;
            }
        }
        bits.unsigned()?; // bit depths
        bits.unsigned()?;
        bits.bit()?; // qpprime_y_zero_transform_bypass_flag
        if bits.bit()? {
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned()?; // log2_max_frame_num_minus4
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.bit()?;
            bits.signed()?;
            bits.signed()?;
            let count = bits.unsigned()?;
            if count > 255 {
                return None;
            }
            for _ in 0..count {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?; // max_num_ref_frames
    bits.bit()?; // gaps_in_frame_num_value_allowed_flag
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.bit()?; // mb_adaptive_frame_field_flag
    }
    let fields = if frames_only { 1 } else { 2 };
    let height = map_units.checked_mul(16 * fields)?;
    bits.bit()?; // direct_8x8_inference_flag
    if !bits.bit()? {
        return Some((width, height));
    }
    let (unit_x, unit_y) = match chroma_format {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let mut crop = |unit: u32| bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit);
    let width = width.checked_sub(crop(unit_x)?)?;
    let height = height.checked_sub(crop(unit_y)?)?;
    Some((width, height))
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()? % 256 + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// High profile, level 1.0, 160x120, as x264 writes it (with emulation prevention bytes).
    const X264: &[u8] = &[
        0x01, 0x64, 0x00, 0x0A, 0xFF, 0xE1, 0x00, 0x19, 0x67, 0x64, 0x00, 0x0A, 0xAC, 0xD9, 0x42, 0x84, 0x7E, 0x5C,
        0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x05, 0x03, 0xC4, 0x89, 0x65, 0x80, 0x01, 0x00, 0x06,
        0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0, 0xFD, 0xF8, 0xF8, 0x00,
    ];

    #[test]
    fn a_record_of_x264() {
        let config = AvcConfig::parse(X264).unwrap();
        assert_eq!((config.profile, config.level, config.nal_length_size), (100, 10, 4));
        assert_eq!((config.profile_name(), config.size), (Some("High"), Some((160, 120))));
    }

    /// Bytes of a text of bits; blanks are for the reader.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u32> = bits.chars().filter_map(|c| c.to_digit(2)).collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| (bit << (7 - i)) as u8).sum()).collect()
    }

    #[test]
    fn cropping_and_fields() {
        // Baseline: id 0, frame_num 0, order type 2, 1 reference, no gaps, 120 units wide.
        let start = "1 1 011 010 0 0000001111000";
        let unit = |rest: &str| [vec![0x67, 66, 0, 40], bytes(&format!("{start} {rest}"))].concat();
        // 68 units high, frames only, direct 8x8; cropped by 0, 0, 0, 4.
        let frames = unit("0000001000100 1 1 1 1 1 1 00101 0 1");
        assert_eq!(picture_size(&frames), Some((1920, 1080)));
        // 34 units of two fields; cropped by 0, 0, 0, 2.
        let fields = unit("00000100010 0 0 1 1 1 1 1 011 0 1");
        assert_eq!(picture_size(&fields), Some((1920, 1080)));
        // Cropped by more than there is.
        let nothing = unit("1 1 1 1 1 1 1 0000000001111111111 0 1");
        assert_eq!(picture_size(&nothing), None);
    }

    #[test]
    fn scaling_lists_are_passed() {
        // High: 4:2:0, 8 bit, no bypass, matrix with a flat first list (delta -8) and seven absent, then as above.
        let bits = "1 010 1 1 0 1 1 000010001 0000000 1 011 010 0 0001010 0001000 1 1 0 0 1";
        let unit = [vec![0x67, 100, 0, 10], bytes(bits)].concat();
        assert_eq!(picture_size(&unit), Some((160, 128)));
    }

    #[test]
    fn errors_and_unreadable_parameter_sets() {
        assert!(AvcConfig::parse(&[]).is_err());
        assert!(AvcConfig::parse(&[0, 0x64, 0, 10, 0xFF, 0xE1]).is_err());
        assert!(AvcConfig::parse(&X264[..20]).is_err());
        assert_eq!(AvcConfig::parse(&[1, 66, 0, 10, 0xFF, 0xE0]).unwrap().size, None);
        assert_eq!(AvcConfig::parse(&[1, 66, 0, 10, 0xFF, 0xE1, 0, 2, 0x67, 0]).unwrap().size, None);
    }

    proptest! {
        #[test]
        fn garbage_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = AvcConfig::parse(&bytes);
            let _ = picture_size(&[&[0x67][..], &bytes].concat());
        }

        #[test]
        fn a_damaged_record_is_no_panic(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut record = X264.to_vec();
            record[index.index(X264.len())] = byte;
            let _ = AvcConfig::parse(&record);
        }
    }
}
