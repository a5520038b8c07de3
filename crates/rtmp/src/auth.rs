//! User and password in the connect command, in the two ways that encoders know: Adobe's and Limelight's. And the
//! [secure token](secure_token) of servers that players prove a secret to.
//!
//! No specification describes them; this is what Flash Media Server, librtmp, FFmpeg and GStreamer do. A login takes up to
//! three connections, each one a [session](crate::session) of its own:
//!
//! 1. The client connects as ever. The server refuses with a description that names the method ([`Demand`]).
//! 2. The client appends the method and the user to `app` and `tcUrl`. The server refuses with salts and challenges.
//! 3. The client appends a hash of those and of the password, which itself is never sent. The server accepts.
//!
//! [`Login`] is the client's side, [`adobe::Gate`] the server's; Limelight's has a client only. Both hashes are MD5: they
//! keep a password out of sight on a plain connection, and no more. `rtmps://` is what protects a stream.
pub mod adobe;
mod demand;
pub mod llnw;
pub mod secure_token;
#[cfg(test)]
mod tests;

pub use demand::{Demand, Method, Step};

use crate::secret::Secret;

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name, sent as it is: neither method encodes it.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A client's login over several connections.
///
/// ```
/// use outflow_rtmp::auth::{Credentials, Demand, Login};
///
/// let mut login = Login::new(Credentials { user: "u".into(), password: "p".into() });
/// assert!(login.query().is_none(), "nothing is said to a server that does not ask");
/// let demand = Demand::read("[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ").ok_or("no demand")?;
/// login.answer(&demand, "live", 7)?;
/// // For the `auth` of the next connection's `ClientConfig`.
/// assert_eq!(login.query().map(|query| query.expose()), Some("?authmod=adobe&user=u"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Login {
    credentials: Credentials,
    query: Option<Secret>,
    /// The user has been named.
    named: bool,
    /// The password's hash has been sent.
    proved: bool,
}

/// Why a login leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// `reason=authfailed`, or the same demand again after it was met.
    #[error("the server does not take this user and password")]
    Failed,
    /// `reason=nosuchuser`.
    #[error("the server does not know this user")]
    NoSuchUser,
    /// The server asks, and does not say what is needed for the answer.
    #[error("the server asks for a user and password in a way that cannot be answered")]
    Unclear,
}

impl Login {
    /// A login that has not begun.
    pub fn new(credentials: Credentials) -> Self {
        Login { credentials, query: None, named: false, proved: false }
    }

    /// What the next connection appends to `app` and `tcUrl`, with its `?`; `None` until a server asked.
    pub fn query(&self) -> Option<&Secret> {
        self.query.as_ref()
    }

    /// Takes what the server asked for in a refusal. After `Ok` connect again with [`Login::query`].
    ///
    /// `app` is the one of the URL, without what was appended. `random` is a new number for each call. Each step is taken
    /// once: a server that asks for ever is an error.
    ///
    /// # Errors
    /// The login has failed, and the next try would end alike.
    pub fn answer(&mut self, demand: &Demand, app: &str, random: u32) -> Result<(), LoginError> {
        let Credentials { user, password } = &self.credentials;
        let nonce = format!("{random:08x}");
        let query = match &demand.step {
            Step::Failed => return Err(LoginError::Failed),
            Step::NoSuchUser => return Err(LoginError::NoSuchUser),
            Step::Unclear => return Err(LoginError::Unclear),
            _ if self.proved => return Err(LoginError::Failed),
            Step::User if self.named => return Err(LoginError::Failed),
            Step::User => {
                self.named = true;
                format!("?authmod={}&user={user}", demand.method.name())
            }
            Step::Proof { salt, challenge, opaque, nonce: server_nonce } => {
                self.proved = true;
                match demand.method {
                    Method::Adobe => {
                        let dare = opaque.as_deref().or(challenge.as_deref()).unwrap_or_default();
                        let response = adobe::response(user, password, salt, dare, &nonce);
                        let opaque = opaque.as_ref().map(|text| format!("&opaque={text}")).unwrap_or_default();
                        format!("?authmod=adobe&user={user}&challenge={nonce}&response={response}{opaque}")
                    }
                    Method::Limelight => {
                        let response = llnw::response(user, password, app, server_nonce, &nonce);
                        let count = llnw::COUNT;
                        format!(
                            "?authmod=llnw&user={user}&nonce={server_nonce}&cnonce={nonce}&nc={count}&response={response}"
                        )
                    }
                }
            }
        };
        self.query = Some(query.into());
        Ok(())
    }
}
