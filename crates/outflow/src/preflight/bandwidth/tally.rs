//! What the far side has counted, as it tells it.

use serde::{Deserialize, Serialize};

/// The form that both sides must speak.
const FORM: u32 = 1;
/// What comes before it in the body that carries it: an FLV video tag of a key frame, so that a player gets it whole.
const TAG: &[u8] = &[0x17, 1, 0, 0, 0];

/// All that came so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Names form and sender.
    outflow_check: u32,
    /// The far side's clock, in milliseconds since the test began.
    pub(super) at_ms: u64,
    /// The paths, in their order.
    pub(super) paths: Vec<Path>,
}

/// What came over one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Path {
    /// Bytes of media.
    pub(super) bytes: u64,
    /// Frames.
    pub(super) frames: u64,
    /// Frames before the last that came which did not come.
    pub(super) missing: u64,
    /// How much later than its fastest frame its slowest came, in milliseconds.
    pub(super) worst_ms: u64,
    /// Connections that it took.
    pub(super) connections: u64,
}

impl Tally {
    pub(super) fn new(at_ms: u64, paths: Vec<Path>) -> Self {
        Self { outflow_check: FORM, at_ms, paths }
    }

    /// As the body of a frame.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = TAG.to_vec();
        // Plain data without maps: it always can be written.
        body.extend(serde_json::to_vec(self).unwrap_or_default());
        body
    }

    /// Out of the body of a frame; `None` where it is none, or of another form.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let tally: Self = serde_json::from_slice(body.strip_prefix(TAG)?).ok()?;
        (tally.outflow_check == FORM).then_some(tally)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tally_comes_through_and_nothing_else_passes_for_one() {
        let path = Path { bytes: u64::MAX, frames: 3, missing: 2, worst_ms: 4, connections: 1 };
        let tally = Tally::new(7, vec![path, Path::default()]);
        assert_eq!(Tally::read(&tally.body()).unwrap(), tally);
        for body in [&b""[..], b"\x17\x01\x00\x00\x00{}", b"\x17\x01\x00\x00\x00\x00\x00\x00\x01e", b"{\"at_ms\":1}"] {
            assert_eq!(Tally::read(body), None);
        }
        let other = Tally { outflow_check: 2, ..tally };
        assert_eq!(Tally::read(&other.body()), None);
    }
}
