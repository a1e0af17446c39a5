//! Passwords: what is kept of them, and whether one is right.

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Nobody types longer ones.
const LONGEST: usize = 1024;
/// A look takes a processor and 19 MiB for some tens of milliseconds: so many at a time.
const AT_ONCE: usize = 2;

/// What is kept of a password: an argon2id PHC string.
///
/// The error says why this is no password.
pub fn hash_password(password: &str) -> Result<String, String> {
    if password.is_empty() || password.len() > LONGEST {
        return Err(format!("a password has 1 to {LONGEST} bytes"));
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// Whether this is what is kept of a password.
pub(super) fn is_hash(text: &str) -> bool {
    let whole =
        |hash: &PasswordHash| hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    PasswordHash::new(text).is_ok_and(|hash| whole(&hash) && argon2::Params::try_from(&hash).is_ok())
}

/// Looks whether passwords are right.
pub(super) struct Passwords {
    /// Is compared with where there is no user: that takes as long as if there were one.
    nobody: String,
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        // Of a random password, made as all others are. If that fails, so does each login.
        let nobody = hash_password(&uuid::Uuid::new_v4().to_string()).unwrap_or_default();
        Self { nobody, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether this is the password of which that is kept; never, if nothing is.
    pub(super) async fn is_right(&self, kept: Option<&str>, password: String) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        let (known, hash) = (kept.is_some(), kept.unwrap_or(&self.nobody).to_owned());
        let Ok(place) = self.places.clone().acquire_owned().await else { return false };
        let look = tokio::task::spawn_blocking(move || {
            let _place = place;
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        look.await.unwrap_or(false) && known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let (kept, passwords) = (hash_password("lamp").unwrap(), Passwords::new());
        assert!(is_hash(&kept) && kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, hash_password("lamp").unwrap());
        assert!(passwords.is_right(Some(&kept), "lamp".into()).await);
        assert!(!passwords.is_right(Some(&kept), "Lamp".into()).await);
        assert!(!passwords.is_right(None, "lamp".into()).await);
        for text in ["", "lamp", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g", "$argon2id$v=19$m=8,t=1,p=1"] {
            assert!(!is_hash(text), "{text}");
        }
        hash_password("").unwrap_err();
    }
}
