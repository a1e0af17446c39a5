//! S3, and whatever speaks its protocol.
//!
//! Requests go by TLS of the machine's OpenSSL like everything else; `object_store` takes the arithmetic of signatures
//! from us, since what it would bring along is a second such library.

use std::{sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use object_store::{
    Error, ObjectStore, Result, RetryConfig,
    aws::AmazonS3Builder,
    client::{CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm},
};
use sha2::{Digest, Sha256};

use super::ClaimError;

/// Whoever waits for a store that is away tries on by himself, and can be stopped in between.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bucket, with the credentials, region and endpoint of the usual `AWS_` variables.
pub(super) fn bucket(name: &str) -> Result<Arc<dyn ObjectStore>, ClaimError> {
    if name.is_empty() || name.contains(['@', ':']) {
        let advice = "s3:// names no bucket; it looks like s3://bucket/prefix, with credentials in AWS_ variables";
        return Err(ClaimError::Config(advice.to_owned()));
    }
    let retry = RetryConfig { max_retries: 2, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let builder = AmazonS3Builder::from_env().with_bucket_name(name).with_retry(retry);
    let bucket = builder.with_crypto_provider(Arc::new(Signatures)).build();
    let bucket = bucket.map_err(|error| ClaimError::Config(format!("bucket {name} cannot be used: {error}")))?;
    Ok(Arc::new(bucket))
}

/// SHA-256, and HMAC with it.
#[derive(Debug)]
struct Signatures;

impl CryptoProvider for Signatures {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Hash { state: Sha256::new(), result: Vec::new() })),
            _ => Err(unknown()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        let state = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| unknown())?;
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Code { state, result: Vec::new() })),
            _ => Err(unknown()),
        }
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(unknown())
    }
}

/// Nothing that S3 asks for.
fn unknown() -> Error {
    Error::NotSupported { source: "S3 is signed with HMAC-SHA-256 only".into() }
}

struct Hash {
    state: Sha256,
    result: Vec<u8>,
}

impl DigestContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.result = self.state.clone().finalize().to_vec();
        Ok(&self.result)
    }
}

struct Code {
    state: Hmac<Sha256>,
    result: Vec<u8>,
}

impl HmacContext for Code {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.result = self.state.clone().finalize().into_bytes().to_vec();
        Ok(&self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    #[test]
    fn signatures_are_those_of_the_standards() {
        let mut hash = Signatures.digest(DigestAlgorithm::Sha256).unwrap();
        hash.update(b"a");
        hash.update(b"bc");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(hash.finish().unwrap()), abc, "FIPS 180-4");
        let mut code = Signatures.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        code.update(b"what do ya want ");
        code.update(b"for nothing?");
        let second = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(code.finish().unwrap()), second, "RFC 4231, test case 2");
    }

    #[test]
    fn a_bucket_needs_a_name_and_no_secret_in_it() {
        for name in ["", "key:secret@bucket"] {
            let error = bucket(name).unwrap_err().to_string();
            assert!(error.contains("it looks like s3://bucket/prefix") && !error.contains("secret@"), "{error}");
        }
    }
}
