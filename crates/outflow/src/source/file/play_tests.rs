//! Loops, pace and stops, with media made up.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::*;
use crate::media::Intake;
use crate::stop::{Stopper, stopper};

/// Far beyond what any of this takes, for waits that must end.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Kept {
    packets: Mutex<Vec<Packet>>,
    starts: Mutex<u32>,
}

impl Intake for Kept {
    fn start(&self, _info: StreamInfo) {
        *self.starts.lock() += 1;
    }
    fn push(&self, packet: Packet) {
        self.packets.lock().push(packet);
    }
    fn end(&self, _clean: bool) {}
}

impl Kept {
    fn times(&self, kind: Kind) -> Vec<i64> {
        let packets = self.packets.lock();
        packets.iter().filter(|packet| packet.kind == kind && !packet.flags.header).map(|packet| packet.dts).collect()
    }
}

struct Made(std::vec::IntoIter<Packet>);

impl Demuxer for Made {
    fn tracks(&self) -> (Option<bool>, Option<bool>) {
        (Some(true), Some(true))
    }
    fn next(&mut self) -> Result<Option<Packet>, ReadError> {
        Ok(self.0.next())
    }
}

fn packet(kind: Kind, dts: i64, body: &'static [u8]) -> Packet {
    classify::packet(kind, dts, Bytes::from_static(body), Instant::now())
}

/// Three pictures of 40 ms and sound that is a little longer, from time 1000 on, with headers and an end of sequence.
fn clip() -> Vec<Packet> {
    let mut clip = vec![
        packet(Kind::Data, 0, b"\x02\0\x0aonMetaData\x08"),
        packet(Kind::Video, 0, b"\x17\0\0\0\0config"),
        packet(Kind::Audio, 0, b"\xaf\0\x12\x10"),
    ];
    let frames = [
        (Kind::Video, 1000, &b"\x17\x01\0\0\0key"[..]),
        (Kind::Audio, 1000, b"\xaf\x01a"),
        (Kind::Video, 1040, b"\x27\x01\0\0\0b"),
        (Kind::Audio, 1050, b"\xaf\x01b"),
        (Kind::Video, 1080, b"\x27\x01\0\0\0c"),
        (Kind::Audio, 1100, b"\xaf\x01c"),
        (Kind::Video, 1080, b"\x17\x02\0\0\0"),
    ];
    clip.extend(frames.map(|(kind, dts, body)| packet(kind, dts, body)));
    clip
}

fn player(realtime: bool, times: Option<u64>) -> (Player, Arc<Kept>, Stopper) {
    let (stopper, stop) = stopper();
    let kept = Arc::new(Kept::default());
    let player = Player {
        feed: kept.clone(),
        stop,
        realtime,
        style: Style { lead: Duration::ZERO, drift_ppm: 0, times },
        stats: Arc::default(),
        started: false,
        pacer: None,
        offset: 0,
        tracks: Vec::new(),
        last: 0,
        last_arrival: None,
        info: StreamInfo::default(),
    };
    (player, kept, stopper)
}

fn opener(media: fn() -> Vec<Packet>) -> Open {
    Box::new(move || Ok(Box::new(Made(media().into_iter()))))
}

#[test]
fn time_goes_on_across_loops_by_the_right_step() {
    let (mut player, kept, _stopper) = player(false, Some(3));
    player.play(opener(clip)).unwrap();
    // The sound ends last, at 1150: there the next round begins. The end of sequence is kept only at the very end.
    assert_eq!(kept.times(Kind::Video), [1000, 1040, 1080, 1150, 1190, 1230, 1300, 1340, 1380, 1380]);
    assert_eq!(kept.times(Kind::Audio), [1000, 1050, 1100, 1150, 1200, 1250, 1300, 1350, 1400]);
    assert_eq!(*kept.starts.lock(), 1, "a loop is not another source");
    let packets = kept.packets.lock();
    let headers: Vec<_> = packets.iter().filter(|packet| packet.flags.header).map(|packet| packet.dts).collect();
    assert_eq!(headers, [0, 0, 0, 1150, 1150, 1150, 1300, 1300, 1300], "headers come with their round");
}

#[test]
fn real_time_is_kept_and_silences_are_waited_out() {
    let (mut player, kept, _stopper) = player(true, Some(1));
    let begin = Instant::now();
    player.play(opener(clip)).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(100), "100 ms of media took {:?}", begin.elapsed());
    let packets = kept.packets.lock();
    assert!(packets.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival), "arrivals go forward");
}

#[test]
fn a_jump_of_an_hour_is_not_waited_out() {
    fn joined() -> Vec<Packet> {
        let mut media = clip();
        media.push(packet(Kind::Video, 3_600_000, b"\x17\x01\0\0\0key"));
        media.push(packet(Kind::Video, 5, b"\x17\x01\0\0\0key"));
        media.push(packet(Kind::Video, 45, b"\x27\x01\0\0\0d"));
        media
    }
    let (mut player, kept, _stopper) = player(true, Some(1));
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(player.play(opener(joined))));
    assert!(ended.recv_timeout(DEADLINE).expect("it waits for the jump").is_ok());
    assert_eq!(kept.times(Kind::Video).last(), Some(&45));
}

#[test]
fn stop_ends_a_wait_and_an_endless_loop() {
    fn slow() -> Vec<Packet> {
        vec![packet(Kind::Audio, 0, b"\xaf\x01a"), packet(Kind::Audio, 9_000, b"\xaf\x01a")]
    }
    for (realtime, media) in [(true, slow as fn() -> Vec<Packet>), (false, clip)] {
        let (mut player, kept, stopper) = player(realtime, None);
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || done.send(player.play(opener(media))));
        let begin = Instant::now();
        while kept.packets.lock().is_empty() {
            assert!(begin.elapsed() < DEADLINE, "nothing is played");
            std::thread::yield_now();
        }
        stopper.stop();
        assert!(ended.recv_timeout(DEADLINE).expect("it goes on after the stop").is_ok());
    }
}

#[test]
fn media_without_frames_never_loops() {
    fn headers() -> Vec<Packet> {
        clip().into_iter().take(3).collect()
    }
    let (mut player, kept, _stopper) = player(false, None);
    player.play(opener(headers)).unwrap();
    assert!(kept.times(Kind::Video).is_empty());
}

#[test]
fn an_error_comes_after_everything_before_it() {
    struct Cut(Made);
    impl Demuxer for Cut {
        fn tracks(&self) -> (Option<bool>, Option<bool>) {
            (None, None)
        }
        fn next(&mut self) -> Result<Option<Packet>, ReadError> {
            self.0.next()?.map(Some).ok_or_else(|| ReadError::at(77, "the file ends inside a tag"))
        }
    }
    let (mut player, kept, _stopper) = player(false, Some(1));
    let open: Open = Box::new(|| Ok(Box::new(Cut(Made(clip().into_iter())))));
    let error = player.play(open).unwrap_err();
    assert_eq!(error.to_string(), "byte 77: the file ends inside a tag");
    assert_eq!(kept.times(Kind::Audio).len(), 3);
    let ended = error.ended();
    assert_eq!((ended.reason, ended.retry), (Reason::Media, Retry::Never));
}
