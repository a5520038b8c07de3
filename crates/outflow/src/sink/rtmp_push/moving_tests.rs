//! A server that asks to connect anew: nothing is lost, and nothing breaks if that leads nowhere.
use tokio::sync::watch;

use super::*;

/// What the first server has seen.
#[derive(Default)]
struct Seen {
    frames: Vec<u32>,
    /// The publish ended, and whether that was said.
    ended: Option<bool>,
}

/// Takes one publisher, asks it to go elsewhere after 30 frames, and goes on taking what comes.
async fn asking(to: Option<String>) -> (SocketAddr, Arc<parking_lot::Mutex<Seen>>, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<parking_lot::Mutex<Seen>>::default();
    let (count, counted) = watch::channel(0);
    let shared = seen.clone();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut session = ServerSession::new(ServerConfig::new([7; 1528]));
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
            session.receive(&buffer[..length]).unwrap();
            while let Some(event) = session.next_event() {
                match event {
                    ServerEvent::Connect(_) => session.accept_connect().unwrap(),
                    ServerEvent::Publish(request) => assert!(session.accept_publish(request.stream_id)),
                    ServerEvent::Media(message) if message.kind == 9 => {
                        let frames = &mut shared.lock().frames;
                        frames.extend(number(&message.payload));
                        if frames.len() == 30 {
                            assert!(session.reconnect_request(to.as_deref(), "an update"), "it says that it obeys");
                        }
                        count.send_replace(frames.len());
                    }
                    ServerEvent::PublishEnd { clean, .. } => shared.lock().ended = Some(clean),
                    _ => {}
                }
            }
            tcp.write_all(&session.take_output()).await.unwrap();
        }
        count.send_replace(usize::MAX);
    });
    (address, seen, counted)
}

/// The number of a frame that was made up; none for headers.
fn number(body: &[u8]) -> Option<u32> {
    (body.get(1) == Some(&1)).then(|| u32::from_be_bytes(body[10..14].try_into().unwrap()))
}

#[tokio::test]
async fn a_server_that_asks_is_left_for_another_without_a_gap() {
    let other = Ingest::start(Behaviour::Good).await;
    // Relative to the tcUrl of the connection: the scheme is the same.
    let to = other.url("other").split_once(':').map(|(_, rest)| rest.to_owned());
    let (first, seen, mut counted) = asking(to).await;
    let mut rig = Rig::new(&format!("rtmp://{first}/live/key"), &[]);
    let done = async || {
        other.wait_for_media(0, 60).await;
        counted.clone().wait_for(|count| *count == usize::MAX).await.unwrap();
    };
    assert_eq!(run_with_media(&mut rig, done).await, Ended::stopped());
    counted.wait_for(|count| *count == usize::MAX).await.unwrap();
    let session = other.session(0);
    assert_eq!(session.connect_text("app").as_deref(), Some("other"));
    assert_eq!(session.published.as_deref(), Some("key"));
    let after: Vec<u32> =
        session.tags().iter().filter(|tag| tag.kind == 9).filter_map(|tag| number(&tag.body)).collect();
    let Seen { frames: before, ended } = &*seen.lock();
    let (last, begin) = (*before.last().unwrap(), after[0]);
    assert_eq!(begin % 5, 0, "it begins with a key frame");
    assert!(begin <= last + 1, "frames between {last} and {begin} are lost");
    for frames in [before, &after] {
        assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1), "{frames:?}");
    }
    assert_eq!(*ended, Some(true), "the first is told good-bye");
    assert!(!rig.states().contains(&State::Backoff));
}

#[tokio::test]
async fn a_request_that_leads_nowhere_changes_nothing() {
    for to in ["rtmp://127.0.0.1:9/live", "http://elsewhere/"] {
        let (first, seen, counted) = asking(Some(to.to_owned())).await;
        let mut rig = Rig::new(&format!("rtmp://{first}/live/key"), &[]);
        let done = async || drop(counted.clone().wait_for(|count| *count >= 100).await.unwrap());
        assert_eq!(run_with_media(&mut rig, done).await, Ended::stopped(), "{to}");
        assert!(seen.lock().frames.windows(2).all(|pair| pair[1] == pair[0] + 1), "{to}");
    }
}

/// A server that asks at each connection is not followed from one to the next without a pause.
#[tokio::test]
async fn moves_are_apart() {
    let (mut moving, apart, begin) = (Moving::default(), Duration::from_millis(50), Instant::now());
    assert!(moving.is_over());
    moving.leave(std::future::ready(()), apart);
    assert!(!moving.is_over());
    assert!(matches!(moving.step().await, Step::Left) && moving.is_over());
    assert!(begin.elapsed() >= apart);
}
