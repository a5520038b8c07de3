//! A server that asks to connect anew: nothing is lost or comes twice, and nothing breaks if that leads nowhere.
use std::net::SocketAddr;

use bytes::BytesMut;
use outflow_rtmp::chunk::encode_full;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// From one frame to the next.
const STEP: Duration = Duration::from_millis(10);
/// From one key frame to the next, in frames.
const GROUP: u32 = 25;

/// How a server behaves.
#[derive(Clone)]
struct Part {
    /// The stream's frames are numbered from here on.
    clock: Instant,
    /// It begins with so many groups before (-1, 0) or after (1) the one that is under way.
    begins: i64,
    /// The time of its first frame.
    time: u32,
    /// What is mixed into its frames.
    mark: u8,
    /// It asks to go there after 40 frames, and ends so many frames later.
    asks: Option<(Option<String>, u32)>,
}

impl Part {
    fn now(&self) -> u32 {
        u32::try_from(self.clock.elapsed().as_millis() / STEP.as_millis()).unwrap()
    }

    /// Serves one player; the address, and whether it was told good-bye.
    async fn start(self) -> (SocketAddr, Watched<Option<bool>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let over = Watched::new(None);
        let told = over.clone();
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
            let (mut buffer, mut next, mut first, mut clean) = ([0; 4096], None, 0, false);
            let mut out = BytesMut::new();
            loop {
                while let Some(event) = session.next_event() {
                    match event {
                        ServerEvent::Connect(_) => session.accept_connect().unwrap(),
                        ServerEvent::Play(request) => {
                            assert!(session.accept_play(request.stream_id));
                            let group = i64::from(self.now() / GROUP) + self.begins;
                            first = u32::try_from(group).unwrap() * GROUP;
                            next = Some(first);
                            out.extend_from_slice(&session.take_output());
                            encode_full(&mut out, 6, kind::VIDEO, 1, self.time, &[0x17, 0, 0, 0, 0, 1], 4096).unwrap();
                        }
                        ServerEvent::PlayEnd { .. } => clean = true,
                        _ => {}
                    }
                }
                out.extend_from_slice(&session.take_output());
                while let Some(number) = next.filter(|number| *number <= self.now()) {
                    let time = self.time.wrapping_add((number - first) * 10);
                    let sort = if number % GROUP == 0 { 0x17 } else { 0x27 };
                    let body = [&[sort, 1, 0, 0, 0, self.mark], number.to_be_bytes().as_slice()].concat();
                    encode_full(&mut out, 6, kind::VIDEO, 1, time, &body, 4096).unwrap();
                    let body = [&[0xAF, 1, self.mark], number.to_be_bytes().as_slice()].concat();
                    encode_full(&mut out, 4, kind::AUDIO, 1, time.wrapping_add(3), &body, 4096).unwrap();
                    next = Some(number + 1);
                    match &self.asks {
                        Some((to, _)) if number == first + 40 => {
                            assert!(session.reconnect_request(to.as_deref(), "an update"), "it says that it obeys");
                            out.extend_from_slice(&session.take_output());
                        }
                        Some((_, more)) if number == first + 40 + more => {
                            let _ = tcp.write_all(&out).await;
                            return told.update(|over| *over = Some(clean));
                        }
                        _ => {}
                    }
                }
                if tcp.write_all(&out.split()).await.is_err() {
                    break;
                }
                tokio::select! {
                    read = tcp.read(&mut buffer) => match read {
                        Ok(length @ 1..) => session.receive(&buffer[..length]).unwrap(),
                        _ => break,
                    },
                    () = tokio::time::sleep(Duration::from_millis(2)), if next.is_some() => {}
                }
            }
            // The end may have come with the last bytes.
            clean |=
                std::iter::from_fn(|| session.next_event()).any(|event| matches!(event, ServerEvent::PlayEnd { .. }));
            told.update(|over| *over = Some(clean));
        });
        (address, over)
    }
}

/// The numbers and times of one sort of frames, and their marks.
fn frames(fed: &Fed, sort: impl Fn(u8) -> bool, at: usize) -> Vec<(u8, u32, i64)> {
    let frames = fed.packets.iter().filter(|(body, _)| sort(body[0]) && body[1] == 1);
    frames.map(|(body, time)| (body[at], u32::from_be_bytes(body[at + 1..at + 5].try_into().unwrap()), *time)).collect()
}

