//! Why nobody can be let in as it is configured.

/// Why nobody can be let in as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Others could reach it, and nobody would ask who they are.
    #[error(
        "the dashboard would be open to everybody who can reach {listen}: set dashboard.auth to \"users\", \"proxy\" or \"oidc\" (docs/access.md), or dashboard.listen to a loopback address such as 127.0.0.1:8088"
    )]
    Open {
        /// Where it would listen.
        listen: String,
    },
    /// There is nobody who could log in.
    #[error(
        "dashboard.auth is \"users\", and there are none; add one to the configuration file: [dashboard.users.ann], with role = \"admin\" and the password that `millgate dashboard hash-password` prints"
    )]
    NoUsers,
    /// A password that is none, whose it is.
    #[error("the password of {0} is not one that `millgate dashboard hash-password` prints: $argon2id$…")]
    Password(String),
    /// Too short to keep anybody from finding it.
    #[error("dashboard.secret has to have 32 letters or more; `openssl rand -base64 32` makes one")]
    Secret,
    /// Whose headers to believe is not said.
    #[error(
        "dashboard.auth is \"proxy\"; set dashboard.trusted_proxies to the proxy's address, such as [\"127.0.0.1\"], and dashboard.proxy_header to the header in which it says who it is"
    )]
    NoProxy,
    /// A network that is none.
    #[error("`{0}` is neither an address nor a network like 10.1.0.0/16")]
    Network(String),
    /// A header that is none.
    #[error("`{0}` is no header's name")]
    Header(String),
    /// A role that is none.
    #[error("`{0}` is no role; there are viewer, operator and admin")]
    Role(String),
    /// A provider that cannot be asked.
    #[error("{0}")]
    Oidc(String),
    /// The address that browsers have.
    #[error("dashboard.url has to be the beginning of an address, such as https://ops.example.org, without a path")]
    Url,
    /// The HTTP client cannot be set up.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}
