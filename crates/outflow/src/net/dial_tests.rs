//! Tests of looking up and connecting, on loopback only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Answers only when told to, and counts how often it was asked.
#[derive(Default)]
struct SlowResolver {
    asked: AtomicUsize,
    answers: Mutex<Vec<oneshot::Sender<io::Result<Vec<SocketAddr>>>>>,
}

impl Resolver for Arc<SlowResolver> {
    fn resolve(&self, _host: &str, _port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.answers.lock().push(sender);
        Box::pin(async move { receiver.await.unwrap() })
    }
}

/// Polls a look-up until it waits, and drops it.
async fn attempt(
    lookup: &mut Lookup,
    resolver: &dyn Resolver,
    host: &str,
) -> Option<Result<Vec<SocketAddr>, NetError>> {
    let mut resolving = std::pin::pin!(lookup.resolve(resolver, host, 1935));
    std::future::poll_fn(|cx| match resolving.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_look_up_that_hangs_is_joined_again_and_never_doubled() {
    let resolver = Arc::new(SlowResolver::default());
    let mut lookup = Lookup::default();
    for _ in 0..5 {
        assert!(attempt(&mut lookup, &resolver, "slow.example").await.is_none());
    }
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);

    let other = attempt(&mut lookup, &resolver, "other.example").await.unwrap().unwrap_err();
    assert_eq!(other.to_string(), "can't look up other.example: the look-up of slow.example has not come back yet");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);

    let sender = resolver.answers.lock().pop().unwrap();
    sender.send(Ok(vec![address("127.0.0.1:1935")])).unwrap();
    assert_eq!(
        attempt(&mut lookup, &resolver, "slow.example").await.unwrap().unwrap(),
        vec![address("127.0.0.1:1935")]
    );
    assert!(attempt(&mut lookup, &resolver, "other.example").await.is_none());
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_look_up_that_fails_says_so_and_may_be_repeated() {
    let resolver = Arc::new(SlowResolver::default());
    let mut lookup = Lookup::default();
    assert!(attempt(&mut lookup, &resolver, "no.example").await.is_none());
    let sender = resolver.answers.lock().pop().unwrap();
    sender.send(Err(io::Error::other("failed to lookup address information: Name or service not known"))).unwrap();
    let error = attempt(&mut lookup, &resolver, "no.example").await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "can't look up no.example: name or service not known");
    assert!(attempt(&mut lookup, &resolver, "no.example").await.is_none());
    let sender = resolver.answers.lock().pop().unwrap();
    sender.send(Ok(Vec::new())).unwrap();
    let error = attempt(&mut lookup, &resolver, "no.example").await.unwrap().unwrap_err();
    assert!(error.to_string().ends_with("the name has no address"), "{error}");
}

#[tokio::test]
async fn addresses_need_no_resolver() {
    let resolver = Arc::new(SlowResolver::default());
    let mut lookup = Lookup::default();
    for (host, expected) in [("127.0.0.1", "127.0.0.1:1935"), ("[::1]", "[::1]:1935"), ("::1", "[::1]:1935")] {
        assert_eq!(attempt(&mut lookup, &resolver, host).await.unwrap().unwrap(), vec![address(expected)]);
    }
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let found = Lookup::default().resolve(&SystemResolver, "localhost", 1).await.unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
}

#[test]
fn families_take_turns() {
    let order = interleave(&[
        address("[::1]:1"),
        address("[::2]:1"),
        address("[::2]:1"),
        address("[::3]:1"),
        address("10.0.0.1:1"),
    ]);
    let order: Vec<String> = order.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(order, ["::1", "10.0.0.1", "::2", "::3"]);
    assert!(interleave(&[]).is_empty());
}

/// A port of loopback that refuses: bound, so that nobody else gets it, but not listening.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address("127.0.0.1:0")).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

