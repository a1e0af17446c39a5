//! Which mail server, and how to speak to it: what `smtp.url` says.

use std::{fmt, time::Duration};

use lettre::transport::smtp::{
    authentication::Credentials,
    client::{Certificate, Tls, TlsParameters, TlsParametersBuilder},
    extension::ClientId,
};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{MailError, SmtpConfig};

/// RFC 5321: between servers, in the clear.
const RELAY_PORT: u16 = 25;
/// RFC 6409: from a program, with STARTTLS.
const SUBMISSION_PORT: u16 = 587;
/// RFC 8314: from a program, with TLS from the first byte.
const SUBMISSIONS_PORT: u16 = 465;

/// A mail server.
#[derive(Debug)]
pub(super) struct Server {
    /// A name or an address, the latter without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Credentials>,
    /// As whom we greet it: this machine's name.
    pub(super) hello: ClientId,
    /// How long each step may take.
    pub(super) timeout: Duration,
}

impl Server {
    /// Reads the URL.
    ///
    /// lettre's own `from_url` would let pass what then fails, or leaks, later: a misspelt `?tls=` is no TLS to it,
    /// a user without password no login, and a name in brackets no IPv6 address.
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let wrong = |reason: &str| MailError::Url(reason.to_owned());
        // What cannot be parsed is not shown either: the password is somewhere in it.
        let url = Url::parse(&config.url).map_err(|error| {
            MailError::Url(format!("{error} (in user and password, %40 stands for @, %2F for /, %23 for #)"))
        })?;
        if !matches!(url.scheme(), "smtp" | "smtps") {
            return Err(wrong("it starts with neither smtp:// nor smtps://"));
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong("nothing but ?tls=… may follow the port"));
        }
        let host = host(&url)?;
        let (tls, port) = encryption(&url, &host, &authorities(&config.ca_file)?)?;
        Ok(Self {
            port: url.port().unwrap_or(port),
            login: login(&url)?,
            hello: ClientId::default(),
            timeout: config.timeout,
            host,
            tls,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An IPv6 address has colons of its own.
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(out, "{open}{}{close}:{}", self.host, self.port)
    }
}

fn host(url: &Url) -> Result<String, MailError> {
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| MailError::Url("it names no host".into()))?;
    // Bücher.example is asked for by its name in the DNS.
    let host = percent_decode_str(host).decode_utf8_lossy();
    match Host::parse(&host) {
        Ok(Host::Ipv6(address)) => Ok(address.to_string()),
        Ok(host) => Ok(host.to_string()),
        Err(error) => Err(MailError::Url(format!("{host}: {error}"))),
    }
}

/// The certificates in a file.
fn authorities(path: &str) -> Result<Vec<Certificate>, MailError> {
    const END: &str = "-----END CERTIFICATE-----";
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |reason: String| MailError::CaFile { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let read = |pem: &str| Certificate::from_pem(pem.as_bytes()).map_err(|error| wrong(error.to_string()));
    // lettre takes one at a time, and of several in one text only the first.
    let all: Vec<_> = text.split_inclusive(END).filter(|pem| pem.ends_with(END)).map(read).collect::<Result<_, _>>()?;
    if all.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(all) }
}

/// How to encrypt, and the port where that is usual.
fn encryption(url: &Url, host: &str, authorities: &[Certificate]) -> Result<(Tls, u16), MailError> {
    let parameters = || {
        let add =
            |builder: TlsParametersBuilder, authority: &Certificate| builder.add_root_certificate(authority.clone());
        let built = authorities.iter().fold(TlsParameters::builder(host.to_owned()), add).build();
        built.map_err(|error| MailError::Url(format!("no TLS with {host}: {error}")))
    };
    let options: Vec<_> = url.query_pairs().collect();
    let options: Vec<_> = options.iter().map(|(name, value)| (&**name, &**value)).collect();
    match (url.scheme(), &options[..]) {
        ("smtp", []) => Ok((Tls::None, RELAY_PORT)),
        ("smtp", [("tls", "required")]) => Ok((Tls::Required(parameters()?), SUBMISSION_PORT)),
        ("smtp", [("tls", "opportunistic")]) => Ok((Tls::Opportunistic(parameters()?), SUBMISSION_PORT)),
        ("smtps", []) => Ok((Tls::Wrapper(parameters()?), SUBMISSIONS_PORT)),
        ("smtps", _) => Err(MailError::Url(
            "smtps:// is TLS from the first byte and takes no options; smtp:// takes ?tls=required".into(),
        )),
        _ => Err(MailError::Url("after the ? comes tls=required or tls=opportunistic, and nothing else".into())),
    }
}

fn login(url: &Url) -> Result<Option<Credentials>, MailError> {
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| MailError::Url("user or password is not UTF-8 behind its %XX".into()))
    };
    match (url.username(), url.password().filter(|password| !password.is_empty())) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(MailError::Url("it has a password and no user".into())),
        (_, None) => Err(MailError::Url("it has a user and no password".into())),
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, MailError> {
        Server::new(&SmtpConfig { url: url.into(), ..SmtpConfig::default() })
    }

    #[test]
    fn the_url_says_how_to_reach_the_server() {
        for (url, address, tls) in [
            ("smtp://localhost", "localhost:25", "None"),
            ("smtp://127.0.0.1:11025/", "127.0.0.1:11025", "None"),
            ("smtp://[::1]:2525", "[::1]:2525", "None"),
            ("smtp://Mail.example.org?tls=required", "mail.example.org:587", "Required"),
            ("smtp://mail.example.org:25?tls=opportunistic", "mail.example.org:25", "Opportunistic"),
            ("smtps://mail.example.org", "mail.example.org:465", "Wrapper"),
            ("smtp://bücher.example", "xn--bcher-kva.example:25", "None"),
        ] {
            let server = server(url).unwrap();
            assert_eq!(server.to_string(), address, "{url}");
            assert_eq!(format!("{:?}", server.tls), tls, "{url}");
            assert_eq!(server.login, None, "{url}");
        }
    }

    #[test]
    fn user_and_password_may_hold_anything() {
        let server = server("smtp://shop%40example.org:p%2Fw%23%C3%BC+@mail?tls=required").unwrap();
        let login = Credentials::new("shop@example.org".into(), "p/w#ü+".into());
        assert_eq!(server.login, Some(login));
    }

    #[test]
    fn a_url_that_would_do_something_else_is_refused() {
        for (url, reason) in [
            ("", "relative URL"),
            ("mail.example.org:25", "neither smtp:// nor smtps://"),
            ("http://mail", "neither smtp:// nor smtps://"),
            ("smtp:///", "names no host"),
            ("smtp://", "names no host"),
            ("smtp://mail:port", "invalid port"),
            ("smtp://mail:25/ehlo", "nothing but ?tls=…"),
            ("smtp://mail?tsl=required", "tls=required or tls=opportunistic"),
            ("smtp://mail?tls=yes", "tls=required or tls=opportunistic"),
            ("smtp://mail?tls=required&tls=opportunistic", "and nothing else"),
            ("smtps://mail?tls=opportunistic", "takes no options"),
            ("smtp://shop@mail", "a user and no password"),
            ("smtp://:secret@mail", "a password and no user"),
            ("smtp://shop:%ff@mail", "not UTF-8"),
            // The # ends the host there, and the password would be a port.
            ("smtp://shop:sec#ret@mail", "%23 for #"),
        ] {
            let error = server(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
            assert!(error.contains("it looks like smtp://host:25"), "{url}: {error}");
            assert!(!error.contains("sec"), "{url}: {error}");
        }
    }
}
