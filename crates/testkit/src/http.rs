//! A small HTTP server for hooks: it keeps what it was asked, and answers, or misbehaves, as it was told last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::wait::Watched;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this status and body.
    Status(u16, String),
    /// Answers with this status and this `Location`.
    Redirect(u16, String),
    /// Keeps the connection and says nothing.
    Never,
    /// Answers 200 with so many bytes.
    Long(usize),
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Closes the connection.
    Close,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first line.
    pub line: String,
    /// The headers, as they came.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    /// Where it listens.
    pub port: u16,
    /// What came so far.
    pub requests: Watched<Vec<Request>>,
    replies: Watched<Vec<Reply>>,
    /// The most connections that were open at once.
    most: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl HttpServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(reply: Reply) -> Self {
        Self::start_with(reply, None).await
    }

    /// The same through TLS.
    pub async fn start_with(reply: Reply, tls: Option<TlsAcceptor>) -> Self {
        Self::listen(0, reply, tls).await
    }

    /// Listens on this port, for a server that comes back where another was.
    pub async fn start_at(port: u16, reply: Reply) -> Self {
        Self::listen(port, reply, None).await
    }

    async fn listen(port: u16, reply: Reply, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (requests, replies) = (Watched::new(Vec::new()), Watched::new(vec![reply]));
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn({
            let (requests, replies, most) = (requests.clone(), replies.clone(), most.clone());
            async move {
                // The connections end with this task.
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((tcp, _)) = listener.accept().await {
                    let (requests, replies, tls) = (requests.clone(), replies.clone(), tls.clone());
                    let (open, most) = (open.clone(), most.clone());
                    connections.spawn(async move {
                        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        match tls {
                            None => serve(tcp, &requests, &replies).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(tcp).await {
                                    serve(stream, &requests, &replies).await;
                                }
                            }
                        }
                        open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { port, requests, replies, most, task }
    }

    /// `http://127.0.0.1:PORT` and this.
    pub fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// Answers like this from now on.
    pub fn reply(&self, reply: Reply) {
        self.replies.update(|replies| *replies = vec![reply]);
    }

    /// Answers like these in turn, and like the last from then on.
    pub fn reply_in_turn(&self, mut turns: Vec<Reply>) {
        turns.reverse();
        self.replies.update(|replies| *replies = turns);
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.requests.look(Vec::len)
    }

    /// The most connections that were open at once.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    requests: &Watched<Vec<Request>>,
    replies: &Watched<Vec<Reply>>,
) {
    let Some(request) = read(&mut stream).await else { return };
    let reply = replies.update(|replies| match replies.len() {
        0 | 1 => replies.last().cloned(),
        _ => replies.pop(),
    });
    requests.update(|requests| requests.push(request));
    let text = match reply.expect("a reply was given") {
        Reply::Status(status, body) => {
            format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Reply::Redirect(status, to) => {
            format!("HTTP/1.1 {status} Status\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
        }
        // Until the other side has had enough.
        Reply::Never => {
            while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {}
            return;
        }
        Reply::Long(length) => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length)),
        Reply::Garbage => "\u{1}\u{2} this is no HTTP\r\n\r\n".to_owned(),
        Reply::Close => return,
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Reads one request with a `Content-Length`.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
            let length = headers
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                return Some(Request { line: line.to_owned(), headers: headers.to_owned(), body });
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(length) if length > 0 => bytes.extend_from_slice(&more[..length]),
            _ => return None,
        }
    }
}
