//! Arguments of access: TLS, tokens, origins and host names.

use clap::{Args, ValueHint};

/// TLS: the files are read again on SIGHUP, and when they change.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub(in crate::config) struct TlsArgs {
    /// Speak TLS, with the certificate in this file (PEM, with those that lead to its root)
    #[arg(long, env = "DAYBOOK_TLS_CERTIFICATE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) tls_certificate: Option<String>,
    /// The certificate's private key (PEM, without a passphrase)
    #[arg(long, env = "DAYBOOK_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) tls_key: Option<String>,
}

/// Who may do what.
#[derive(Args)]
#[command(next_help_heading = "Access")]
pub(in crate::config) struct AccessArgs {
    /// Take JWTs signed with the secret in this file (HS256)
    #[arg(long, env = "DAYBOOK_JWT_SECRET_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) jwt_secret_file: Option<String>,
    /// Take JWTs signed with a key of this JSON Web Key Set (RS256, ES256, EdDSA), which is read again every five minutes
    #[arg(long, env = "DAYBOOK_JWKS", value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub(in crate::config) jwks: Option<String>,
    /// The issuer that a JWT must have (iss)
    #[arg(long, env = "DAYBOOK_JWT_ISSUER", value_name = "TEXT")]
    pub(in crate::config) jwt_issuer: Option<String>,
    /// The audience that a JWT must have (aud)
    #[arg(long, env = "DAYBOOK_JWT_AUDIENCE", value_name = "TEXT")]
    pub(in crate::config) jwt_audience: Option<String>,
    /// Listen beyond loopback although everyone who reaches the port may read and write the ledger
    #[arg(long, env = "DAYBOOK_WITHOUT_AUTHENTICATION")]
    pub(in crate::config) without_authentication: bool,
    /// An origin whose pages may use the API, such as https://app.example; can be given again, or with commas
    #[arg(
        long,
        env = "DAYBOOK_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(in crate::config) allow_origin: Vec<String>,
    /// A name or address that requests may use for this server, beside those of loopback; can be given again, or with commas
    #[arg(
        long,
        env = "DAYBOOK_ALLOW_HOST",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub(in crate::config) allow_host: Vec<String>,
}