#[tokio::test]
async fn an_address_that_refuses_hands_over_at_once() {
    let (_held, refusing) = refusing();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    // The next address must not wait for this.
    let options = DialOptions { stagger: Duration::from_secs(3600), ..DialOptions::default() };
    let tcp = connect(&[refusing, good], &options, "h").await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), good);
    assert!(tcp.nodelay().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(socket2::SockRef::from(&tcp).tcp_notsent_lowat().unwrap(), NOT_SENT);
}

#[tokio::test]
async fn an_address_that_is_silent_is_overtaken() {
    // Its queue is full, so the kernel drops further requests to connect: the silent host of real life.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind(address("127.0.0.1:0")).unwrap();
    let silent = silent.listen(0).unwrap();
    let at = silent.local_addr().unwrap();
    let mut queued = Vec::new();
    let full = loop {
        let (only, options) = ([at], DialOptions::default());
        let more = connect(&only, &options, "h");
        match tokio::time::timeout(Duration::from_secs(1), more).await {
            Ok(connected) => queued.push(connected.unwrap()),
            Err(_) => break true,
        }
        if queued.len() > 64 {
            break false;
        }
    };
    if !full {
        return; // This system's queue has no such end.
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let options = DialOptions { stagger: Duration::from_millis(20), nodelay: false, bind: None };
    let tcp = connect(&[at, good], &options, "h").await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), good);
    assert!(!tcp.nodelay().unwrap());
}

#[tokio::test]
async fn the_last_of_many_addresses_is_reached() {
    let (_held, refusing): (Vec<_>, Vec<_>) = (0..MOST_ADDRESSES - 1).map(|_| refusing()).unzip();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let all: Vec<SocketAddr> = refusing.into_iter().chain([good]).collect();
    // By failures alone, and by the clock alone.
    for stagger in [Duration::from_secs(3600), Duration::ZERO] {
        let tcp = connect(&all, &DialOptions { stagger, ..DialOptions::default() }, "h").await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
    }
}

#[tokio::test]
async fn a_family_that_does_not_work_here_hands_over_to_the_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    // A documentation address of IPv6: without a route it fails, with one it is silent.
    let nowhere = SocketAddr::new("2001:db8::1".parse().unwrap(), good.port());
    let tcp = connect(&[nowhere, nowhere, good], &DialOptions::default(), "h").await.unwrap();
    assert_eq!(tcp.peer_addr().unwrap(), good);
}

#[tokio::test]
async fn every_failure_is_told() {
    let (_held, one) = refusing();
    let (_held_too, other) = refusing();
    let error = connect(&[one, other], &DialOptions::default(), "h:1935").await.unwrap_err();
    assert_eq!(error.to_string(), "can't connect to h:1935: connection refused");
    let error = connect(&[], &DialOptions::default(), "h:1935").await.unwrap_err();
    assert!(error.to_string().contains("no address"));
}

#[tokio::test]
async fn the_source_address_is_ours_to_choose() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let bind = |text: &str| DialOptions { bind: Some(Bind::parse(text).unwrap()), ..DialOptions::default() };
    let tcp = connect(&[good], &bind("127.0.0.9"), "h").await;
    if cfg!(target_os = "linux") {
        assert_eq!(tcp.unwrap().local_addr().unwrap().ip().to_string(), "127.0.0.9");
    }
    let error = connect(&[good], &bind("192.0.2.1"), "h").await.unwrap_err();
    assert!(error.ours && error.to_string().contains("the source address"), "{error}");
    let error = connect(&[good], &bind("::1"), "h").await.unwrap_err();
    assert!(error.ours && error.to_string().contains("family"), "{error}");
    if cfg!(target_os = "linux") {
        assert!(connect(&[good], &bind("lo"), "h").await.is_ok());
        assert!(connect(&[good], &bind("nosuchif0"), "h").await.unwrap_err().ours);
    }
    assert!(Bind::parse("").is_err());
    assert!(Bind::parse("not an interface").is_err());
}
