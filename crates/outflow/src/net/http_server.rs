//! Serves HTTP/1 on a port: as many connections as allowed, no header that never ends, no reader that never reads.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::bind;
use crate::error::Ended;
use crate::stop::Stop;

/// What peers of a port may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections at once; further ones are closed.
    pub connections: usize,
    /// How long the head of a request may take; also how long a connection may stay without a request.
    pub head: Duration,
    /// How long a peer may take nothing of an answer.
    pub stall: Duration,
    /// How long answers that are on their way may take once it ends.
    pub last: Duration,
}

/// The two ends of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Our address, as the peer reached us.
    pub local: IpAddr,
    /// The peer's.
    pub peer: SocketAddr,
}

/// A port that is bound, and accepts nothing yet.
#[derive(Debug)]
pub struct HttpPort {
    socket: std::net::TcpListener,
    /// The address as bound.
    pub address: SocketAddr,
}

impl HttpPort {
    /// Binds the first of these addresses that can be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, Ended> {
        bind::first(addresses).map(|(socket, address)| Self { socket, address })
    }

    /// Accepts and answers on the current runtime until `stop`, and a little longer for what is on its way. `admit` gives a
    /// place to who may come in from an address, which is kept as long as the connection; `handler` is given its ends.
    pub async fn serve<A, P, H, F, B>(self, limits: HttpLimits, admit: A, handler: H, stop: Stop) -> io::Result<()>
    where
        A: Fn(IpAddr) -> Option<P>,
        P: Send + 'static,
        H: Fn(Ends, Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        let (handler, places) = (Arc::new(handler), Arc::new(Semaphore::new(limits.connections)));
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = stop.stopped() => break,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or a connection that is gone already: never a reason to stop listening.
                Err(_) => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // One that finds no place is closed at once: an answer might take as long as the peer likes.
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let Some(admitted) = admit(peer.ip()) else { continue };
            tokio::spawn(connection(tcp, peer, (place, admitted), limits, handler.clone(), stop.clone()));
        }
        drop(socket);
        let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        let _ = timeout(limits.last + Duration::from_millis(100), places.acquire_many(all)).await;
        Ok(())
    }
}

async fn connection<P, H, F, B>(
    tcp: TcpStream,
    peer: SocketAddr,
    places: (OwnedSemaphorePermit, P),
    limits: HttpLimits,
    handler: Arc<H>,
    stop: Stop,
) where
    H: Fn(Ends, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let _places = places;
    let _ = tcp.set_nodelay(true);
    let local = tcp.local_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
    let ends = Ends { local, peer };
    let service = service_fn(move |request| {
        let answer = handler(ends, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = Impatient { tcp, most: limits.stall, waits: None };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(64)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    // What goes wrong on a connection concerns its peer only, who sees it.
    tokio::select! {
        _ = &mut serving => return,
        () = stop.stopped() => serving.as_mut().graceful_shutdown(),
    }
    let _ = timeout(limits.last, serving).await;
}

/// A connection whose peer has to take something now and then.
struct Impatient {
    tcp: TcpStream,
    most: Duration,
    /// Since the peer takes nothing.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn judge<T>(&mut self, written: Poll<T>, cx: &mut Context<'_>) -> Poll<Result<T, io::Error>> {
        if let Poll::Ready(done) = written {
            self.waits = None;
            return Poll::Ready(Ok(done));
        }
        let deadline = Instant::now() + self.most;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.tcp).poll_write(cx, bytes);
        this.judge(written, cx).map(Result::flatten)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.tcp).poll_write_vectored(cx, slices);
        this.judge(written, cx).map(Result::flatten)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "http_server_tests.rs"]
mod tests;
