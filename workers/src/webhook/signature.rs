//! Signatures, as Standard Webhooks says: HMAC-SHA256 over `id.timestamp.body`.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::WebhookError;

/// What a secret begins with, which makes it easy to find where it should not be.
const PREFIX: &str = "whsec_";

/// Secrets by name.
#[derive(Clone, Default)]
pub(super) struct Secrets(HashMap<String, Vec<Hmac<Sha256>>>);

impl Secrets {
    /// Reads `name=whsec_…`.
    pub(super) fn read(written: &[String]) -> Result<Self, WebhookError> {
        let mut secrets: HashMap<String, Vec<_>> = HashMap::new();
        for (place, written) in (1..).zip(written) {
            let (name, key) = read(written).ok_or(WebhookError::Secret { place })?;
            secrets.entry(name).or_default().push(key);
        }
        Ok(Self(secrets))
    }

    /// The header `webhook-signature`, a signature for each secret of that name; `None` without one.
    pub(super) fn sign(&self, name: &str, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let signatures = self.0.get(name)?.iter().map(|key| {
            let mut code = key.clone();
            code.update(format!("{id}.{timestamp}.").as_bytes());
            code.update(body);
            format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()))
        });
        Some(signatures.collect::<Vec<_>>().join(" "))
    }
}

fn read(written: &str) -> Option<(String, Hmac<Sha256>)> {
    let (name, secret) = written.split_once('=')?;
    let bytes = STANDARD.decode(secret.trim().strip_prefix(PREFIX)?).ok()?;
    let name = name.trim();
    if name.is_empty() || !(24..=64).contains(&bytes.len()) {
        return None;
    }
    Some((name.to_owned(), Hmac::new_from_slice(&bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secrets = Secrets::read(&[format!("erp={SECRET}")]).unwrap();
        let signature = secrets.sign("erp", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY);
        assert_eq!(signature.as_deref(), Some(SIGNATURE));
        assert_eq!(secrets.sign("crm", "id", 0, BODY), None);
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let secrets = Secrets::read(&[format!("erp={SECRET}"), format!("erp = {other}")]).unwrap();
        let signature = secrets.sign("erp", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY).unwrap();
        let (first, second) = signature.split_once(' ').unwrap();
        assert_eq!(first, SIGNATURE);
        assert!(second.starts_with("v1,") && second != first, "{second}");
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        let short = STANDARD.encode([7; 23]);
        for wrong in [SECRET, "erp", "erp=hunter2", "=whsec_", &format!("erp=whsec_{short}"), "erp=whsec_!"] {
            let good = format!("erp={SECRET}");
            let error = Secrets::read(&[good, wrong.to_owned()]).err().unwrap().to_string();
            assert!(error.starts_with("the 2. of the secrets is no name=whsec_…"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
