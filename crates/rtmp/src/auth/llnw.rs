//! Limelight's login (`authmod=llnw`), as a client: HTTP digest (RFC 2617 §3.2.2) with fixed realm, method and quality.
use super::adobe::md5;
use crate::secret::Secret;

/// The nonce count: each nonce of ours is used once.
pub(super) const COUNT: &str = "00000001";

/// The response to a server's `nonce`; `client_nonce` is ours.
///
/// `app` is the one of the URL. One without an instance has `_definst_`, the instance of that name at the server.
pub fn response(user: &str, password: &Secret, app: &str, nonce: &str, client_nonce: &str) -> String {
    let who = hex(&[user, ":live:", password.expose()]);
    let instance = if app.contains('/') { "" } else { "/_definst_" };
    let what = hex(&["publish:/", app, instance]);
    hex(&[&who, ":", nonce, ":", COUNT, ":", client_nonce, ":auth:", &what])
}

fn hex(parts: &[&str]) -> String {
    md5(parts).iter().map(|byte| format!("{byte:02x}")).collect()
}
