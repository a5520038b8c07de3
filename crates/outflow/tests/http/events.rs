//! Server-sent events: what readers are told, and what slow ones cost.

use outflow_testkit::wait::{DEADLINE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::rig::{Rig, config};

/// A program that reads events.
struct Reader {
    tcp: TcpStream,
    text: String,
}

impl Reader {
    async fn open(rig: &Rig, headers: &str) -> Self {
        Self::over(TcpStream::connect(rig.http.address).await.unwrap(), headers).await
    }

    async fn open_at(rig: &Rig, path: &str, headers: &str) -> Self {
        Self::at(TcpStream::connect(rig.http.address).await.unwrap(), path, headers).await
    }

    async fn over(tcp: TcpStream, headers: &str) -> Self {
        Self::at(tcp, "/v1/events", headers).await
    }

    async fn at(mut tcp: TcpStream, path: &str, headers: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        Self { tcp, text: String::new() }
    }

    /// Reads until this has come.
    async fn until(&mut self, wanted: &str) {
        let reading = async {
            let (mut seen, mut bytes) = (0, vec![0; 256 << 10]);
            while !self.text[seen..].contains(wanted) {
                seen = self.text.len().saturating_sub(wanted.len());
                let length = self.tcp.read(&mut bytes).await.unwrap();
                assert!(length > 0, "closed before {wanted:?} came: {:?}", self.text.get(..2000));
                self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            }
        };
        if tokio::time::timeout(DEADLINE, reading).await.is_err() {
            panic!("{wanted:?} did not come: {:?}", self.text.get(..2000));
        }
    }

    /// The ids that came so far.
    fn ids(&self) -> Vec<String> {
        self.text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn every_reader_is_told_every_event_in_order() {
    let rig = Rig::start(config());
    let mut readers = [Reader::open(&rig, "").await, Reader::open(&rig, "").await];
    for reader in &mut readers {
        reader.until("retry: 2000\n").await;
        assert!(reader.text.to_lowercase().contains("content-type: text/event-stream"), "{}", reader.text);
    }
    rig.note("first");
    rig.note("second");
    for reader in &mut readers {
        reader.until("second\"").await;
        let event = reader.text.split("event: note\ndata: ").nth(1).unwrap().lines().next().unwrap();
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!((&event["event"], &event["text"]), (&"note".into(), &"first".into()));
        assert!(event["time"].as_f64().unwrap() > 1e9);
        assert_eq!(reader.ids().len(), 2);
    }
    assert_eq!(readers[0].ids(), readers[1].ids());
}

#[tokio::test]
async fn a_reader_that_comes_back_is_told_what_it_missed() {
    let rig = Rig::start(config());
    let mut reader = Reader::open(&rig, "").await;
    reader.until("retry").await;
    rig.note("seen");
    reader.until("seen\"").await;
    let last = reader.ids().pop().unwrap();
    drop(reader);
    rig.note("missed");
    let mut reader = Reader::open(&rig, &format!("Last-Event-ID: {last}\r\n")).await;
    reader.until("missed\"").await;
    assert!(!reader.text.contains("seen\"") && !reader.text.contains("lost"), "{}", reader.text);
    rig.note("next");
    reader.until("next\"").await;

    // More than is kept: what is gone is counted.
    for _ in 0..1030 {
        rig.note("many");
    }
    rig.note("end");
    let mut reader = Reader::open(&rig, &format!("Last-Event-ID: {last}\r\n")).await;
    reader.until("end\"").await;
    // `missed`, `next`, and all but 1023 of the many.
    assert!(
        reader.text.contains("event: lost\ndata: {\"event\":\"lost\",\"count\":9}\n"),
        "{:?}",
        reader.text.get(..400)
    );
    // An id of another run, or nonsense, is nobody's.
    for id in ["1-1", "x", "", "ffffffffffffffff-18446744073709551615"] {
        let mut reader = Reader::open(&rig, &format!("Last-Event-ID: {id}\r\n")).await;
        reader.until("retry").await;
        rig.note("now");
        reader.until("now\"").await;
        assert!(!reader.text.contains("end\""));
    }
}

#[tokio::test]
async fn a_reader_that_is_new_is_told_the_last_ones_if_it_wants() {
    let rig = Rig::start(config());
    Reader::open_at(&rig, "/v1/events?recent=9", "").await.until("event: listening").await;
    for number in 0..5 {
        rig.note(&format!("note {number}."));
    }
    let mut reader = Reader::open_at(&rig, "/v1/events?recent=2", "").await;
    reader.until("note 4.").await;
    assert!(reader.text.contains("note 3.") && !reader.text.contains("note 2."), "{}", reader.text);
    let last = reader.ids().pop().unwrap();
    rig.note("now");
    reader.until("now\"").await;
    // Who knows what it saw is told what it missed, and no more.
    let mut again = Reader::open_at(&rig, "/v1/events?recent=2", &format!("Last-Event-ID: {last}\r\n")).await;
    again.until("now\"").await;
    assert_eq!(again.ids().len(), 1, "{}", again.text);
    for wrong in ["/v1/events?recent=x", "/v1/events?recent=-1", "/v1/events?recent=99999999999999999999"] {
        let mut reader = Reader::open_at(&rig, wrong, "").await;
        reader.until("retry").await;
        rig.note("later");
        reader.until("later\"").await;
        assert_eq!(reader.ids().len(), 1, "{wrong}");
    }
    let mut all = Reader::open_at(&rig, "/v1/events?recent=18446744073709551615", "").await;
    all.until("later\"").await;
    assert!(all.text.contains("note 0."), "{}", all.text);
}

#[tokio::test]
async fn a_slow_reader_loses_events_is_told_and_holds_nothing_up() {
    let rig = Rig::start(config());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = Reader::over(socket.connect(rig.http.address).await.unwrap(), "").await;
    slow.until("retry").await;
    let mut quick = Reader::open(&rig, "").await;
    quick.until("retry").await;
    // Far more than any buffer between us holds. The quick one reads along.
    let long = "x".repeat(20_000);
    for round in 0..32 {
        for _ in 0..50 {
            rig.note(&long);
        }
        rig.note(&format!("round {round}."));
        quick.text.clear();
        quick.until(&format!("round {round}.")).await;
        assert!(!quick.text.contains("event: lost"), "the quick one");
    }
    rig.note("the end");
    slow.until("the end\"").await;
    assert!(slow.text.contains("event: lost\n"), "the slow one lost none of {} events", slow.ids().len());
    assert!(slow.ids().len() < 32 * 51 + 1);
}

#[tokio::test]
async fn readers_are_few_and_make_room_when_they_go() {
    let rig = Rig::start(config());
    let mut readers = Vec::new();
    for _ in 0..32 {
        let mut reader = Reader::open(&rig, "").await;
        reader.until("retry").await;
        readers.push(reader);
    }
    let answer = rig.get("/v1/events").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "limit"));
    assert_eq!(rig.ask("HEAD /v1/events", "", "").await.status, 429);
    readers.pop();
    let mut waited = 0;
    // HEAD takes a place for a moment only.
    while rig.ask("HEAD /v1/events", "", "").await.status != 200 {
        waited += 1;
        assert!(waited < 2000, "no room was made");
    }
    readers.push(Reader::open(&rig, "").await);
    readers.last_mut().unwrap().until("retry").await;
}

#[tokio::test]
async fn the_end_ends_readers_and_the_thread() {
    let mut rig = Rig::start(config());
    let mut reader = Reader::open(&rig, "").await;
    reader.until("retry").await;
    let address = rig.http.address;
    rig.stopper.stop();
    let http = tokio::task::spawn_blocking(move || rig.http.join());
    tokio::time::timeout(DEADLINE, http).await.expect("the thread ends").unwrap();
    let mut rest = Vec::new();
    reader.tcp.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "ended in good order: {rest:?}");
    until("the port is free", || std::net::TcpListener::bind(address).is_ok()).await;
}
