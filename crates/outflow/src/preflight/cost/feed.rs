//! Media in the place of an encoder's: a short file of the same rate, sent again and again.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use outflow_rtmp::flv::{TagKind, write_header, write_tag};

use super::super::bandwidth::media::{Maker, Shape};

/// At least so much of it, in whole groups of pictures.
const SECONDS: f64 = 4.0;

/// Writes the file of this number into a folder.
pub(super) fn write(folder: &Path, number: usize, shape: Shape) -> Result<PathBuf, String> {
    let path = folder.join(format!("feed{number}.flv"));
    let maker = Maker::new(shape);
    let mut file = BytesMut::new();
    write_header(&mut file, false, true);
    for number in 0..shape.whole_groups(SECONDS) {
        let time = u32::try_from(shape.due(number).as_millis()).unwrap_or(u32::MAX);
        let written = write_tag(&mut file, TagKind::Video, time, &maker.frame(number));
        written.map_err(|error| format!("the media to measure with can't be made: {error}"))?;
    }
    std::fs::write(&path, &file).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
