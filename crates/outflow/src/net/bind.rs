//! Ports to listen on: how one is bound, and what is said where it can't be.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::net::TcpListener;

use super::dial;
use crate::error::{Ended, Origin, Reason, Retry};

/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;

/// Binds this address and listens. `[::]` takes both families.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        // `rtmp://:1935` means every address of both families.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds the first of these addresses that can be had, and gives it as bound.
pub fn first(addresses: &[SocketAddr]) -> Result<(std::net::TcpListener, SocketAddr), Ended> {
    let mut failed = None;
    for address in addresses {
        match bind(*address) {
            Ok(socket) => {
                let address = socket.local_addr().unwrap_or(*address);
                return Ok((socket, address));
            }
            Err(error) => failed = Some(cannot_bind(&address.to_string(), &error)),
        }
    }
    Err(failed.unwrap_or_else(|| Ended::internal("a port without an address")))
}

/// [`bind`] for peers with media, on the current runtime. What [`dial::prepare`] sets, most systems pass on to what is accepted.
pub fn bind_here(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address)?;
    // Before anybody can be there.
    dial::prepare(&socket, true);
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What is said where `address` can't be had.
pub fn cannot_bind(address: &str, error: &io::Error) -> Ended {
    let text = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("can't listen on {address}: another program has this port; choose another, or end that program")
        }
        io::ErrorKind::PermissionDenied => {
            format!("can't listen on {address}: not permitted (ports below 1024 need privileges); choose another port")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("can't listen on {address}: this machine has no such address")
        }
        _ => format!("can't listen on {address}: {error}"),
    };
    Ended::new(Origin::Config, Retry::Never, Reason::Bind, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn accepted_connections_have_what_was_set_for_the_port() {
        let listener = bind_here(([127, 0, 0, 1], 0).into()).unwrap();
        let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert_eq!(socket2::SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), 128 << 10);
    }
}