fn pictures(fed: &Fed) -> Vec<(u8, u32, i64)> {
    frames(fed, |sort| sort != 0xAF, 5)
}

fn sounds(fed: &Fed) -> Vec<(u8, u32, i64)> {
    frames(fed, |sort| sort == 0xAF, 2)
}

/// Plays from one server that sends us to another; what came, once 150 pictures are there.
async fn moved(second: impl Fn(Instant) -> Part, more: u32) -> Running {
    // Far enough from the beginning for groups before.
    let clock = Instant::now() - STEP * GROUP * 4;
    let (there, _) = second(clock).start().await;
    let asks = Some((Some(format!("//{there}/other")), more));
    let (here, over) = Part { clock, begins: 0, time: 5000, mark: 0, asks }.start().await;
    let running = pull(&format!("rtmp://{here}/live/name"), &[], calm());
    running.fed.wait_for("pictures", |fed| (pictures(fed).len() >= 150).then_some(())).await;
    let told = over.wait_for("the end of the first", |over| *over).await;
    assert!(told || more < u32::MAX / 2, "the first is told good-bye");
    assert!(!running.task.is_finished());
    running
}

#[tokio::test]
async fn a_server_that_asks_is_left_for_another_without_a_gap() {
    // One that sends the group under way, or the one before as well, or begins with the next: each with a time of its own.
    // It goes on until we leave, or ends at once, or a little later.
    for (begins, time, more) in [(0, 0, 1 << 31), (-1, 99_000, 1 << 31), (1, 0, 1 << 31), (0, 0, 1), (-1, 0, 5)] {
        let running = moved(|clock| Part { clock, begins, time, mark: 0, asks: None }, more).await;
        running.fed.look(|fed| {
            for frames in [pictures(fed), sounds(fed)] {
                assert!(frames.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{begins} {more}: {frames:?}");
                assert!(frames.windows(2).all(|pair| pair[1].2 == pair[0].2 + 10), "{begins} {more}: {frames:?}");
            }
            assert_eq!((fed.starts, fed.ends.len()), (1, 0), "it is one source");
        });
        let notes = running.notes.look(|notes| notes.join("\n"));
        assert!(notes.contains("asks us to connect anew, to another server (an update)"), "{notes}");
        running.stopper.stop();
        assert_eq!(running.ended().await, Ended::stopped());
    }
}

#[tokio::test]
async fn another_stream_takes_over_at_a_key_frame() {
    let running = moved(|clock| Part { clock, begins: 0, time: 0, mark: 1, asks: None }, 1 << 31).await;
    running.fed.wait_for("the other", |fed| pictures(fed).iter().any(|frame| frame.0 == 1).then_some(())).await;
    running.fed.look(|fed| {
        let pictures = pictures(fed);
        let at = pictures.iter().position(|frame| frame.0 == 1).unwrap();
        assert!(pictures[at..].iter().all(|frame| frame.0 == 1));
        let (last, first) = (pictures[at - 1].1, pictures[at].1);
        assert_eq!(first % GROUP, 0, "a key frame");
        assert!(first.abs_diff(last) <= GROUP, "{last} and {first}");
        assert_eq!((fed.starts, fed.ends.as_slice()), (2, [false].as_slice()), "it is another source");
    });
}

#[tokio::test]
async fn a_request_that_leads_nowhere_changes_nothing() {
    for to in ["rtmp://127.0.0.1:9/live", "http://elsewhere/"] {
        let clock = Instant::now() - STEP * GROUP;
        let asks = Some((Some(to.to_owned()), 100));
        let (here, _) = Part { clock, begins: 0, time: 0, mark: 0, asks }.start().await;
        let running = pull(&format!("rtmp://{here}/live/name"), &[], calm());
        let (fed, notes) = (running.fed.clone(), running.notes.clone());
        let ended = running.ended().await;
        assert_eq!(ended.reason, Reason::Disconnected, "the end of the first is the end: {ended}");
        fed.look(|fed| assert_eq!(pictures(fed).len(), 141, "{to}"));
        let notes = notes.look(|notes| notes.join("\n"));
        assert!(notes.contains("the other connection failed"), "{notes}");
    }
}
