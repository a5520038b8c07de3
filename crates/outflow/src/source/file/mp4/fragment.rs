//! Movie fragments (ISO/IEC 14496-12 §8.8): the samples that one `moof` box describes.

use super::boxes::{Mp4Box, be32, find};
use super::table::Sample;
use crate::source::file::demux::ReadError;
use shiguredo_mp4::boxes::{TfdtBox, TfhdBox, TrexBox};

/// Samples that one fragment may describe. Fragments hold seconds; a run of samples without fields of their own costs
/// no bytes in the file, so that a count must not be believed.
const MAX_SAMPLES: usize = 500_000;

/// What a fragment leaves out, per track.
#[derive(Debug, Clone)]
pub(super) struct Defaults(Vec<TrexBox>);

impl Defaults {
    /// Reads them from the `mvex` box.
    pub(super) fn new(mvex: &Mp4Box) -> Result<Self, ReadError> {
        let children = mvex.children()?;
        children
            .iter()
            .filter(|found| found.kind == *b"trex")
            .map(|found| found.decode())
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn of(&self, track: u32) -> Option<&TrexBox> {
        self.0.iter().find(|trex| trex.track_id == track)
    }
}

/// A sample of a fragment and the track it belongs to. `dts` is relative to nothing where the fragment has no decode
/// time of its own: then `continues` is set for the first sample of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct FragmentSample {
    pub(super) track: u32,
    pub(super) continues: bool,
    pub(super) sample: Sample,
}

/// The samples of one `moof`, in the order of the file. `wanted` says which tracks are asked for.
pub(super) fn samples(
    moof: &Mp4Box,
    defaults: &Defaults,
    wanted: impl Fn(u32) -> bool,
) -> Result<Vec<FragmentSample>, ReadError> {
    let mut found = Vec::new();
    // Without an explicit base the data of a track follows that of the track before it (§8.8.7).
    let mut end_of_previous = moof.at;
    for traf in moof.children()?.iter().filter(|child| child.kind == *b"traf") {
        let children = traf.children()?;
        let Some(tfhd) = find(&children, b"tfhd") else {
            return Err(ReadError::at(traf.at, "the `traf` box has no `tfhd`"));
        };
        let tfhd: TfhdBox = tfhd.decode()?;
        let tfdt = find(&children, b"tfdt").map(|found| found.decode::<TfdtBox>()).transpose()?;
        let base = match tfhd.base_data_offset {
            Some(base) => base,
            None if tfhd.default_base_is_moof => moof.at,
            None => end_of_previous,
        };
        let mut run = Run {
            base,
            next_offset: base,
            dts: tfdt.as_ref().map_or(0, |tfdt| i64::try_from(tfdt.base_media_decode_time).unwrap_or(i64::MAX / 4)),
            continues: tfdt.is_none(),
            defaults: defaults.of(tfhd.track_id),
            tfhd: &tfhd,
        };
        let keep = wanted(tfhd.track_id);
        for trun in children.iter().filter(|child| child.kind == *b"trun") {
            run.read(trun, keep, &mut found)?;
        }
        end_of_previous = run.next_offset;
    }
    Ok(found)
}

struct Run<'a> {
    base: u64,
    next_offset: u64,
    dts: i64,
    continues: bool,
    defaults: Option<&'a TrexBox>,
    tfhd: &'a TfhdBox,
}

impl Run<'_> {
    fn read(&mut self, trun: &Mp4Box, keep: bool, found: &mut Vec<FragmentSample>) -> Result<(), ReadError> {
        let body = &trun.body;
        let (Some(flags), Some(count)) = (be32(body, 0).map(|word| word & 0xff_ffff), be32(body, 4)) else {
            return Err(trun.short());
        };
        if found.len() + count as usize > MAX_SAMPLES {
            return Err(ReadError::at(trun.at, format!("a fragment of {count} samples is more than {MAX_SAMPLES}")));
        }
        let mut at = 8;
        let mut field = |present: bool| {
            if !present {
                return Ok(None);
            }
            at += 4;
            be32(body, at - 4).map(Some).ok_or_else(|| trun.short())
        };
        if let Some(offset) = field(flags & 0x1 != 0)? {
            self.next_offset = self
                .base
                .checked_add_signed(i64::from(offset as i32))
                .ok_or_else(|| ReadError::at(trun.at, "the run of samples begins before the file does"))?;
        }
        let first_flags = field(flags & 0x4 != 0)?;
        let tfhd = self.tfhd;
        let trex = self.defaults;
        for index in 0..count {
            let duration = field(flags & 0x100 != 0)?
                .or(tfhd.default_sample_duration)
                .or(trex.map(|trex| trex.default_sample_duration))
                .unwrap_or(0);
            let size = field(flags & 0x200 != 0)?
                .or(tfhd.default_sample_size)
                .or(trex.map(|trex| trex.default_sample_size))
                .unwrap_or(0);
            let own_flags = field(flags & 0x400 != 0)?;
            let cts = field(flags & 0x800 != 0)?.unwrap_or(0);
            let sample_flags = if index == 0 { first_flags.or(own_flags) } else { own_flags }
                .or(tfhd.default_sample_flags.map(|flags| flags.get()))
                .or(trex.map(|trex| trex.default_sample_flags.get()))
                .unwrap_or(0);
            let entry =
                tfhd.sample_description_index.or(trex.map(|trex| trex.default_sample_description_index)).unwrap_or(1);
            let sample = Sample {
                offset: self.next_offset,
                size,
                dts: self.dts,
                cts: i64::from(cts as i32),
                duration,
                // sample_is_non_sync_sample (§8.8.3.1).
                sync: sample_flags & 0x1_0000 == 0,
                entry,
            };
            if keep {
                found.push(FragmentSample { track: tfhd.track_id, continues: self.continues, sample });
            }
            self.continues = false;
            self.next_offset = self.next_offset.saturating_add(u64::from(size));
            self.dts = self.dts.saturating_add(i64::from(duration));
        }
        Ok(())
    }
}
