//! One HTTP request over one connection: what hooks need, and no more. No redirect is followed, no answer is unbounded.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::connection::Connection;
use super::dial::{self, DialOptions, Lookup, Resolver};
use super::tls::{self, TlsClient};
use super::{NetError, Stage};
use crate::secret::Secret;

/// Where a request goes. `Display` and `Debug` show scheme, host, port and path: no userinfo, no query.
#[derive(Clone)]
pub struct HttpUrl {
    tls: bool,
    host: String,
    port: u16,
    /// As in the `Host` header.
    authority: String,
    path: String,
    query: Option<Secret>,
    authorization: Option<Secret>,
}

impl HttpUrl {
    /// Reads an `http://` or `https://` URL. The error quotes nothing of it.
    pub fn parse(url: &Secret) -> Result<Self, String> {
        let url = url.expose();
        let (scheme, rest) = url.split_once("://").ok_or("the URL must begin with http:// or https://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("the URL must begin with http:// or https://".into()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(Secret::from(query))),
            None => (rest, None),
        };
        let checked: Uri = format!("http://{authority}{}", if rest.starts_with('/') { rest } else { "/" })
            .parse()
            .map_err(|_| "the URL holds a character that must be written as %XX, or its host or port is wrong")?;
        let host = checked.host().filter(|host| !host.is_empty()).ok_or("the URL has no host")?.to_owned();
        let port = match authority.strip_prefix(host.as_str()) {
            Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(_) => checked.port_u16().ok_or("the URL's port is not a number from 0 to 65535")?,
            None => return Err("the URL's host is wrong".into()),
        };
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        let authorization = userinfo.map(|text| Secret::new(format!("Basic {}", base64(&percent_decode(text)))));
        Ok(Self { tls, host, port, authority: authority.to_owned(), path, query, authorization })
    }

    /// Host and port, as errors name them.
    fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same server, another path.
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), query: None, ..self.clone() }
    }

    /// What stands in the first line of the request.
    fn target(&self) -> Result<Uri, NetError> {
        let text = match &self.query {
            Some(query) => format!("{}?{}", self.path, query.expose()),
            None => self.path.clone(),
        };
        text.parse().map_err(|_| NetError {
            ours: true,
            ..NetError::new(Stage::Write, self.peer(), "the hook's URL holds a character that must be written as %XX")
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where a 3xx points; may hold a key.
    pub location: Option<Secret>,
    /// The body, whole.
    pub body: Bytes,
}

/// How to reach the servers of one URL.
pub struct Route<'a> {
    /// Looks up names.
    pub resolver: &'a dyn Resolver,
    /// The look-ups of this URL: shared by its calls, so that names that hang don't gather threads.
    pub lookup: &'a Mutex<Lookup>,
    /// What is trusted, for `https://`.
    pub tls: Option<TlsClient>,
}

/// Posts a body and gives the answer, of `most` bytes at most. It may be dropped at any time, which ends the connection;
/// the deadline is the caller's.
pub async fn post(
    route: &Route<'_>,
    url: &HttpUrl,
    content_type: &'static str,
    body: Bytes,
    most: usize,
) -> Result<Answer, NetError> {
    let mut request = request(url, body)?;
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    send(route, url, request, most).await
}

/// Gets what is there, as [`post`] does; with this token, if there is one.
pub async fn get(route: &Route<'_>, url: &HttpUrl, token: Option<&Secret>, most: usize) -> Result<Answer, NetError> {
    let mut request = request(url, Bytes::new())?;
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, authorization(url, &format!("Bearer {}", token.expose()))?);
    }
    send(route, url, request, most).await
}

async fn send(
    route: &Route<'_>,
    url: &HttpUrl,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, NetError> {
    let peer = url.peer();
    let connection = connect(route, url).await?;
    let unreadable = |error: &hyper::Error| NetError::new(Stage::Read, &peer, in_words(error));
    let (mut sender, driver) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 << 10)
        .max_headers(100)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(|error| unreadable(&error))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| unreadable(&error))?;
        let status = answer.status().as_u16();
        let location = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok()).map(Secret::from);
        let body = Limited::new(answer.into_body(), most).collect().await.map_err(|error| {
            let text = match error.downcast_ref::<hyper::Error>() {
                Some(error) => in_words(error),
                None if error.is::<LengthLimitError>() => format!("the answer is longer than {most} bytes"),
                None => error.to_string(),
            };
            NetError::new(Stage::Read, &peer, text)
        })?;
        Ok(Answer { status, location, body: body.to_bytes() })
    };
    let mut driver = std::pin::pin!(driver);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => return done,
        // The last bytes may still wait to be taken out: the exchange says how it ended.
        _ = &mut driver => {}
    }
    exchange.await
}

fn request(url: &HttpUrl, body: Bytes) -> Result<Request<Full<Bytes>>, NetError> {
    let mut request = Request::new(Full::new(body));
    *request.uri_mut() = url.target()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&url.authority).map_err(|_| no_request(url))?);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("outflow/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(text) = &url.authorization {
        headers.insert(AUTHORIZATION, authorization(url, text.expose())?);
    }
    Ok(request)
}

fn authorization(url: &HttpUrl, text: &str) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| no_request(url))?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_request(url: &HttpUrl) -> NetError {
    NetError { ours: true, ..NetError::new(Stage::Write, url.peer(), "URL and token make no request") }
}

async fn connect(route: &Route<'_>, url: &HttpUrl) -> Result<Connection, NetError> {
    let addresses = route.lookup.lock().await.resolve(route.resolver, &url.host, url.port).await?;
    let peer = url.peer();
    let tcp = dial::connect(&addresses, &DialOptions::default(), &peer).await?;
    if !url.tls {
        return Ok(Connection::Plain(tcp));
    }
    let trust = match &route.tls {
        Some(trust) => trust.clone(),
        None => system_trust(&peer).await?,
    };
    tls::connect(tcp, trust, &url.host, &peer).await
}

/// The system's roots are files: read beside the runtime.
async fn system_trust(peer: &str) -> Result<TlsClient, NetError> {
    let read = tokio::task::spawn_blocking(|| tls::client_config(None)).await;
    let trust = read.unwrap_or_else(|_| Err("the system's certificates could not be read".into()));
    trust.map_err(|text| NetError::new(Stage::Tls, peer, text))
}

fn in_words(error: &hyper::Error) -> String {
    if error.is_parse() {
        return "the answer is not HTTP".into();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "the connection was closed before the answer was complete".into();
    }
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.map_or_else(|| error.to_string(), dial::plain)
}

/// Bytes of a text with `%XX` in it; what is no such escape stays.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = escape.and_then(|hex| std::str::from_utf8(hex).ok()).filter(|hex| !hex.starts_with('+'));
        match value.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// RFC 4648 §4, for `Basic`.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) as usize & 63;
            let letter = DIGITS.get(value).map_or('=', |&letter| char::from(letter));
            text.push(if digit <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
#[path = "http_client_tests.rs"]
mod tests;
