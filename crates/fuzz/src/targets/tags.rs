//! FLV files and pipes: the same tags for every cut, memory for one tag only, and what was read written and read again.
use bytes::BytesMut;
use outflow_rtmp::flv::{Tag, TagReader, write_header, write_tag};
use outflow_rtmp::{Error, ErrorKind, Limits};

use crate::dice::cuts;
use crate::meter::within;

pub(super) fn run(data: &[u8]) {
    let [mode, seed, bytes @ ..] = data else { return };
    let limits = Limits { media_message: if mode & 1 == 0 { 10 << 20 } else { 500 }, ..Limits::default() };
    // The buffer, doubled as it grows, and one tag.
    within(8192 + 4 * bytes.len(), "FLV reader", || {
        let mut reader = TagReader::new(&limits);
        reader.feed(bytes);
        while let Ok(Some(tag)) = reader.next() {
            assert!(tag.payload.len() <= limits.media_message);
        }
        assert!(reader.position() <= bytes.len() as u64);
    });
    let whole = tags(&limits, std::iter::once(bytes));
    for longest in [1, 2 + usize::from(mode >> 1)] {
        let cut = tags(&limits, cuts(bytes, u64::from(*seed), longest));
        assert!(cut == whole, "other tags in pieces of at most {longest} bytes: {whole:?} became {cut:?}");
    }
    let mut file = BytesMut::new();
    write_header(&mut file, true, true);
    for tag in &whole.0 {
        write_tag(&mut file, tag.kind, tag.timestamp, &tag.payload).unwrap();
    }
    let again = tags(&limits, std::iter::once(&file[..]));
    // Tags of unknown types are counted, with or without right back pointers, and only so many are let through.
    assert!(again.0 == whole.0 || again.1.is_some(), "written and read: {whole:?} became {again:?}");
}

/// The tags, the first error of reading, and how the end was.
fn tags<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Tag>, Option<Error>, Result<(), Error>) {
    let mut reader = TagReader::new(limits);
    let mut tags = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.finish().as_ref(), Err(&error), "an error is final");
                    return (tags, Some(known(error)), Ok(()));
                }
            }
        }
    }
    let end = reader.finish().map_err(known);
    (tags, None, end)
}

/// What a file is that is no FLV is guessed from what has come of it.
fn known(error: Error) -> Error {
    match error.kind {
        ErrorKind::NotFlv(_) => Error { kind: ErrorKind::NotFlv("it"), ..error },
        _ => error,
    }
}
