//! The signed assertion that takes a secret's place: PS256 over a short-lived JWT.
//!
//! Owns the certificate and its key. Refuses to know where it is sent.
// Source: reference/graph.md, section 1: aud is the token endpoint, iss and sub the client id, ten minutes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use landfall_core::{Chance, Code, ErrorKind, StoreError};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// How long an assertion holds.
const LIFETIME: Duration = Duration::from_secs(600);

/// A certificate with its private key.
pub struct Certificate {
    key: RsaKeyPair,
    /// SHA-256 of the certificate, base64url.
    thumbprint: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.thumbprint)
    }
}

impl Certificate {
    /// Reads the first private key and the first certificate of a PEM text. `name` is for error texts.
    ///
    /// # Errors
    /// Kind `Rejected` with code `BadCertificate`.
    pub fn from_pem(pem: &[u8], name: &str) -> Result<Self, StoreError> {
        let bad = |detail: String| {
            StoreError::new(ErrorKind::Rejected, "read the certificate", name, detail)
                .with_code(Code::BadCertificate)
        };
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| bad("it holds no unencrypted private key in PEM form".into()))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(bad("its private key is not RSA".into())),
        };
        let key = key.map_err(|error| bad(format!("its private key cannot be used: {error}")))?;
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|_| bad("it holds no certificate".into()))?;
        let thumbprint = ring::digest::digest(&ring::digest::SHA256, &certificate);
        Ok(Self { key, thumbprint: BASE64URL.encode(thumbprint) })
    }

    /// Signs an assertion for one request.
    ///
    /// # Errors
    /// Kind `Rejected` with code `BadCertificate` where the key does not sign.
    pub(super) fn assertion(
        &self,
        audience: &str,
        client: &str,
        now: Timestamp,
        chance: &Chance,
    ) -> Result<String, StoreError> {
        let until = now.checked_add(LIFETIME).unwrap_or(now);
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience, "iss": client, "sub": client, "jti": chance.uuid(),
            "iat": now.as_second(), "nbf": now.as_second(), "exp": until.as_second(),
        });
        let signed =
            format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(
            |_| {
                StoreError::new(
                    ErrorKind::Rejected,
                    "sign with",
                    "the certificate's key",
                    "the key does not sign",
                )
                .with_code(Code::BadCertificate)
            },
        )?;
        Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
    }
}

/// The application permissions named in a token, for `doctor` only. A token is opaque by contract, so
/// nothing rests on this: whatever cannot be read gives an empty list.
pub(super) fn grants(token: &SecretString) -> Vec<String> {
    let claims = token
        .expose_secret()
        .split('.')
        .nth(1)
        .and_then(|part| BASE64URL.decode(part).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let roles = claims.as_ref().and_then(|claims| claims.get("roles")).and_then(Value::as_array);
    roles.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
