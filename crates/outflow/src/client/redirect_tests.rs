//! Redirects as servers send them, for pushes and for pulls: followed, bounded, and never into a network that is not ours to
//! be sent to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use outflow_rtmp::amf0::Value;
use outflow_rtmp::chunk::encode_full;
use outflow_rtmp::command::{Command, status};
use outflow_rtmp::message::kind;
use outflow_rtmp::session::{ServerConfig, ServerEvent, ServerSession};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::net::BoxFuture;
use crate::node::{MediaUrl, Node};
use crate::options::{self, Options, rtmp, value};
use outflow_rtmp::session::Role;

/// What a server does with a connect.
#[derive(Clone)]
enum Does {
    Accept,
    /// `_error` with `ex.redirect`, as Flash Media Server.
    Fms(String),
    /// `onStatus` with `ex.redirect` and `ex.redirect2`, and the connection stays, as with SRS.
    Srs(String),
    /// To itself.
    Circle,
    /// It wants a user and password.
    NeedAuth,
}

/// What was seen of each connect: app, tcUrl, and the name asked for.
type Seen = Arc<Mutex<Vec<(String, String, Option<String>)>>>;

async fn server(does: Does) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let (does, seen) = (does.clone(), all.clone());
            tokio::spawn(async move {
                let properties = vec![("secureToken".to_owned(), "3e68c50ec98d17ea".into())];
                let mut session = ServerSession::new(ServerConfig { properties, ..ServerConfig::new([7; 1528]) });
                let (mut buffer, mut heard) = ([0; 4096], Vec::new());
                while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
                    heard.extend_from_slice(&buffer[..length]);
                    session.receive(&buffer[..length]).unwrap();
                    let mut more = BytesMut::new();
                    while let Some(event) = session.next_event() {
                        let asked = |name: &str| {
                            if let Some(last) = seen.lock().last_mut() {
                                last.2 = Some(name.to_owned());
                            }
                        };
                        match event {
                            ServerEvent::Connect(connect) => {
                                seen.lock().push((connect.app.clone(), connect.tc_url.clone(), None));
                                match &does {
                                    Does::Accept => session.accept_connect().unwrap(),
                                    Does::Fms(to) => session.redirect_connect(to).unwrap(),
                                    Does::Circle => {
                                        session.redirect_connect(&format!("rtmp://{address}/live")).unwrap()
                                    }
                                    Does::Srs(to) => {
                                        let mut info = status("error", "NetConnection.Connect.Rejected", "RTMP 302");
                                        let ex = [
                                            ("code", Value::Number(302.0)),
                                            ("redirect", to.as_str().into()),
                                            ("redirect2", format!("{to}/key").into()),
                                        ];
                                        if let Value::Object(fields) = &mut info {
                                            fields.push(("ex".into(), Value::object(ex)));
                                        }
                                        let told = Command::new("onStatus", 0.0, vec![info]).encode();
                                        encode_full(&mut more, 3, kind::COMMAND, 0, 0, &told, 128).unwrap();
                                    }
                                    Does::NeedAuth => {
                                        let why = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
                                        session.reject_connect("NetConnection.Connect.Rejected", why).unwrap();
                                    }
                                }
                            }
                            ServerEvent::Publish(request) => {
                                asked(request.name.expose());
                                assert!(session.accept_publish(request.stream_id));
                            }
                            ServerEvent::Play(request) => {
                                asked(request.name.expose());
                                assert!(session.accept_play(request.stream_id));
                            }
                            _ => {}
                        }
                    }
                    if heard.windows(8).any(|part| part == b"12345678") {
                        seen.lock().push(("the token".to_owned(), String::new(), None));
                        heard.clear();
                    }
                    let said = session.take_output();
                    if tcp.write_all(&said).await.is_err() || tcp.write_all(&more).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

/// Names that lead where the test wants.
struct Names(HashMap<&'static str, &'static str>);

impl Resolver for Names {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let text = self.0.get(host).copied().unwrap_or(host).to_owned();
        let address = text.trim_matches(['[', ']']).parse().map(|ip| vec![SocketAddr::new(ip, port)]);
        Box::pin(std::future::ready(address.map_err(io::Error::other)))
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn enter(&self, _state: State) {}

    fn note(&self, _text: String) {}
}

/// One attempt of either role.
async fn attempt(role: Role, url: &str, typed: &[(&str, &str)]) -> Result<Opened, Ended> {
    let table = if role == Role::Publish { rtmp::PUSH } else { rtmp::PULL };
    let mut set = Options::with_defaults(options::defaults(table));
    for (name, text) in typed {
        let spec = options::find(table, name).unwrap();
        set.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    let url = Some(MediaUrl::new(url));
    let node = Node { index: 1, word: "word".into(), kind: "kind", name: "n".into(), url, options: set };
    let mut client = Client::new(settings::read(&node, role).unwrap());
    let names = Names(HashMap::from([
        ("a.test", "127.0.0.1"),
        ("b.test", "127.0.0.1"),
        ("inner.test", "10.0.0.1"),
        ("mapped.test", "::ffff:192.168.0.1"),
        ("translated.test", "64:ff9b::a00:1"),
    ]));
    let attempt = client.open(&names, &Nobody, &[]);
    tokio::time::timeout(std::time::Duration::from_secs(60), attempt).await.expect("an answer")
}

#[tokio::test]
async fn both_forms_are_followed_by_both_roles_with_the_name_kept() {
    for role in [Role::Publish, Role::Play] {
        for srs in [false, true] {
            let (last, seen) = server(Does::Accept).await;
            let to = format!("rtmp://{last}/other");
            let (first, _) = server(if srs { Does::Srs(to) } else { Does::Fms(to) }).await;
            let opened = attempt(role, &format!("rtmp://{first}/live/key?x=1"), &[]).await.unwrap();
            assert_eq!(opened.peer, last.to_string());
            let (app, tc_url, name) = seen.lock()[0].clone();
            assert_eq!((app.as_str(), tc_url), ("other", format!("rtmp://{last}/other")));
            assert_eq!(name.as_deref(), Some("key?x=1"));
        }
    }
}

#[tokio::test]
async fn three_hops_and_no_more_and_no_circles() {
    for role in [Role::Publish, Role::Play] {
        let (mut next, _) = server(Does::Accept).await;
        for hops in 1..=4 {
            (next, _) = server(Does::Fms(format!("rtmp://{next}/live"))).await;
            let outcome = attempt(role, &format!("rtmp://{next}/live/key"), &[]).await;
            match outcome {
                Ok(_) => assert!(hops <= 3),
                Err(ended) => assert!(hops == 4 && ended.text.contains("again and again"), "{hops}: {ended}"),
            }
        }
        let (circle, seen) = server(Does::Circle).await;
        let ended = attempt(role, &format!("rtmp://{circle}/live/key"), &[]).await.err().unwrap();
        assert_eq!((ended.reason, ended.retry), (Reason::Refused, Retry::Slow));
        assert_eq!(seen.lock().len(), 4, "the first and three more");
    }
}

/// By what a name leads to, not by how it looks; and a server on this machine, which may be a tunnel to one far away, does not
/// open the networks around it.
#[tokio::test]
async fn nobody_is_sent_into_another_network() {
    for host in ["inner.test", "mapped.test", "translated.test", "10.0.0.1", "[::ffff:169.254.169.254]"] {
        for role in [Role::Publish, Role::Play] {
            let (first, _) = server(Does::Fms(format!("rtmp://{host}/live"))).await;
            let ended = attempt(role, &format!("rtmp://{first}/live/key"), &[]).await.err().unwrap();
            assert!(ended.text.contains("into the local network"), "{host}: {ended}");
            assert_eq!((ended.reason, ended.retry), (Reason::Refused, Retry::Slow), "{host}");
            assert!(!ended.text.contains("key"), "{ended}");
        }
    }
}

/// The stream's name goes along, or there would be nothing to publish; who we are stays with the server of the URL.
#[tokio::test]
async fn secrets_stay_with_the_server_that_they_are_for() {
    let (there, seen) = server(Does::NeedAuth).await;
    let (first, _) = server(Does::Fms(format!("rtmp://b.test:{}/live", there.port()))).await;
    let url = |host: &str| format!("rtmp://user:pass@{host}:{}/live/key", first.port());
    for role in [Role::Publish, Role::Play] {
        let tc_url = [("rtmp_tcurl", "rtmp://secret.example/live")];
        let ended = attempt(role, &url("a.test"), &tc_url).await.err().unwrap();
        assert!(ended.text.contains("user and password"), "{ended}");
        assert!(
            seen.lock().iter().all(|(app, tc_url, _)| app == "live" && !tc_url.contains("secret")),
            "{:?}",
            seen.lock()
        );
        seen.lock().clear();
        // Another port of the same host may ask.
        let ended = attempt(role, &url("b.test"), &[]).await.err().unwrap();
        assert!(ended.text.contains("does not take this user and password"), "{ended}");
        assert!(seen.lock().iter().any(|(app, ..)| app == "live?authmod=adobe&user=user"), "{:?}", seen.lock());
        seen.lock().clear();
    }
    let (there, seen) = server(Does::Accept).await;
    let (first, _) = server(Does::Fms(format!("rtmp://b.test:{}/live", there.port()))).await;
    for (host, given) in [("a.test", false), ("b.test", true)] {
        let url = format!("rtmp://{host}:{}/live/key", first.port());
        attempt(Role::Play, &url, &[("rtmp_token", "k")]).await.unwrap();
        assert_eq!(seen.lock().iter().any(|(app, ..)| app == "the token"), given, "{host}");
        seen.lock().clear();
    }
}
