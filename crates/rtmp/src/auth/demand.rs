//! What a server asks for in the description of a refused connect.

/// Most bytes of a description that are looked at; real ones have some two hundred.
const LONGEST: usize = 2048;

/// How the password is to be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `authmod=adobe`.
    Adobe,
    /// `authmod=llnw`.
    Limelight,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Adobe => "adobe",
            Method::Limelight => "llnw",
        }
    }
}

/// How far the login has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `code=403 need auth`: the server wants to know the user.
    User,
    /// `reason=needauth`: the server wants the password proved. What a method does not use is empty.
    Proof {
        /// Adobe: mixed with the password.
        salt: String,
        /// Adobe: hashed if there is no `opaque`.
        challenge: Option<String>,
        /// Adobe: hashed and sent back.
        opaque: Option<String>,
        /// Limelight: hashed and sent back.
        nonce: String,
    },
    /// `reason=authfailed`.
    Failed,
    /// `reason=nosuchuser`.
    NoSuchUser,
    /// Anything else that names a method.
    Unclear,
}

/// A server's demand for user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The method that it wants.
    pub method: Method,
    /// What it wants next.
    pub step: Step,
}

impl Demand {
    /// Reads the description of a refusal; `None` if it asks for no login.
    ///
    /// Servers disagree on brackets, blanks and what stands around; only the words count, as for other clients.
    pub fn read(description: &str) -> Option<Demand> {
        let text = description.get(..description.floor_char_boundary(LONGEST)).unwrap_or_default();
        let method = match () {
            _ if text.contains("authmod=adobe") => Method::Adobe,
            _ if text.contains("authmod=llnw") => Method::Limelight,
            _ => return None,
        };
        let query = text.split_once("?reason=").map(|(_, query)| query);
        // A blank or the next value ends the reason.
        let (reason, values) = query.map_or((None, ""), |query| {
            let end = query.find(|c: char| c == '&' || c.is_whitespace()).unwrap_or(query.len());
            let (reason, values) = query.split_at(end);
            (Some(reason), values)
        });
        let step = match reason {
            Some("authfailed") => Step::Failed,
            Some("nosuchuser") => Step::NoSuchUser,
            Some("needauth") => proof(values),
            _ if text.contains("code=403 need auth") => Step::User,
            _ => Step::Unclear,
        };
        Some(Demand { method, step })
    }
}

fn proof(values: &str) -> Step {
    // The values are base64 or hexadecimal: a blank ends them.
    let values = values.split_whitespace().next().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = values.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
    };
    Step::Proof {
        salt: value("salt").unwrap_or_default(),
        challenge: value("challenge"),
        opaque: value("opaque"),
        nonce: value("nonce").unwrap_or_default(),
    }
}
