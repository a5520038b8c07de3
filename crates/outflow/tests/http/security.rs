//! Who may not: other origins, other hosts, no token, forms, and peers that never finish.

use std::sync::Arc;
use std::time::Duration;

use outflow::config::{Address, Api, Config, Limits};
use outflow::http;
use outflow_testkit::wait::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::rig::{JSON, Rig, config, loopback, raw};

const NEW: &str = "{\"stream\":\"live/cam\",\"url\":\"rtmp://127.0.0.1:9/app/s3cret\"}";

#[tokio::test]
async fn a_web_page_of_another_origin_can_do_nothing() {
    let rig = Rig::start(config());
    let host = rig.http.address;
    // What a page can send without asking: a form, and a script's simple request. Old browsers send no Origin with a form.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let text = "Content-Type: text/plain\r\n";
    for (headers, status, code) in [
        (format!("Origin: https://evil.example\r\n{JSON}"), 403, "forbidden_origin"),
        (format!("Origin: null\r\n{JSON}"), 403, "forbidden_origin"),
        (format!("Origin: http://localhost:1\r\n{JSON}"), 403, "forbidden_origin"),
        (format!("Sec-Fetch-Site: cross-site\r\n{JSON}"), 403, "forbidden_origin"),
        (form.to_owned(), 415, "unsupported_media"),
        (text.to_owned(), 415, "unsupported_media"),
        (String::new(), 415, "unsupported_media"),
    ] {
        let answer = rig.ask("POST /v1/outputs", &headers, NEW).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{headers}");
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
    // Reading is as forbidden, and so is what needs no body.
    let evil = "Origin: https://evil.example\r\n";
    assert_eq!(rig.ask("GET /v1/outputs", evil, "").await.status, 403);
    assert_eq!(rig.ask("POST /v1/reload", evil, "").await.status, 403);
    assert_eq!(rig.ask("POST /v1/reload", form, "").await.status, 415);
    assert_eq!(rig.ask("GET /v1/events", evil, "").await.status, 403);
    // The question that browsers ask first gets no permission.
    let preflight =
        format!("{evil}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n");
    let answer = rig.ask("OPTIONS /v1/outputs", &preflight, "").await;
    assert_eq!(answer.status, 403);
    assert!(!answer.head.contains("access-control"), "{}", answer.head);
    assert_eq!(rig.ask("OPTIONS /v1/outputs", "", "").await.code(), "method_not_allowed");
    assert!(rig.relay.outputs().is_empty());
    // Our own page may.
    let answer = rig.ask("POST /v1/outputs", &format!("Origin: http://{host}\r\n{JSON}"), NEW).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn a_name_that_was_rebound_to_us_is_refused() {
    let rig = Rig::start(config());
    for host in ["evil.example", "127.0.0.1.evil.example", "10.1.2.3", "0.0.0.0"] {
        let answer = rig.ask_as("GET /v1/outputs", &format!("Host: {host}:80\r\n"), "").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden_host"), "{host}");
    }
    for host in ["localhost", "127.0.0.1", "[::1]:99"] {
        assert_eq!(rig.ask_as("GET /v1/outputs", &format!("Host: {host}\r\n"), "").await.status, 200, "{host}");
    }
    assert_eq!(rig.ask_as("GET /v1/outputs", "", "").await.code(), "bad_request");
    assert_eq!(rig.ask_as("GET http://evil.example/v1/outputs", "Host: localhost\r\n", "").await.code(), "bad_request");
}

#[tokio::test]
async fn with_a_token_nothing_goes_without_it() {
    let rig = Rig::with_token("t0ken-s3cret");
    let description = {
        let answer = rig.ask("GET /openapi.json", "Authorization: Bearer t0ken-s3cret\r\n", "").await;
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let mut tried = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let line = format!("{} {}", method.to_uppercase(), path.replace(['{', '}'], ""));
            // Players show the stream's token instead.
            let open = ["/v1/health", "/v1/ready", "/v1/session", "/live/{app}/{name}.flv"].contains(&path.as_str());
            for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic t0ken-s3cret\r\n"] {
                let answer = rig.ask(&line, headers, "").await;
                assert_eq!(answer.status == 401, !open, "{line} {headers}");
                assert!(open || answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
                assert!(!format!("{}{}", answer.head, answer.body).contains("s3cret"));
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    // Paths that are not there are not told to strangers.
    assert_eq!(rig.get("/v1/nothing").await.status, 401);
    assert_eq!(rig.ask("GET /v1/outputs", "Authorization: Bearer t0ken-s3cret\r\n", "").await.status, 200);
}

#[tokio::test]
async fn a_token_changes_with_a_reload() {
    let rig = Rig::with_token("first");
    let api = Api { token: Some("second".into()), hosts: vec!["new.example".into()] };
    rig.relay.apply(outflow::config::Config { api, ..config() }).unwrap();
    assert_eq!(rig.ask("GET /v1/outputs", "Authorization: Bearer first\r\n", "").await.status, 401);
    let headers = "Host: new.example\r\nAuthorization: Bearer second\r\n";
    assert_eq!(rig.ask_as("GET /v1/outputs", headers, "").await.status, 200);
}

#[tokio::test]
async fn without_a_token_it_is_on_loopback_only() {
    for ip in [None, Some([0, 0, 0, 0].into()), Some([192, 0, 2, 1].into())] {
        let error = http::bind(Address { ip, port: 0 }, &Api::default()).unwrap_err();
        assert!(error.text.contains("set api.token"), "{error}");
    }
    let bound = http::bind(loopback(), &Api::default()).unwrap();
    let taken = Address { port: bound.address().port(), ..loopback() };
    let error = http::bind(taken, &Api::default()).unwrap_err();
    assert!(error.text.contains("another program has this port"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem() {
    let rig = Rig::start(config());
    for path in ["/index.html", "/v1", "/v1/nothing", "/v1/outputs/a/b/c", "/openapi.json/", "/v1/outputs/%ff"] {
        let answer = rig.get(path).await;
        assert!(matches!((answer.status, answer.code().as_str()), (404, "not_found") | (400, "bad_request")), "{path}");
    }
    for (line, allow) in [
        ("DELETE /v1/outputs", "get,head,post"),
        ("POST /v1/health", "get,head"),
        ("PUT /v1/outputs/a", "get,head,patch,delete"),
    ] {
        let answer = rig.ask(line, "", "").await;
        assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{line}");
        let allowed = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default();
        let sorted = |text: &str| {
            let mut methods: Vec<String> = text.split(',').map(|method| method.trim().to_owned()).collect();
            methods.sort();
            methods
        };
        assert_eq!(sorted(allowed), sorted(allow), "{line}");
    }
    let head = rig.ask("HEAD /v1/health", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let head = rig.ask("HEAD /v1/nothing", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (404, ""));
}

#[tokio::test]
async fn answers_say_that_they_are_not_to_be_kept_or_guessed_at() {
    let rig = Rig::start(config());
    for answer in [rig.get("/v1/outputs").await, rig.get("/v1/nothing").await, rig.get("/openapi.json").await] {
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        ] {
            assert!(answer.head.contains(header), "{header}: {}", answer.head);
        }
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let rig = Rig::start(config());
    let most = 64 << 10;
    let large = format!("{{\"stream\":\"{}\"}}", "x".repeat(most));
    assert_eq!(rig.ask("POST /v1/outputs", JSON, &large).await.code(), "body_too_large");
    let mut fits = "{}".to_owned();
    fits.push_str(&" ".repeat(most - 2));
    assert_eq!(rig.ask("POST /v1/outputs", JSON, &fits).await.code(), "invalid");
    // Announced as large, or not announced at all.
    let host = format!("Host: {}\r\n{JSON}", rig.http.address);
    let begin = format!("POST /v1/outputs HTTP/1.1\r\n{host}Connection: close\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 8192, "x".repeat(8192)).repeat(10);
    let answer = raw(rig.http.address, &format!("{begin}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")).await;
    assert_eq!(answer.code(), "body_too_large");
    let unwanted = rig.ask("POST /v1/reload", JSON, "{\"a\":1}").await;
    assert_eq!(unwanted.code(), "bad_request");
    for broken in ["", "   ", "{", "nonsense", "[1,"] {
        let answer = rig.ask("POST /v1/outputs", &format!("{JSON}X: y\r\n"), broken).await;
        assert_eq!(answer.code(), "bad_request", "{broken}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_ends() {
    let reload = std::sync::Arc::new(|| Err(Vec::new()));
    let rig = Rig::start_with(config(), reload, Duration::from_millis(300));
    let host = format!("Host: {}\r\n", rig.http.address);
    for begin in ["", "GET /v1/hea", &format!("GET /v1/health HTTP/1.1\r\n{host}X: y")] {
        let mut tcp = TcpStream::connect(rig.http.address).await.unwrap();
        tcp.write_all(begin.as_bytes()).await.unwrap();
        closes(&mut tcp, begin).await;
    }
    // One header after the other, in time each: the whole head has the deadline.
    let mut tcp = TcpStream::connect(rig.http.address).await.unwrap();
    tcp.write_all(format!("GET /v1/health HTTP/1.1\r\n{host}").as_bytes()).await.unwrap();
    let (mut reading, mut writing) = tcp.into_split();
    let trickle = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            if writing.write_all(b"X: y\r\n").await.is_err() {
                return;
            }
        }
    });
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, reading.read_to_end(&mut rest)).await.expect("it is closed");
    trickle.abort();
    // A connection that was used once may not stay without a word either.
    let mut tcp = TcpStream::connect(rig.http.address).await.unwrap();
    tcp.write_all(format!("GET /v1/health HTTP/1.1\r\n{host}\r\n").as_bytes()).await.unwrap();
    closes(&mut tcp, "after a request").await;
    assert_eq!(rig.get("/v1/health").await.status, 200);
}

async fn closes(tcp: &mut TcpStream, what: &str) {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "{what:?} may go on for ever");
}

/// A connection from one of this machine's own addresses.
async fn from(last: u8, rig: &Rig) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(rig.http.address).await.unwrap()
}

/// Whether a request is answered over it.
async fn answers(tcp: &mut TcpStream) -> bool {
    let mut text = String::new();
    let _ = tcp.write_all(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
    let read = tokio::time::timeout(DEADLINE, tcp.read_to_string(&mut text)).await.expect("an answer, or its end");
    read.is_ok() && text.starts_with("HTTP/1.1 200")
}

/// Connects until a request is answered.
async fn answers_in_the_end(last: u8, rig: &Rig) {
    let begin = std::time::Instant::now();
    while !answers(&mut from(last, rig).await).await {
        assert!(begin.elapsed() < DEADLINE, "no room though others went");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn limited(http_connections_per_address: usize) -> Config {
    Config { limits: Limits { http_connections_per_address, ..Limits::default() }, ..config() }
}

#[tokio::test]
async fn connections_are_bounded_and_make_room_when_they_go() {
    let rig = Rig::start_with(limited(1000), Arc::new(|| Err(Vec::new())), DEADLINE * 2);
    let mut open = Vec::new();
    for _ in 0..512 {
        open.push(TcpStream::connect(rig.http.address).await.unwrap());
    }
    // Closed at once, long before a request without an end would be.
    assert!(!answers(&mut from(2, &rig).await).await);
    open.truncate(400);
    answers_in_the_end(2, &rig).await;
}

#[tokio::test]
async fn one_address_takes_no_more_than_its_share() {
    let rig = Rig::start_with(limited(3), Arc::new(|| Err(Vec::new())), DEADLINE * 2);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(rig.http.address).await.unwrap());
    }
    assert!(!answers(&mut from(1, &rig).await).await, "a fourth");
    assert!(answers(&mut from(2, &rig).await).await, "another address has its own");
    // Other limits hold from the next connection on.
    rig.relay.apply(limited(4)).unwrap();
    assert!(answers(&mut from(1, &rig).await).await);
    rig.relay.apply(limited(3)).unwrap();
    assert!(!answers(&mut from(1, &rig).await).await);
    open.truncate(2);
    answers_in_the_end(1, &rig).await;
}
