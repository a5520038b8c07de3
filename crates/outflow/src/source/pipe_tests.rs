//! Streams in pieces, and what is said of those that are not FLV.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::options::Options;
use crate::stop::{Stopper, stopper};

const FLV: &[u8] = include_bytes!("../../tests/data/tiny.flv");

fn pieces(all: Vec<Vec<u8>>) -> (Pieces, Stopper) {
    let (sender, receiver) = sync_channel(all.len().max(1));
    all.into_iter().for_each(|piece| sender.send(Ok(piece)).unwrap());
    let (stopper, stop) = stopper();
    (Pieces::new(receiver, stop), stopper)
}

fn count(size: usize) -> usize {
    let (pieces, _stopper) = pieces(FLV.chunks(size).map(<[u8]>::to_vec).collect());
    let mut media = open_stream(Some(pieces)).map_err(|error| error.text).unwrap();
    let mut count = 0;
    while media.next().unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn any_pieces_give_the_same_packets() {
    let whole = count(FLV.len());
    assert!(whole > 8);
    for size in [1, 2, 7, 400, 1000] {
        assert_eq!(count(size), whole, "pieces of {size} bytes");
    }
}

#[test]
fn what_is_not_flv_is_named_with_the_mend() {
    for (bytes, said) in [
        (vec![0x47; 800], "an MPEG transport stream, a pipe is read as FLV: put your own ffmpeg in front"),
        (b"\0\0\0\x20ftypisom".to_vec(), "an MP4 file"),
        (b"hello, this is no media".to_vec(), "text"),
        (Vec::new(), "empty"),
    ] {
        for size in [1, 1000] {
            let (pieces, _stopper) = pieces(bytes.chunks(size).map(<[u8]>::to_vec).collect());
            let error = match open_stream(Some(pieces)) {
                Err(error) => error,
                Ok(mut media) => media.next().unwrap_err(),
            };
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

#[test]
fn a_stop_ends_a_wait_for_bytes() {
    let (_sender, receiver) = sync_channel(1);
    let (stopper, stop) = stopper();
    let pieces = Pieces::new(receiver, stop);
    let waiting = std::thread::spawn(move || open_stream(Some(pieces)).err());
    stopper.stop();
    assert!(waiting.join().unwrap().unwrap().stopped);
}

#[test]
fn words_for_pipes() {
    let open = |word: &str| {
        let url = MediaUrl::new(word);
        let node = Node {
            index: 1,
            word: word.into(),
            kind: "pipe",
            name: "in".into(),
            url: Some(url),
            options: Options::default(),
        };
        open(&node).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("live");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let fifo = fifo.to_str().unwrap();
    for (word, accepted) in [("-", true), ("pipe:3", true), (fifo, true), ("x.flv", false), ("rtmp://h/a/b", false)] {
        assert_eq!((KIND.accepts)(&MediaUrl::new(word), false), accepted, "{word}");
    }
    assert_eq!(open(fifo), "");
    assert!(open("pipe:x").contains("`x` is no descriptor"));
    assert!(open("pipe:987").contains("descriptor 987 is not open"));
}
