//! Tests of URLs and of what is sent; what servers do wrong is tested with the hooks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outflow_testkit::http::{HttpServer, Reply};
use outflow_testkit::tls::Authority;

use super::*;
use crate::net::dial::SystemResolver;

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(&text.into()).unwrap()
}

async fn send(url: &HttpUrl, tls: Option<TlsClient>) -> Result<Answer, NetError> {
    let lookup = Mutex::default();
    let route = Route { resolver: &SystemResolver, lookup: &lookup, tls };
    post(&route, url, "text/plain", Bytes::from_static(b"body"), 1000).await
}

#[test]
fn a_url_shows_no_secret() {
    for (text, shown) in [
        ("http://hooks.example/on?token=s3cret", "http://hooks.example/on"),
        ("https://user:s3cret@hooks.example:8443/a/b?x=s3cret#s3cret", "https://hooks.example:8443/a/b"),
        ("HTTP://[::1]:8080?k=s3cret", "http://[::1]:8080/"),
        ("https://hooks.example", "https://hooks.example/"),
    ] {
        assert_eq!(url(text).to_string(), shown);
        assert!(!format!("{:?}", url(text)).contains("s3cret"), "{text}");
    }
}

#[test]
fn what_is_no_http_url_is_said_without_quoting_it() {
    for text in ["s3cret", "ftp://s3cret/", "http://", "http://s3cret:x/", "http://h/s3 cret", "http:///s3cret"] {
        let error = HttpUrl::parse(&text.into()).unwrap_err();
        assert!(!error.contains("s3"), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_query_and_the_password_go_to_the_server() {
    let server = HttpServer::start(Reply::Status(200, "yes".into())).await;
    let target = url(&format!("http://user:p%40ss@127.0.0.1:{}/on?token=a%26b", server.port));
    let answer = send(&target, None).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, b"yes".as_slice()));
    let request = server.requests.look(|requests| requests[0].clone());
    assert_eq!(request.line, "POST /on?token=a%26b HTTP/1.1");
    assert_eq!(request.body, "body");
    let headers = request.headers.to_lowercase();
    assert!(headers.contains(&format!("host: 127.0.0.1:{}", server.port)), "{headers}");
    // `user:p@ss`
    assert!(headers.contains(&"authorization: Basic dXNlcjpwQHNz".to_lowercase()), "{headers}");
}

#[tokio::test]
async fn https_is_checked() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let identity = trusted.identity(&["localhost", "127.0.0.1"]);
    let server = HttpServer::start_with(Reply::Status(200, "0".into()), Some(identity.acceptor())).await;
    let target = url(&format!("https://127.0.0.1:{}/", server.port));
    let client = |authority: &Authority| Some(tls::client_config(Some(authority.path())).unwrap());
    assert_eq!(send(&target, client(&trusted)).await.unwrap().status, 200);
    let error = send(&target, client(&other)).await.unwrap_err();
    assert_eq!(error.stage, Stage::Tls, "{error}");
    assert_eq!(server.count(), 1);
}

#[test]
fn base64_is_that_of_the_rfc() {
    for (bytes, text) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
    {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

#[test]
fn percents_are_decoded_and_broken_ones_stay() {
    assert_eq!(percent_decode("a%40b%2fc%zz%4"), b"a@b/c%zz%4");
    assert_eq!(percent_decode("%+1%"), b"%+1%");
}
